"""The six systems: each trains with its teacher, from each kind of data, by the one loop."""

import dataclasses
import hashlib
import logging
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10

from kdsharp import data, distill, evaluate, recipes, student, teacher
from kdsharp.apps.cli import main
from kdsharp.degradation import degrade, degrade_picture
from kdsharp.deploy import sharpen
from kdsharp.disk import checkpoints, files
from kdsharp.distill import pipeline, targets
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Network
from kdsharp.recipes.degradations import Blur, Camera, Pairs
from kdsharp.student import load_network

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "09_other_systems.ipynb"
TINY = ["training.steps=4", "training.batch=2", "training.patch=16", "training.validate_every=4",
        "store.crop=32", "store.crops_per_photo=4", "store.group=2"]  # fmt: skip


def photos() -> pipeline.Photos:
    return pipeline.Photos(data.embedded_photos("train")[:1], data.embedded_photos("val")[:1])


@pytest.mark.parametrize("name", recipes.SYSTEMS)
@pytest.mark.parametrize("profile", recipes.PROFILES)
def test_every_system_is_whole(name: str, profile: str) -> None:
    recipe = recipes.preset(name, profile)
    assert recipe.losses.teacher or recipe.losses.soft
    network = student.build(recipe.student)
    planes = 3 if network.colour == "rgb" else 1
    scale = recipe.scale
    assert network(torch.rand(1, planes, 37, 30)).shape == (1, planes, 37 * scale, 30 * scale)
    if recipes.trains_teacher(recipe):
        first = recipes.preset(recipe.teacher, profile)
        assert (first.teacher, first.degradation, first.data) == (None, recipe.degradation, recipe.data)
        assert student.parameters(student.build(first.student)) > student.parameters(network)


