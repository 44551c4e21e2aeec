"""Two different (photographs, teacher, recipe) never share a store, a kept copy or a checkpoint; equal ones do."""

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kdsharp import data, distill, recipes, student, teacher
from kdsharp.disk import checkpoints, files, identity
from kdsharp.distill import targets, training
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Losses, Network, Recipe, Store, Training
from kdsharp.student import load_network

TINY = Network("student", {"scale": 1, "unshuffle": 4, "channels": 4, "body": 1, "colour": "luma"})
RECIPE = dataclasses.replace(
    recipes.preset("video-call", "quick"),
    student=TINY,
    store=Store(crop=32, crops_per_photo=2, group=2),
    losses=Losses(hr=0.5, teacher=0.5),
    training=Training(steps=2, batch=2, patch=16, validate_every=1),
)


@dataclass(frozen=True)
class Case:
    """What a run is made from."""

    photos: list[Path]
    teacher: Path
    recipe: Recipe = RECIPE

    def store(self, folder: Path) -> targets.TargetStore:
        taught = teacher.load_teacher(self.teacher)
        return targets.build(folder, self.photos, self.recipe.degradation, self.recipe.store, taught)

    def train(self, folder: Path) -> distill.TrainingResult:
        store = self.store(folder / "targets")
        held_out = targets.build_validation(
            folder / "validation", self.photos, self.recipe.degradation, self.recipe.store
        )
        return distill.train(self.recipe, store, held_out, folder)


def draw_photos(folder: Path, seed: int = 0) -> list[Path]:
    """Two bitmaps of noise: of one size in bytes whatever they show, and made at one moment."""
    folder.mkdir(parents=True, exist_ok=True)
    random, paths = np.random.default_rng(seed), [folder / "1.bmp", folder / "2.bmp"]
    for path in paths:
        Image.fromarray(random.integers(0, 256, (40, 44, 3), np.uint8)).save(path)
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return paths


def draw_teacher(folder: Path, seed: int = 0, scale: int = 4) -> Path:
    """An untrained `student.safetensors`, the name that every network of ours has."""
    torch.manual_seed(seed)
    own = recipes.preset("self-teacher", "quick")
    network = Network("residual", {"scale": scale, "channels": 4, "blocks": 1})
    damage = dataclasses.replace(own.degradation, scale=scale)
    own = dataclasses.replace(own, student=network, degradation=damage)
    return checkpoints.save(folder / "student.safetensors", student.build(network), own)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(draw_photos(tmp_path / "photos"), draw_teacher(tmp_path / "networks"))


def changed(case: Case, setting: str) -> Case:
    return dataclasses.replace(case, recipe=recipes.override(case.recipe, [setting]))


def other(case: Case, what: str, folder: Path) -> Case:
    """The case with something changed that a name, a size or a time does not show."""
    if what == "photographs in place":
        draw_photos(folder / "photos", seed=1)
        return case
    if what == "photographs elsewhere":
        return dataclasses.replace(case, photos=draw_photos(folder / "elsewhere", seed=1))
    if what == "order of photographs":
        return dataclasses.replace(case, photos=case.photos[::-1])
    if what == "teacher in place":
        draw_teacher(folder / "networks", seed=1)
        return case
    if what == "teacher elsewhere":
        return dataclasses.replace(case, teacher=draw_teacher(folder / "elsewhere", seed=1))
    if what == "scale of teacher":
        return dataclasses.replace(case, teacher=draw_teacher(folder / "elsewhere", scale=2))
    return changed(case, what)


DIFFERENT = {
    "photographs in place": "set of photographs",
    "photographs elsewhere": "set of photographs",
    "order of photographs": "set of photographs",
    "teacher in place": "teacher",
    "teacher elsewhere": "teacher",
    "scale of teacher": "teacher",
    "degradation.jpeg=[31.0, 95.0]": "recipe",
    "store.seed=5": "recipe",
}


def content(store: targets.TargetStore) -> list[bytes]:
    return [np.asarray(crops).tobytes() for crops in (store.hr, store.input, store.target)]


