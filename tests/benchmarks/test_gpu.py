"""The half-hour of a GPU in miniature: packed, run on a processor, killed in the middle, taken up, and told."""

import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gpu import figures, packs, plan
from benchmarks.gpu.places import Places
from kdsharp import data, recipes
from kdsharp.deploy import load_student
from kdsharp.disk import checkpoints, files
from kdsharp.errors import KdsharpError

ROOT = Path(__file__).resolve().parents[2]
# A teacher and its student, both published: the second waits for the first.
TINY = """
import dataclasses
from kdsharp import recipes
from kdsharp.recipes import Losses, Network, Store, Training
tiny = dataclasses.replace(
    recipes.preset("call-s"),
    name="tiny-teacher",
    student=Network("student", {"scale": 1, "unshuffle": 2, "channels": 8, "body": 1, "colour": "luma"}),
    teacher=None,
    start=None,
    losses=Losses(),
    training=Training(batch=2, patch=16, learning_rate=1e-4),  # at 1e-3 so small a one can die
    store=Store(crop=32, crops_per_photo=2, group=2),
)
recipes.register(tiny, quick=None, medium=None, published="tiny-teacher")
tiny = dataclasses.replace(tiny, name="tiny", teacher="tiny-teacher", losses=Losses(hr=0.5, teacher=0.5))
recipes.register(tiny, quick=None, medium=None, published="tiny")
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four pictures of 240 x 220 pixels, of which one is held out."""
    folder = tmp_path / "photos"
    for number in range(4):
        image = data.read_image(data.embedded_photos("train")[number])
        data.write_image(folder / f"{number}.png", np.ascontiguousarray(image[:220, :240]))
    return folder


def test_a_pack_is_the_same_each_time_and_comes_out_whole(tmp_path: Path, photos: Path) -> None:
    about = packs.pack(photos, tmp_path / "a.zip", [], held_out=1)
    packs.pack(photos, tmp_path / "b.zip", [], held_out=1)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert (about["train"], about["val"]) == (3, 1)
    assert packs.unpack(tmp_path / "a.zip", tmp_path / "out") == about
    for name, known in about["files"].items():
        assert files.sha256(tmp_path / "out" / name) == known["sha256"]
    train = data.list_photos(tmp_path / "out" / "photos" / "train")
    assert [data.read_image(path).shape for path in train] == [(220, 240, 3)] * 3
    original, packed = data.read_image(photos / "1.png"), data.read_image(train[0])
    assert 0 < np.abs(original.astype(int) - packed).mean() < 3


def test_photographs_shrink_until_the_pack_fits(tmp_path: Path) -> None:
    image = data.read_image(data.embedded_photos("val")[0])
    for number in range(3):
        data.write_image(tmp_path / "photos" / f"{number}.png", np.roll(image, 40 * number, axis=1))
    (tmp_path / "sets" / "One").mkdir(parents=True)
    data.write_image(tmp_path / "sets" / "One" / "small.png", image[:50, :60])
    where = (tmp_path / "photos", tmp_path / "p.zip", [])
    about = packs.pack(*where, megabytes=0.35, held_out=1, benchmarks=tmp_path / "sets")
    assert about["side"] < 512 and (tmp_path / "p.zip").stat().st_size <= 350_000
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:  # what is measured on is not touched
        there = archive.read("benchmarks/One/small.png")
    assert there == (tmp_path / "sets" / "One" / "small.png").read_bytes()
    with pytest.raises(KdsharpError, match=r"do not fit into 0\.01 MB"):
        packs.pack(*where, megabytes=0.01, held_out=1)


def test_a_damaged_pack_is_named(tmp_path: Path, photos: Path) -> None:
    packs.pack(photos, tmp_path / "p.zip", [], held_out=1)
    whole = (tmp_path / "p.zip").read_bytes()
    place = whole.index(b"\xff\xd8\xff") + 500  # inside the first photograph
    (tmp_path / "p.zip").write_bytes(whole[:place] + b"12345678" + whole[place + 8 :])
    with pytest.raises(KdsharpError, match="damaged"):
        packs.unpack(tmp_path / "p.zip", tmp_path / "out")
    (tmp_path / "p.zip").write_bytes(whole[:1000])
    with pytest.raises(KdsharpError, match="no pack"):
        packs.unpack(tmp_path / "p.zip", tmp_path / "out")


def test_turns_fill_the_time_and_students_wait_for_their_teachers() -> None:
    names = plan.published()
    made = {turn.name: turn for turn in plan.turns(names, 1000.0, together=3)}
    assert set(made) == set(names) and names[0] == "call-ceiling" and made["call-ceiling"].begin == 0
    ends = {name: turn.begin + turn.seconds for name, turn in made.items()}
    assert max(ends.values()) == pytest.approx(1000)
    for turn in made.values():
        assert all(ends[other] <= turn.begin + 1e-6 for other in plan.needed(turn.name))
        beside = [other for other in made.values() if other.begin <= turn.begin < ends[other.name] - 1e-6]
        assert len(beside) <= 3
    assert plan.needed("call-s-perceptual") == {"call-s"} and "call-s" not in plan.needed("call-s")
    assert made["call-s"].seconds / made["blur-s"].seconds == pytest.approx(
        plan.SHARES["call-s"] / plan.SHARES["blur-s"]
    )