@pytest.mark.parametrize("name", ["restormer", "cifar", "soft-targets", "mae"])
def test_the_teacher_learns_first_by_the_same_loop(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = []
    loop = distill.train

    def watched(recipe, *rest, **named):
        trained.append(recipe.name)
        return loop(recipe, *rest, **named)

    monkeypatch.setattr("kdsharp.distill.training.train", watched)
    recipe = recipes.override(recipes.preset(name, "quick"), TINY)
    first = recipes.override(recipes.preset(recipe.teacher, "quick"), TINY)
    pipeline.train(recipe, photos(), tmp_path, "quick", teacher_recipe=first)
    assert trained == [f"{name}-teacher", name]
    store = targets.open_store(tmp_path / "targets")
    assert store.target is not None and checkpoints.is_ours(tmp_path / "teacher" / "student.safetensors")
    assert checkpoints.recipe_of(tmp_path / "student.safetensors") == recipe


NO_SOURCE = "no source gives it, and that is all"


@pytest.fixture
def no_source(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine to which nobody gives an official teacher; the names that were asked for."""
    asked = []

    def choose(name: str, instead: str = teacher.OWN) -> tuple[str, str]:
        asked.append(name)
        return instead, NO_SOURCE

    monkeypatch.setattr(pipeline, "choose", choose)
    return asked


def test_quick_trains_without_any_source(
    no_source: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By the stand-in: said once, and named by all that is kept."""
    recipe = recipes.override(recipes.preset("video-call", "quick"), TINY)
    with caplog.at_level(logging.WARNING):
        made = pipeline.train(recipe, photos(), tmp_path, "quick")
    (said,) = [found.getMessage() for found in caplog.records if NO_SOURCE in found.getMessage()]
    assert said == f"{teacher.OWN} teaches instead of RealESRGAN_x4plus: {NO_SOURCE}"
    assert no_source == ["RealESRGAN_x4plus"]
    kept = checkpoints.recipe_of(made.checkpoint)
    assert kept == dataclasses.replace(recipe, teacher=teacher.OWN)
    store = targets.open_store(tmp_path / "targets")
    assert store.about["made_from"]["teacher"] == teacher.load_teacher(teacher.OWN).identity
    again = pipeline.train(recipe, photos(), tmp_path, "quick")  # goes on with the same run
    assert again.history == made.history


def test_only_quick_takes_a_stand_in(no_source: list[str]) -> None:
    for profile in ("medium", "full"):
        recipe = recipes.preset("video-call", profile)
        assert pipeline.at_hand(recipe, profile) == recipe
    for name in ("mae", "self-teacher"):  # trained first, and none at all
        recipe = recipes.preset(name, "quick")
        assert pipeline.at_hand(recipe, "quick") == recipe
    deaf = recipes.override(recipes.preset("video-call", "quick"), ["losses.hr=1", "losses.teacher=0"])
    alone = dataclasses.replace(deaf, losses=dataclasses.replace(deaf.losses, perceptual=0.0))
    assert pipeline.at_hand(alone, "quick") == alone  # nobody listens to it
    assert no_source == []


def test_the_command_line_says_who_teaches(
    no_source: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number, picture in enumerate(data.embedded_photos("train")[:2]):
        data.write_image(tmp_path / "photos" / f"{number}.png", data.read_image(picture)[:200, :200])
    command = ["train", "video-call", "--profile", "quick", "--photos", str(tmp_path / "photos")]
    command += ["--holdout", "1", "--folder", str(tmp_path / "run"), "--set", *TINY]
    assert main(command) == 0
    assert checkpoints.recipe_of(tmp_path / "run" / "student.safetensors").teacher == teacher.OWN
    store = [*command[1:6], "--folder", str(tmp_path / "store"), "--set", *TINY]
    assert main(["targets", *store]) == 0
    assert no_source == ["RealESRGAN_x4plus"] * 2


@pytest.mark.heavy
def test_quick_beats_the_best_unsharp_mask(tmp_path: Path) -> None:
    """The fidelity student, 128 small crops and a minute old, on photographs that it never saw.

    The mask's radius and amount are searched on those very photographs. KDSHARP_COURSE names a folder of the course
    that holds this student already.
    """
    recipe = recipes.characters(recipes.preset("video-call", "quick"))["fidelity"]
    made = Path(os.environ.get("KDSHARP_COURSE", "nowhere")) / "student-fidelity" / "student.safetensors"
    if not made.is_file() or checkpoints.recipe_of(made) != recipe:
        found = pipeline.photos_of(recipe, "quick")
        made = pipeline.train(recipe, found, tmp_path, "quick").checkpoint
    sharpen_it = sharpen.load_student(made, "cpu")
    originals = [data.read_image(path) for path in data.embedded_photos("val")]
    for call in ((2.0, 70), (3.0, 50)):
        pairs = [(hr, degrade_picture(hr, recipes.fixed_call(*call))[1]) for hr in originals]
        learnt = np.mean([evaluate.psnr(sharpen_it(frame), hr) for hr, frame in pairs])
        _, best = evaluate.best_unsharp(pairs)
        assert learnt > best, call


@pytest.mark.heavy
def test_a_system_from_the_command_line(own_root: Path) -> None:
    """As a reader runs it: `train --preset NAME --profile quick`, then `evaluate --preset NAME`."""
    assert main(["train", "--preset", "restormer", "--profile", "quick"]) == 0
    table = own_root / "rows.json"
    assert main(["evaluate", "--preset", "restormer", "--profile", "quick", "--json", str(table)]) == 0
    rows = {row["method"]: row for row in files.read_json(table)}
    assert rows["student"]["psnr_y"] > rows["input (nothing)"]["psnr_y"] + 3
    assert rows["student"]["ssim_y"] > 0.99


@pytest.mark.heavy
def test_students_of_notebook_09_beat_their_own_input(executed) -> None:
    """After 120 steps each; but two listen to Real-ESRGAN alone, which is crisp and not close to the original."""
    _, course = executed(NOTEBOOK)
    tables = files.read_json(course / "results" / "systems.json")
    assert set(tables) == set(recipes.SYSTEMS)
    gains = {}
    for name, table in tables.items():
        rows = {row["method"]: row["psnr_y"] for row in table}
        gains[name] = rows["student"] - rows.get("input (nothing)", rows.get("bicubic"))
    wanted = {"restormer": 1.0, "cifar": 0.3, "soft-targets": 0.5, "mae": 0.0}
    wanted |= {"video-call": -0.6, "real-esrgan": -0.5}
    assert not {name: gains[name] for name, least in wanted.items() if gains[name] <= least}


def make_pairs(folder: Path, count: int = 3, side: int = 96) -> None:
    picture = data.read_image(data.embedded_photos("val")[0])
    for number in range(count):
        sharp = picture[40 * number : 40 * number + side, 60 : 60 + side]
        blurred = degrade(
            data.to_tensor(sharp), Blur("gaussian", (0.5, 0.5)), torch.Generator().manual_seed(0)
        )
        data.write_image(folder / data.SHARP / f"{number}.png", sharp)
        data.write_image(folder / data.BLURRED / f"{number}.png", data.to_image(blurred.input))


def test_pairs_are_cut_at_one_place(tmp_path: Path) -> None:
    make_pairs(tmp_path / "pairs")
    recipe = pipeline.for_folder(
        recipes.override(recipes.preset("restormer", "quick"), TINY), tmp_path / "pairs"
    )
    assert recipe.degradation == Pairs()
    found = pipeline.photos_of(recipe, "quick", tmp_path / "pairs", held_out=1)
    store = targets.build(tmp_path / "s", found.train, recipe.degradation, recipe.store, None)
    assert len(found.train) == 2 and len(store) == 8
    again = degrade(data.to_tensor(store.hr[0]), Blur("gaussian", (0.5, 0.5)), torch.Generator())
    inside = (slice(12, -12), slice(12, -12))  # the window saw what lies around the crop
    assert np.abs(data.to_image(again.input)[inside].astype(int) - store.input[0][inside]).max() <= 1
    with pytest.raises(KdsharpError, match="enlarges"):
        pipeline.for_folder(recipes.preset("real-esrgan"), tmp_path / "pairs")


def test_mismatched_pairs_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_pairs(tmp_path)
    (tmp_path / data.BLURRED / "1.png").rename(tmp_path / data.BLURRED / "other.png")
    data.write_image(tmp_path / data.BLURRED / "2.png", np.zeros((70, 96, 3), np.uint8))
    with caplog.at_level(logging.WARNING):
        pairs = data.list_pairs(tmp_path)
    assert [path.name for path in pairs] == ["0.png", "2.png"]
    assert "sharp_Image/1.png" in caplog.text and "blur_Image/other.png" in caplog.text
    with pytest.raises(KdsharpError, match="differ in size"):
        data.read_for(pairs[1], Pairs())
    with pytest.raises(KdsharpError, match="sharp_Image"):
        data.read_for(data.embedded_photos()[0], Pairs())
    with pytest.raises(KdsharpError, match="no folder sharp_Image"):
        data.list_pairs(tmp_path / data.SHARP)


def test_pairs_train_and_are_evaluated_from_the_command_line(tmp_path: Path) -> None:
    make_pairs(tmp_path / "pairs", count=4)
    command = [
        "train",
        "restormer",
        "--profile",
        "quick",
        "--photos",
        str(tmp_path / "pairs"),
        "--holdout",
        "1",
    ]
    settings = [*TINY, "losses.teacher=0"]
    assert main([*command, "--folder", str(tmp_path / "run"), "--set", *settings]) == 0
    trained = sharpen.load_student(tmp_path / "run" / "student.safetensors")
    assert trained.recipe.degradation == Pairs()
    evaluated = [
        "evaluate",
        "--preset",
        "restormer",
        "--student",
        str(tmp_path / "run" / "student.safetensors"),
    ]
    assert main([*evaluated, "--photos", str(tmp_path / "pairs")]) == 0
    pairs = data.list_pairs(tmp_path / "pairs")
    rows = evaluate.evaluate_student(trained, pairs, Pairs())
    assert rows[0]["psnr_y"] > 30  # a light blur


def write_cifar(folder: Path, monkeypatch: pytest.MonkeyPatch, count: int = 4) -> np.ndarray:
    """Real pictures in CIFAR-10's own format: pickled batches of planar rows in a tar, known to torchvision by MD5."""
    crop = data.read_image(data.embedded_photos("val")[0])[: 32 * 6, : 32 * 10]
    pictures = crop.reshape(6, 32, 10, 32, 3).swapaxes(1, 2).reshape(-1, 32, 32, 3)
    base, names = (
        folder / CIFAR10.base_folder,
        [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"],
    )
    base.mkdir(parents=True)
    known = {}
    for number, name in enumerate(names):
        some = pictures[number * count : (number + 1) * count]
        rows = some.transpose(0, 3, 1, 2).reshape(count, -1)
        (base / name).write_bytes(pickle.dumps({"data": rows, "labels": list(range(count))}, protocol=2))
        known[name] = hashlib.md5((base / name).read_bytes()).hexdigest()
    (base / "batches.meta").write_bytes(pickle.dumps({"label_names": [str(label) for label in range(10)]}))
    meta = hashlib.md5((base / "batches.meta").read_bytes()).hexdigest()
    archive = folder / CIFAR10.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(base, CIFAR10.base_folder)
    monkeypatch.setattr(CIFAR10, "train_list", [[name, known[name]] for name in names[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", known["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": meta})
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    for path in base.iterdir():
        path.unlink()
    base.rmdir()
    return pictures


def test_cifar_comes_from_the_official_format(own_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = write_cifar(own_root / "data" / "CIFAR10", monkeypatch)
    train, test = data.cifar10("train", 20), data.cifar10("test", 4)
    assert np.array_equal(np.stack([data.read_image(path) for path in train]), pictures[:20])
    assert np.array_equal(data.read_image(test[3]), pictures[23])
    recipe = recipes.override(recipes.preset("cifar", "full"), ["training.steps=2", "losses.perceptual=0"])
    store = targets.build(own_root / "s", train, recipe.degradation, recipe.store, None)
    assert store.hr.shape == (20, 32, 32, 3)  # one crop a picture, the whole of it


def test_cifar_that_cannot_be_had_is_said(own_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise RuntimeError("Error downloading cifar-10-python.tar.gz")

    monkeypatch.setattr(CIFAR10, "__init__", unreachable)
    with pytest.raises(KdsharpError, match=r"cifar-10-python\.tar\.gz"):
        data.cifar10("train", 10)


def test_a_damaged_cifar_is_never_unpickled(own_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch file is a pickle, which could run anything: one with another checksum is not read."""
    folder = own_root / "data" / "CIFAR10"
    write_cifar(folder, monkeypatch)
    data.cifar10("test", 2)
    batch = folder / CIFAR10.base_folder / "test_batch"
    batch.write_bytes(pickle.dumps(Bomb(folder / "ran")))
    (folder / CIFAR10.filename).unlink()
    monkeypatch.setattr(CIFAR10, "url", (folder / "nowhere").as_uri())
    with pytest.raises(KdsharpError, match="could not be had"):
        data.cifar10("test", 3)
    assert not (folder / "ran").exists()


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_darker_room_gives_more_noise() -> None:
    grey = torch.full((1, 3, 64, 64), 0.5)

    def noise(exposure: float) -> float:
        settings = Camera(motion=(1, 1), exposure=(exposure, exposure), noise=(2, 2), jpeg=(100, 100))
        stages = degrade(grey, settings, torch.Generator().manual_seed(0)).stages
        return stages["brightened"].std().item() * 255

    assert noise(1.0) == pytest.approx(2, rel=0.05) and noise(0.25) == pytest.approx(8, rel=0.05)


def test_skips_carry_detail_past_the_narrow_place() -> None:
    """A U-Net's deepest level sees the picture at a quarter; without skips all detail has to pass there."""
    torch.manual_seed(0)
    nets = {
        name: student.build(Network(name, {"channels": 8, "levels": 3}))
        for name in ("unet", "encoder-decoder")
    }
    assert student.parameters(nets["unet"]) == student.parameters(nets["encoder-decoder"])
    nets["encoder-decoder"].load_state_dict(nets["unet"].state_dict())
    x = torch.rand(1, 3, 32, 32)
    assert not torch.allclose(nets["unet"](x), nets["encoder-decoder"](x))
    with torch.no_grad():
        nets["unet"].last.weight.zero_()
    assert torch.allclose(nets["unet"](x), x)  # what it predicts is a correction


@pytest.mark.parametrize(
    "options", [{"attention": True}, {"branches": 2}, {"attention": True, "branches": 3}]
)
def test_optional_blocks_train_and_survive_saving(options: dict, tmp_path: Path) -> None:
    base = recipes.override(recipes.preset("mae", "quick"), [*TINY, "losses.teacher=0"])
    shape = dataclasses.replace(base.student, options=base.student.options | options)
    recipe = dataclasses.replace(base, student=shape)
    result = pipeline.train(recipe, photos(), tmp_path, "quick")
    loaded, again = load_network(result.checkpoint)
    x = torch.rand(1, 1, 30, 34)
    assert again == recipe and torch.allclose(loaded(x), result.network(x), atol=1e-6)
    assert reach(loaded) > reach(student.build(base.student))


def reach(network: torch.nn.Module) -> int:
    """Rows of the input that one output pixel sees: more with attention (all) and with dilated branches."""
    torch.manual_seed(0)
    picture = torch.rand(1, 1, 160, 160, requires_grad=True)
    network(picture)[0, 0, 80, 80].backward()
    return int((picture.grad[0, 0].abs().sum(1) > 0).sum())


def test_a_recipe_that_cannot_be_trained_makes_no_targets(tmp_path: Path) -> None:
    recipe = recipes.preset("mae", "quick")
    recipe = dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, patch=500))
    with pytest.raises(KdsharpError, match=r"training.patch is 500"):
        pipeline.train(recipe, photos(), tmp_path, "quick")
    assert not list(tmp_path.iterdir())