@pytest.mark.parametrize("what", DIFFERENT)
def test_different_ones_share_nothing(
    case: Case, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same folder they are refused; on a new machine, nothing that was kept of one comes back for the other."""
    (tmp_path / "drive").mkdir()
    monkeypatch.setenv("KDSHARP_KEEP", str(tmp_path / "drive"))
    run = tmp_path / "build" / "run"
    case.train(run)
    before = content(targets.open_store(run / "targets"))
    checkpoint = (run / "last.pt").read_bytes()
    second = other(case, what, tmp_path)
    with pytest.raises(KdsharpError, match=f"another {DIFFERENT[what]}:.*choose another folder"):
        second.store(run / "targets")
    assert content(targets.open_store(run / "targets")) == before
    alone = second.store(tmp_path / "alone")
    assert content(alone) != before
    with pytest.raises(
        KdsharpError, match=f"holds a run of another {DIFFERENT[what]}: choose another folder"
    ):
        distill.train(second.recipe, alone, targets.open_store(run / "validation"), run)
    assert (run / "last.pt").read_bytes() == checkpoint

    shutil.rmtree(tmp_path / "build")  # the machine is lost; all that is left lies on the drive
    fresh = second.store(run / "targets")
    assert content(fresh) == content(alone)
    with pytest.raises(KdsharpError, match=f"where .* is kept, holds a run of another {DIFFERENT[what]}:"):
        second.train(run)
    assert not (run / "student.safetensors").exists() and not (run / "last.pt").exists()
    assert (tmp_path / "drive" / "build" / "run" / "last.pt").read_bytes() == checkpoint


def test_equal_ones_share_whatever_their_names(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copied photographs, and a teacher saved again under another name, are the same; nobody is asked twice."""
    (tmp_path / "drive").mkdir()
    monkeypatch.setenv("KDSHARP_KEEP", str(tmp_path / "drive"))
    run = tmp_path / "build" / "run"
    first = case.train(run)
    copies = [Path(shutil.copy(photo, tmp_path / f"copy of {photo.name}")) for photo in case.photos]
    again = checkpoints.save(tmp_path / "renamed.safetensors", *load_network(case.teacher), steps=9)
    same = dataclasses.replace(case, photos=copies, teacher=again)
    same = dataclasses.replace(same, recipe=dataclasses.replace(case.recipe, teacher=str(again)))

    def never(*_: object) -> None:
        raise AssertionError("what was there was made again")

    monkeypatch.setattr(targets, "crops_of", never)
    monkeypatch.setattr(training, "draw_batch", never)
    for _machine in ("the same", "a new one"):
        second = same.train(run)
        assert second.history == first.history
        state = second.network.state_dict()
        assert all(torch.equal(value, state[name]) for name, value in first.network.state_dict().items())
        shutil.rmtree(run, ignore_errors=True)


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    else:
        yield path


def at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


@pytest.mark.parametrize("name", ["video-call", "real-esrgan", "mae", "restormer", "self-teacher"])
def test_every_setting_of_damage_and_store_is_written_down(name: str) -> None:
    recipe = recipes.preset(name)
    was = json.loads(json.dumps(recipes.to_dict(recipe)))
    described = targets.describe([], recipe.degradation, recipe.store, None)
    for path in leaves({key: was[key] for key in ("degradation", "store", "scale", "task")}):
        assert at(described, path) == at(was, path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[list, list]:
    """Photographs and teachers, in pairs of one name."""
    folders = [tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")]
    photos = [draw_photos(folder, seed) for seed, folder in enumerate(folders)]
    guides = [teacher.load_teacher(draw_teacher(folder, seed)) for seed, folder in enumerate(folders)]
    return photos, [*guides, None]


RANGES = st.sampled_from([[0.5, 1.5], [0.5, 2.5], [0.25, 1.5]])
RECIPES = st.fixed_dictionaries(
    {
        "degradation.first.kernel.sigma": RANGES,
        "degradation.second.kernel.sigma": RANGES,
        "degradation.second.resize": RANGES,
        "degradation.final_sinc_probability": st.sampled_from([0.8, 0.5]),
        "store.crop": st.sampled_from([64, 128]),
        "store.reductions": st.sampled_from([[1.0], [1.0, 2.0]]),
    }
)
CASES = st.tuples(st.integers(0, 1), st.integers(0, 2), RECIPES)


@given(first=CASES, second=CASES)
def test_stores_are_the_same_only_for_the_same(first: tuple, second: tuple, made: tuple[list, list]) -> None:
    def digest(photos: int, guide: int, settings: dict) -> str:
        described = [f"{name}={json.dumps(value)}" for name, value in settings.items()]
        recipe = recipes.override(recipes.preset("real-esrgan"), [*described, "training.patch=16"])
        return identity.digest(
            targets.describe(made[0][photos], recipe.degradation, recipe.store, made[1][guide])
        )

    assert (digest(*first) == digest(*second)) == (first == second)
    assert digest(*first) == digest(*first)


@pytest.mark.parametrize(
    "setting", ["training.seed=1", "losses.hr=0.4", "student.options.channels=8", "training.clip=2.0"]
)
def test_what_only_training_listens_to_shares_the_store_and_not_the_run(
    case: Case, setting: str, tmp_path: Path
) -> None:
    case.train(tmp_path / "run")
    with pytest.raises(KdsharpError, match="holds a run of another recipe"):
        changed(case, setting).train(tmp_path / "run")


def test_a_run_knows_where_it_started_and_what_validates_it(case: Case, tmp_path: Path) -> None:
    """`start` is a file whose name says nothing, and other validation photographs give other figures."""
    start = tmp_path / "start.safetensors"

    def begin(seed: int) -> Case:
        torch.manual_seed(seed)
        checkpoints.save(start, student.build(TINY), RECIPE)
        return dataclasses.replace(case, recipe=dataclasses.replace(RECIPE, start=str(start)))

    begin(0).train(tmp_path / "run")
    begin(0).train(tmp_path / "run")
    with pytest.raises(KdsharpError, match="another start"):
        begin(1).train(tmp_path / "run")
    store = case.store(tmp_path / "run" / "targets")
    for held_out in ("photos", "others"):
        photos = draw_photos(tmp_path / held_out, seed=int(held_out == "others"))
        validation = targets.build_validation(
            tmp_path / f"validation-{held_out}", photos, RECIPE.degradation, RECIPE.store
        )
        if held_out == "photos":
            distill.train(RECIPE, store, validation, tmp_path / "second")
            continue
        with pytest.raises(KdsharpError, match="another set of photographs"):
            distill.train(RECIPE, store, validation, tmp_path / "second")


def test_a_shard_that_an_earlier_store_left_is_made_anew(case: Case, tmp_path: Path) -> None:
    """Whoever deletes `store.json` alone leaves shards of the right sizes, and of the wrong photographs."""
    case.store(tmp_path / "s")
    (tmp_path / "s" / "store.json").unlink()
    draw_photos(tmp_path / "photos", seed=1)
    assert content(case.store(tmp_path / "s")) == content(case.store(tmp_path / "t"))


def test_stores_and_runs_of_an_earlier_version_are_refused(case: Case, tmp_path: Path) -> None:
    case.train(tmp_path / "run")
    index = tmp_path / "run" / "targets" / "store.json"
    old = {"identity": {"task": "sharpen", "teacher": "student", "photos": [["1.bmp", 5334]]}}
    for text in (json.dumps(old), "[]", "{}"):
        index.write_text(text)
        with pytest.raises(KdsharpError, match="another version of kdsharp: choose another folder"):
            case.store(index.parent)
        with pytest.raises(KdsharpError, match="another version of kdsharp"):
            targets.open_store(index.parent)
    shutil.rmtree(index.parent)
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    del state["made_from"]
    torch.save(state, tmp_path / "run" / "last.pt")
    with pytest.raises(KdsharpError, match="another version of kdsharp: choose another folder"):
        case.train(tmp_path / "run")


def test_pairs_are_known_by_both_pictures(tmp_path: Path) -> None:
    sharp, blurred = tmp_path / data.SHARP, tmp_path / data.BLURRED
    photos = draw_photos(sharp)
    draw_photos(blurred, seed=1)
    before = targets.describe(photos, recipes.Pairs(), RECIPE.store, None)
    assert targets.describe(photos, recipes.Pairs(), RECIPE.store, None) == before
    draw_photos(blurred, seed=2)
    after = targets.describe(photos, recipes.Pairs(), RECIPE.store, None)
    assert identity.differences(before, after) == ["set of photographs"]


def test_files_are_read_once_and_again_when_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, real = [], files.sha256
    monkeypatch.setattr(files, "sha256", lambda path: read.append(path.name) or real(path))
    (path,) = draw_photos(tmp_path)[:1]
    missing = tmp_path / "missing.bmp"
    assert identity.of_files([path, missing]) == [real(path), None]
    assert identity.of_files([path]) == [real(path)]
    assert read == ["1.bmp"] * 2, "its times say too little of a file that was written just now"
    time.sleep(identity.SETTLED_SECONDS + 0.2)
    identity.of_files([path])
    read.clear()
    assert identity.of_files([path, path, missing]) == [real(path), real(path), None] and not read
    draw_photos(tmp_path, seed=1)  # the same name, size and time of change
    assert identity.of_files([path]) == [real(path)] and read == ["1.bmp"]
    memory = files.work_dir() / "digests.json"
    for damaged in ("", "[]", '{"a": 3}', '{"a": ["b"]}'):
        memory.write_text(damaged)
        assert identity.of_files([path]) == [real(path)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_network_is_known_by_every_weight(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8)).to(dtype)
    before = identity.of_network(network)
    assert identity.of_network(network.to(memory_format=torch.channels_last)) == before
    for value in network.state_dict().values():
        kept = value.clone()
        value[(-1,) * value.ndim] += 1
        assert identity.of_network(network) != before
        value.copy_(kept)
    assert identity.of_network(network) == before


def test_a_teacher_without_weights_cannot_be_known(case: Case, tmp_path: Path) -> None:
    function = teacher.Teacher("function", 1, lambda x: x)
    with pytest.raises(KdsharpError, match="is no network"):
        targets.build(tmp_path / "s", case.photos, RECIPE.degradation, RECIPE.store, function)
