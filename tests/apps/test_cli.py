"""Recipes and the command line as a user meets them."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from kdsharp import data, recipes, student
from kdsharp.apps.cli import COMMANDS, main
from kdsharp.deploy import sharpen
from kdsharp.deploy.engines.onnx import OnnxNetwork
from kdsharp.disk import checkpoints
from kdsharp.distill import pipeline, targets
from kdsharp.errors import KdsharpError
from kdsharp.student import load_network


@pytest.mark.parametrize("profile", recipes.PROFILES)
@pytest.mark.parametrize("name", recipes.presets("quick"))
def test_recipes_survive_json_and_build(name: str, profile: str) -> None:
    recipe = recipes.preset(name, profile)
    assert recipes.from_dict(json.loads(json.dumps(recipes.to_dict(recipe)))) == recipe
    assert student.build(recipe.student).scale == recipe.scale


@pytest.mark.parametrize(("name", "profile"), [("esrgan-9000", "quick"), ("video-call", "hasty")])
def test_unknown_presets_and_profiles_list_the_known_ones(name: str, profile: str) -> None:
    with pytest.raises(KdsharpError, match="choose one of"):
        recipes.preset(name, profile)


def test_override_changes_one_value_and_refuses_unknown_ones() -> None:
    base = recipes.preset("video-call")
    changed = recipes.override(base, ["training.steps=7", "degradation.shrink=[2, 2]", "losses.perceptual=0"])
    assert (changed.training.steps, changed.degradation.shrink, changed.losses.perceptual) == (7, (2, 2), 0)
    for wrong in ("training.stepz=7", "steps", "training.steps=many", "name.x=1"):
        with pytest.raises(KdsharpError):
            recipes.override(base, [wrong])


@pytest.mark.parametrize("command", ["", *(module.__name__.rpartition(".")[2] for module in COMMANDS)])
def test_help_reads(command: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*command.split(), "--help"])
    assert stopped.value.code == 0 and "usage: kdsharp" in capsys.readouterr().out


def test_help_is_instant() -> None:
    """It imports nothing that takes longer than the help itself; what is asked for by name comes then."""
    program = """
import sys
from kdsharp import apps
from kdsharp.apps.cli import main
try:
    main(["--help"])
except SystemExit:
    print(sorted({"numpy", "torch", "cv2", "PIL", "onnxruntime"} & set(sys.modules)))
print(apps.pictures.sharpen_file.__name__, hasattr(apps, "music"))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n[]\nsharpen_file False\n")


@pytest.mark.parametrize(
    ("command", "package", "said"),
    [
        ("train video-call --profile quick", "torch", "This needs the extra: pip install 'kdsharp[train]'."),
        ("web", "flask", "The page needs the extra: pip install 'kdsharp[web]'."),
        ("call in.mp4 out.mp4", "av", "Videos need the extra: pip install 'kdsharp[video]'."),
    ],
    ids=["torch", "flask", "av"],
)
def test_what_is_not_installed_is_named_by_its_extra(command: str, package: str, said: str) -> None:
    program = f"import sys; sys.modules[{package!r}] = None\n"  # as Python marks what cannot be imported
    program += f"from kdsharp.apps.cli import main; sys.exit(main({command.split()}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, f"kdsharp: {said}\n")


def test_a_published_network_teaches_by_its_name(tmp_path: Path) -> None:
    """Also where the preset has no teacher of its own."""
    settings = [
        "training.steps=1",
        "training.batch=2",
        "training.patch=32",
        "store.crop=48",
        "losses.teacher=1",
    ]
    settings += ["training.validate_every=1", "store.crops_per_photo=2"]
    photos = data.embedded_photos("train")[0].parent
    command = [
        "train",
        "call-m",
        "--photos",
        str(photos),
        "--holdout",
        "1",
        "--folder",
        str(tmp_path / "run"),
    ]
    assert main([*command, "--teacher", "call-s", "--set", *settings]) == 0
    store = targets.open_store(tmp_path / "run" / "targets")
    taught = sharpen.load_student("call-s", "cpu")
    for target, frame in zip(store.target[:4], store.input[:4], strict=True):
        assert (
            np.abs(target.astype(int) - taught(frame)).max() <= 8
        )  # bfloat16, and luma and restraint of bytes
    assert checkpoints.recipe_of(tmp_path / "run" / "student.safetensors").teacher == "call-s"