def test_the_table_names_no_network_that_there_is_not() -> None:
    assert set(plan.SHARES) <= set(recipes.presets())


def test_a_figure_goes_on_with_the_jobs_that_gave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places, asked = Places(tmp_path / "out", tmp_path / "work"), []

    def job(name: str) -> list[dict]:
        asked.append(name)
        if name == "sentence":
            raise KdsharpError("There is none.")
        if name == "broken":
            raise RuntimeError("no driver\nfor this")
        return [{"ms": 1.0}]

    def figure(_places: Places, _device: str) -> figures.Jobs:
        for name in ("right", "sentence", "broken", "fatal"):
            yield name, lambda n=name: job(n)

    monkeypatch.setattr(figures, "FIGURES", {"figure": figure})
    files.write_json(places.figure("figure"), {"jobs": {"fatal": figures.BEGUN}})  # a process that fell here
    assert figures.broken(places, "exit code -11") and not figures.broken(places, "again")
    figures.take("figure", places, "cpu")
    assert asked == ["right", "sentence", "broken"]
    found = files.read_json(places.figure("figure"))["jobs"]
    assert found["right"] == [{"ms": 1.0}] and found["sentence"] == "There is none."
    assert found["broken"] == "RuntimeError, no driver" and "(exit code -11)" in found["fatal"]
    figures.take("figure", places, "cpu")
    assert asked[3:] == ["sentence", "broken"]


@pytest.mark.heavy
def test_the_half_hour_in_miniature(tmp_path: Path, photos: Path) -> None:
    """Killed while its networks learn, it goes on; at the end there are both, and each figure or why not."""
    (tmp_path / "tiny.py").write_text(TINY)
    pack, out = tmp_path / "pack.zip", tmp_path / "out"
    packs.pack(photos, pack, [], held_out=1)
    command = [sys.executable, "-m", "benchmarks.gpu", "run", str(pack), str(out), "--device", "cpu"]
    command += ["--work", str(tmp_path / "work"), "--recipes", str(tmp_path / "tiny.py"), "--minutes", "0.4"]
    command += ["--stop-after", "15", "--only", "tiny", "tiny-teacher"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    first = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    checkpoint = tmp_path / "work" / "runs" / "tiny-teacher" / "last.pt"
    wait_for(checkpoint, first)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    planned = files.read_json(out / "unfinished" / "tiny-teacher.json")["steps"]
    assert not list(out.glob("networks/*.safetensors")) and planned >= 20

    second = subprocess.run(
        [*command, "figures"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    for name in ("tiny-teacher", "tiny"):
        recipe = checkpoints.recipe_of(out / "networks" / f"{name}.safetensors")
        assert (recipe.name, recipe.student.options["channels"]) == (name, 8)
        about = files.read_json(out / "networks" / f"{name}.json")
        assert about["history"][-1]["step"] == recipe.training.steps == about["steps"]
        image = data.read_image(photos / "0.png")
        assert load_student(out / "networks" / f"{name}.safetensors", "cpu")(image).shape == image.shape
    assert files.read_json(out / "networks" / "tiny-teacher.json")["steps"] == planned
    assert recipe.teacher == "tiny-teacher"  # by its name: not where it lay
    assert not list((out / "unfinished").glob("*"))

    told = files.read_json(out / "gpu.json")
    assert {row["network"] for row in told["networks"]} == {"tiny", "tiny-teacher"}
    assert {"torch", "processor"} <= told["hardware"].keys()
    assert list(told["figures"]) == list(figures.FIGURES)
    jobs = {name: figure["jobs"] for name, figure in told["figures"].items()}
    assert all(jobs.values())
    assert jobs["tests"] == {"pytest -m cuda": "This needs a GPU."}
    assert set(jobs["transfers"].values()) == {"This needs a GPU."}
    assert jobs["ceilings"]["roofline"][0]["copy"] > 0
    assert jobs["rates"]["tiny, adamw, eager"][0]["steps_per_s"] > 0
    assert jobs["inference"]["tiny, onnx"][0]["ms"] > 0
    assert jobs["quality"]["tiny"][0]["psnr_y"] > 20
    page = (out / "gpu.md").read_text()
    assert page in second.stdout and "| tiny-teacher |" in page and "This needs a GPU." in page


def wait_for(path: Path, process: subprocess.Popen, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None and time.monotonic() < end, f"{path.name} did not come"
        time.sleep(0.05)