@pytest.mark.heavy
def test_train_evaluate_speed_sharpen(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """The whole chain from the command line on two photographs, tiny."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in data.embedded_photos("train")[:2]:
        data.write_image(photos / f"{path.stem}.png", data.read_image(path)[:160, :160])
    run = tmp_path / "run"
    settings = ["training.steps=4", "training.batch=2", "training.patch=32", "training.validate_every=4",
                "store.crop=64", "store.crops_per_photo=2", "losses.teacher=0", "degradation.shrink=[2,2]"]  # fmt: skip
    trained = ["train", "video-call", "--profile", "quick", "--photos", str(photos), "--holdout", "1"]
    assert main([*trained, "--folder", str(run), "--set", *settings]) == 0
    model = str(run / "student.safetensors")
    assert load_network(model)[1].training.steps == 4
    table = tmp_path / "rows.json"
    assert main(["evaluate", "--student", model, "--photos", str(photos), "--json", str(table)]) == 0
    rows = json.loads(table.read_text())
    assert [row["method"] for row in rows] == ["input (nothing)", "unsharp mask", "student"]
    assert main(["sharpen", str(photos), str(tmp_path / "out"), "--student", model]) == 0
    assert len(list((tmp_path / "out").glob("*.png"))) == 2
    assert main(["sharpen", str(photos / "chelsea.png"), str(tmp_path / "one.jpg"), "--student", model]) == 0
    assert data.read_image(tmp_path / "one.jpg").shape == (160, 160, 3)
    assert "student" in capsys.readouterr().out


@pytest.mark.heavy
def test_quick_speed_writes_a_json_of_fixed_shape(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Others plot from this file: its keys and types stay."""
    table = tmp_path / "speed.json"
    assert main(["speed", "--quick", "--engines", "onnx", "--json", str(table)]) == 0
    measured = json.loads(table.read_text())
    assert set(measured) == {"hardware", "ceilings", "rows", "footprints"}
    assert {"processor", "cores", "threads", "torch", "onnxruntime"} <= set(measured["hardware"])
    assert {"float32", "copy"} <= set(measured["ceilings"])
    kinds = {
        "network": str,
        "engine": str,
        "device": str,
        "what": str,
        "output": str,
        "ms": float,
        "p95_ms": float,
    }
    kinds |= {"fps": float, "multiply_adds": float | None, "share": float | None}
    for row in measured["rows"]:
        assert set(row) == set(kinds) and all(isinstance(row[key], kind) for key, kind in kinds.items()), row
        assert row["output"] == "1920x1080" and row["p95_ms"] >= row["ms"]
    found = {(row["network"], row["what"]) for row in measured["rows"]}
    assert {
        ("call-s", "end to end"),
        ("realesr-animevideov3", "network"),
        ("bicubic x2", "end to end"),
    } <= found
    (footprint,) = measured["footprints"]
    assert set(footprint) == {"network", "engine", "cold_s", "memory_mb", "torch"}
    assert "G multiply-adds/s" in capsys.readouterr().out


def test_export_writes_a_file_that_runs(tmp_path: Path) -> None:
    for flags in ([], ["--int8"]):
        path = tmp_path / "new" / "folder" / f"call{len(flags)}.onnx"
        assert main(["export", "call-s", str(path), *flags]) == 0
        assert OnnxNetwork(path).source == checkpoints.digest(checkpoints.find("call-s"))
        assert [each.name for each in path.parent.iterdir() if each.name.startswith(".")] == []


def test_export_writes_weights_of_two_bytes(tmp_path: Path) -> None:
    path, whole = tmp_path / "half.safetensors", checkpoints.find("call-s")
    assert main(["export", "call-s", str(path)]) == 0
    assert path.stat().st_size < 0.6 * whole.stat().st_size
    (network, recipe), (before, known) = load_network(path), load_network(whole)
    assert recipe == known and checkpoints.results(path) == checkpoints.results(whole)
    frame = torch.rand(1, 1, 32, 48)
    assert network(frame).dtype is torch.float32 and (network(frame) - before(frame)).abs().max() < 1 / 255
    assert main(["export", "call-s", str(path), "--int8", "--force"]) == 2


def test_export_writes_over_nothing_unless_told(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "mine.onnx"
    path.write_text("precious")
    assert main(["export", "call-s", str(path)]) == 2
    assert "--force" in capsys.readouterr().err and path.read_text() == "precious"
    assert main(["export", "nobody", str(path), "--force"]) == 2
    assert main(["export", "call-s", str(tmp_path / "mine.txt")]) == 2
    assert path.read_text() == "precious" and list(tmp_path.iterdir()) == [path]
    assert main(["export", "call-s", str(path), "--force"]) == 0
    assert OnnxNetwork(path).scale == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["sharpen", "missing.png", "out.png"],
        ["sharpen", "photo.png", "out.gif"],
        ["evaluate", "--photos", "missing-folder"],
        ["evaluate", "--student", "nobody"],
        ["download", "esrgan-9000"],
        ["train", "video-call", "--set", "training.stepz=3"],
        ["train", "video-call", "--set", "training.batch=0"],
        ["train", "real-esrgan", "--set", "task=sharpen"],
        ["train", "call-s", "--profile", "quick"],
        ["train", "video-call", "--profile", "quick", "--holdout", "-1"],
        ["train", "video-call", "--profile", "quick", "--photos", ".", "--holdout", "0"],
        ["train", "video-call", "--profile", "hasty"],
        ["train", "esrgan-9000"],
        ["train", "video-call", "--device", "gpu"],
        ["train"],
        ["sharpen", "photo.png", "new.png", "--strength", "nan"],
        ["sharpen", "photo.png", "new.png", "--strength", "1.5"],
        ["sharpen", "photo.png", "new.png", "--strength", "-0.1"],
        ["sharpen", "photo.png", "new.png", "--strength", "much"],
        ["sharpen", "photo.png", "new.png", "--jobs", "0"],
        ["sharpen", "photo.png", "new.png", "--jobs", "1.5"],
        ["sharpen", "photo.png", "new.png", "--engine", "abacus"],
        ["sharpen", "photo.png"],
        ["evaluate", "--shrink", "inf"],
        ["evaluate", "--shrink", "0.5"],
        ["evaluate", "--quality", "0"],
        ["evaluate", "--quality", "101"],
        ["call", "clip.mp4", "new.mp4", "--kbps", "0"],
        ["call", "clip.mp4", "new.mp4", "--kbps", "1e9"],
        ["call", "clip.mp4", "new.mp4", "--size", "0x0"],
        ["call", "clip.mp4", "new.mp4", "--size", "641x360"],
        ["call", "clip.mp4", "new.mp4", "--size", "²x360"],
        ["ablate", "video-call", "--validation", ".", "--seeds", "-1"],
        ["speed", "--repeats", "0"],
        ["web", "--port", "70000"],
        ["export", "call-s", "x.pdf"],
        ["export", "call-s", "photo.png/x.onnx"],
        ["dance"],
        [],
    ],
    ids=" ".join,
)
def test_mistakes_get_one_sentence_and_status_2(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    data.write_image(tmp_path / "photo.png", np.zeros((8, 8, 3), np.uint8))
    before = sorted(tmp_path.iterdir())
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("kdsharp: ") and error.count("\n") == 1 and "Traceback" not in error
    assert sorted(tmp_path.iterdir()) == before
    logging.getLogger().handlers.clear()


def test_a_published_networks_length_is_not_cut_silently(capsys: pytest.CaptureFixture) -> None:
    assert main(["train", "call-s", "--profile", "quick"]) == 2
    said = capsys.readouterr().err
    assert "'call-s' is trained at full length only" in said and "training.steps=" in said


def test_a_number_out_of_range_names_its_option_and_what_is_allowed(capsys: pytest.CaptureFixture) -> None:
    assert main(["sharpen", "a.png", "b.png", "--strength", "nan"]) == 2
    assert "--strength: 'nan': give a number of at least 0 and at most 1" in capsys.readouterr().err


class Broken:
    """What a command may meet inside: raised by the loading of a student."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __call__(self, *_: object, **__: object) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (
            RuntimeError("shapes differ\nin three lines\n"),
            1,
            "RuntimeError: shapes differ in three lines: this is a",
        ),
        (
            KeyError("params"),
            1,
            "KeyError: 'params': this is a fault of kdsharp, please report it; -v shows more.",
        ),
        (KeyboardInterrupt(), 130, "kdsharp: stopped."),
        (PermissionError(13, "Permission denied", "/secret"), 1, "Permission denied (/secret)"),
        (KdsharpError("Give another."), 2, "kdsharp: Give another."),
    ],
)
def test_whatever_happens_it_is_one_line(
    error: BaseException,
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setattr(sharpen, "load_student", Broken(error))
    assert main(["evaluate"]) == status
    message = capsys.readouterr().err
    assert said in message and message.count("\n") == 1 and "Traceback" not in message
    assert main(["evaluate", "-v"]) == status
    message = capsys.readouterr().err
    assert "Traceback" in message and message.splitlines()[-1].startswith("kdsharp: ")


def test_what_goes_on_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(pipeline, "photos_of", Broken(KeyboardInterrupt()))
    assert main(["train", "video-call", "--profile", "quick"]) == 130
    assert capsys.readouterr().err == "kdsharp: stopped; the same command goes on where this one ended.\n"


def test_only_the_photographs_that_are_needed_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saved: Path
) -> None:
    asked = []

    def fetched(split: str) -> list[Path]:
        asked.append(split)
        return data.embedded_photos("val")

    monkeypatch.setattr("kdsharp.data.photos.div2k", fetched)
    small = ["store.crop=64", "store.crops_per_photo=2", "training.patch=32", "losses.teacher=0"]
    small += ["losses.perceptual=0", "training.steps=1", "training.batch=1"]
    assert main(["targets", "video-call", "--folder", str(tmp_path / "t"), "--set", *small]) == 0
    assert asked == ["train"]
    asked.clear()
    assert main(["evaluate", "--preset", "video-call", "--student", str(saved)]) == 0
    assert asked == ["valid"]
    asked.clear()
    mine = data.embedded_photos("val")[0].parent
    run = ["train", "video-call", "--folder", str(tmp_path / "r"), "--validation", str(mine)]
    assert main([*run, "--set", *small]) == 0
    assert asked == ["train"]
