"""Target stores: the same bytes however they were made, and no fault mixes or loses them."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kdsharp import data, recipes, teacher
from kdsharp.distill import batches, shards, targets
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Blur, Store

CALL, SMALL = recipes.VideoCall(), Store(crop=64, crops_per_photo=6, group=2)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two photos a shard, so that four photos make two."""
    monkeypatch.setattr(targets, "PHOTOS_PER_SHARD", 2)


@pytest.fixture
def store(tmp_path: Path, guide: teacher.Teacher) -> targets.TargetStore:
    return targets.build(tmp_path / "store", data.embedded_photos("train"), CALL, SMALL, guide)


def content(store: targets.TargetStore) -> list[bytes]:
    return [np.asarray(array).tobytes() for array in (store.hr, store.input, store.target)]


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock"}


def test_store_holds_what_the_teacher_said(store: targets.TargetStore, guide: teacher.Teacher) -> None:
    assert len(store) == 6 * len(data.embedded_photos("train"))
    assert store.hr.shape == store.input.shape == store.target.shape == (len(store), 64, 64, 3)
    assert not np.array_equal(store.hr, store.input) and not np.array_equal(store.target, store.input)


def test_crops_of_several_shards_read_like_one_array(store: targets.TargetStore) -> None:
    whole = np.asarray(store.hr)
    assert whole.shape == store.hr.shape and len(store.hr) == len(whole)
    for index in (0, 11, 12, len(whole) - 1, -1, np.int64(13)):
        assert np.array_equal(store.hr[index], whole[index])
    assert np.array_equal(store.hr[12, 3:9, ::2], whole[12, 3:9, ::2])
    assert np.array_equal(store.hr[10:14], whole[10:14])
    assert all(np.array_equal(one, other) for one, other in zip(store.hr, whole, strict=True))
    with pytest.raises(IndexError):
        store.hr[len(whole)]


def test_stopped_store_ends_with_the_same_bytes(
    tmp_path: Path, store: targets.TargetStore, guide: teacher.Teacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, seen = data.embedded_photos("train"), []
    real = targets.crops_of

    def interrupted(number: int, *rest: object) -> dict[str, np.ndarray]:
        seen.append(number)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return real(number, *rest)

    monkeypatch.setattr(targets, "crops_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        targets.build(tmp_path / "again", photos, CALL, SMALL, guide)
    with pytest.raises(KdsharpError, match="half-made"):
        targets.open_store(tmp_path / "again")
    again = targets.build(tmp_path / "again", photos, CALL, SMALL, guide)
    assert seen == [0, 1, 1, 2, 3] and content(again) == content(store)
    assert bytes_of(tmp_path / "again") == bytes_of(store.folder)


BUILD = """
import os, sys
from pathlib import Path
from kdsharp import data, recipes
from kdsharp.distill import targets
targets.PHOTOS_PER_SHARD = 2
settings = recipes.VideoCall(), recipes.Store(crop=64, crops_per_photo=6, group=2)
targets.build(Path(sys.argv[1]), data.embedded_photos("train") * int(sys.argv[2]), *settings, None)
"""


def run_build(folder: Path, times: int, **variables: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, str(folder), str(times)],
        stderr=subprocess.PIPE,
        env=os.environ | variables,
        text=True,
    )


@pytest.mark.heavy
def test_killed_in_the_middle_it_ends_with_the_same_bytes(tmp_path: Path) -> None:
    """SIGKILL six times, wherever it falls: the bytes at the end are those of a run that was left alone."""
    assert run_build(tmp_path / "whole", 4).wait() == 0
    wanted, folder, kills = bytes_of(tmp_path / "whole"), tmp_path / "killed", 0
    while kills < 6:
        before = (
            {path.name: path.stat().st_mtime_ns for path in folder.glob("*.json")} if folder.exists() else {}
        )
        child = run_build(folder, 4)
        with contextlib.suppress(FileNotFoundError):  # a file may be renamed while it is looked at
            while child.poll() is None and before == {
                path.name: path.stat().st_mtime_ns for path in folder.glob("*.json")
            }:
                time.sleep(0.002)
        time.sleep(0.01 * (kills % 5))
        if child.poll() is not None:
            break
        child.send_signal(signal.SIGKILL)
        child.wait()
        kills += 1
    assert kills > 3 and run_build(folder, 4).wait() == 0
    left = {name: value for name, value in bytes_of(folder).items() if not name.startswith(".")}
    assert left == wanted


@pytest.mark.heavy
def test_two_processes_make_the_same_store(tmp_path: Path) -> None:
    """As under `accelerate launch`, without its barrier: each makes every second shard."""
    assert run_build(tmp_path / "one", 2).wait() == 0
    script = BUILD.replace("targets.PHOTOS", "targets.parallel.wait = lambda: None\ntargets.PHOTOS")
    script = script.replace("targets.build(", "targets.open_store = lambda _: None\ntargets.build(")
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "two"), "2"],
            env=os.environ | {"WORLD_SIZE": "2", "RANK": rank},
        )
        for rank in "01"
    ]
    assert [child.wait() for child in children] == [0, 0]
    assert bytes_of(tmp_path / "two") == bytes_of(tmp_path / "one")


@pytest.mark.heavy
def test_two_programs_on_one_store(
    tmp_path: Path, guide: teacher.Teacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one says so and leaves; the first ends as if it had been alone."""
    photos, real = data.embedded_photos("train"), targets.crops_of

    def meanwhile(number: int, *rest: object) -> dict[str, np.ndarray]:
        if number == 0:
            child = run_build(tmp_path / "both", 1)
            _, said = child.communicate()
            assert "Another run is writing" in said and child.returncode != 0
        return real(number, *rest)

    monkeypatch.setattr(targets, "crops_of", meanwhile)
    both = targets.build(tmp_path / "both", photos, CALL, SMALL, None)
    monkeypatch.setattr(targets, "crops_of", real)
    alone = targets.build(tmp_path / "alone", photos, CALL, SMALL, None)
    assert bytes_of(both.folder) == bytes_of(alone.folder)


def flip_a_bit(path: Path) -> None:
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("damage", [flip_a_bit, cut_short, Path.unlink])
@pytest.mark.parametrize("name", ["001-hr.u8", "000-target.u8", "001.json"])
def test_a_corrupt_shard_is_named_and_made_anew(
    store: targets.TargetStore,
    guide: teacher.Teacher,
    damage: Callable[[Path], None],
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = bytes_of(store.folder)
    damage(store.folder / name)
    photos = data.embedded_photos("train")
    if name.endswith(".u8") and damage is not flip_a_bit:
        with pytest.raises(KdsharpError, match=name):
            targets.open_store(store.folder)
    targets.build(store.folder, photos, CALL, SMALL, guide)
    assert bytes_of(store.folder) == before
    assert "made anew" in caplog.text or (damage is Path.unlink and name == "001.json")


def test_a_description_is_what_it_was(tmp_path: Path) -> None:
    """Stores are known by it: these are the very characters that stores on people's disks hold."""
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"no picture is needed")
    photographs = {"count": 1, "sha256": "0bd37c04ea9505aa31176f090763a5f19696771f6623d23def4bab1a9546f456"}
    expected = [
        {
            "format": 2,
            "task": "sharpen",
            "scale": 1,
            "degradation": {
                "shrink": [1.5, 4.0],
                "filters": ["area", "bilinear", "bicubic"],
                "noise": [0.0, 4.0],
                "jpeg": [30.0, 95.0],
                "enlarge": "bilinear",
                "usual": [],
                "usual_share": 0.0,
                "clean_share": 0.0,
            },
            "degradation_kind": "video-call",
            "store": {"crop": 64, "crops_per_photo": 6, "group": 2, "seed": 0, "reductions": [1.0]},
            "teacher": None,
            "photographs": photographs,
        },
        {
            "format": 2,
            "task": "upscale",
            "scale": 4,
            "degradation": {"scale": 4, "dirty_share": 0.5, "noise": [0.0, 4.0], "jpeg": [40.0, 95.0]},
            "degradation_kind": "downscale",
            "store": {"crop": 64, "crops_per_photo": 6, "group": 2, "seed": 0, "reductions": [1.0, 1.5]},
            "teacher": None,
            "photographs": photographs,
        },
    ]
    settings = [(CALL, SMALL), (recipes.Downscale(4, 0.5), dataclasses.replace(SMALL, reductions=(1.0, 1.5)))]
    for wanted, (degradation, store) in zip(expected, settings, strict=True):
        assert json.dumps(targets.describe([photo], degradation, store, None)) == json.dumps(wanted)


def test_a_teacher_of_the_same_size_sees_what_the_receiver_shows(picture: np.ndarray) -> None:
    """It is not to answer to a bilinear frame where the student gets another one; and soft frames stay soft."""
    call = recipes.VideoCall(
        (2, 2), ("area",), (0, 0), (70, 70), enlarge="nearest", soft=(1, 1), soft_share=1.0
    )
    same = teacher.Teacher("same", 1, lambda frame: frame)
    for settings in (call, dataclasses.replace(call, clean_share=1.0)):
        crops = targets.crops_of(0, picture, settings, SMALL, same)
        assert np.array_equal(crops["target"], crops["input"])
        sharpness = [np.abs(np.diff(crops[name].astype(float), axis=2)).mean() for name in ("hr", "input")]
        assert sharpness[1] < 0.9 * sharpness[0]


def test_reopening_does_not_ask_the_teacher(store: targets.TargetStore, guide: teacher.Teacher) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the teacher was asked again")

    guide.network.register_forward_pre_hook(never)
    reopened = targets.build(store.folder, data.embedded_photos("train"), CALL, SMALL, guide)
    assert content(reopened) == content(store)


def test_a_store_of_many_shards_keeps_few_files_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million photos are 94,000 files, and a process may map 65,000: only those in use are mapped."""
    monkeypatch.setattr(targets, "PHOTOS_PER_SHARD", 1)
    monkeypatch.setattr(shards, "MAPS_OPEN", 2)
    made = targets.build(tmp_path / "s", data.embedded_photos("train") * 3, CALL, SMALL, None)
    whole = np.asarray(made.hr)
    for index in np.random.default_rng(0).permutation(len(made)):
        assert np.array_equal(made.hr[index], whole[index])
    if (maps := Path("/proc/self/maps")).exists():
        assert maps.read_text().count(f"{made.folder}/") <= 2


def test_store_of_another_recipe_is_left_alone(
    store: targets.TargetStore, guide: teacher.Teacher, tmp_path: Path
) -> None:
    before = bytes_of(store.folder)
    for settings in ((CALL, Store(crop=48)), (Blur(), SMALL)):
        with pytest.raises(KdsharpError, match="another recipe"):
            targets.build(store.folder, data.embedded_photos("train"), *settings, guide)
    photos = data.embedded_photos("train")
    namesake = data.write_image(tmp_path / photos[0].name, np.zeros((200, 200, 3), np.uint8))
    for others in (photos[:3], [namesake, *photos[1:]]):
        with pytest.raises(KdsharpError, match="another set of photographs:"):
            targets.build(store.folder, others, CALL, SMALL, guide)
    assert bytes_of(store.folder) == before


@pytest.mark.heavy
def test_a_full_disk_is_said_and_the_store_goes_on_later(tmp_path: Path) -> None:
    limited = BUILD.replace(
        "import os, sys",
        "import os, resource, signal, sys\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))",
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, str(tmp_path / "full"), "1"], capture_output=True, text=True
    )
    assert "KdsharpError: Cannot write to" in done.stderr and "free some space" in done.stderr
    assert run_build(tmp_path / "full", 1).wait() == 0
    assert run_build(tmp_path / "alone", 1).wait() == 0
    assert bytes_of(tmp_path / "full") == bytes_of(tmp_path / "alone")


def test_bad_photos_are_skipped_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "text.png").write_text("no")
    data.write_image(tmp_path / "dot.png", np.zeros((1, 1, 3), np.uint8))
    photos = [tmp_path / "text.png", data.embedded_photos()[0], tmp_path / "dot.png"]
    made = targets.build(tmp_path / "s", photos, CALL, SMALL, None)
    assert len(made) == 6 and set(made.about["skipped"]) == {"text.png", "dot.png"}
    assert "text.png" in caplog.text and "dot.png" in caplog.text
    with pytest.raises(KdsharpError, match="None of the 1 photos"):
        targets.build(tmp_path / "t", photos[:1], CALL, SMALL, None)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_photos_with_odd_names_and_a_huge_one(tmp_path: Path) -> None:
    """Spaces, dots, other scripts; and 100 megapixels, of which only crops are kept."""
    folder = tmp_path / "my photos.2026"
    folder.mkdir()
    for name in ("a b.png", "dots...in..names.png", "снимок.png", "写真 (1).PNG", "-rf.png", "it's.png"):
        Image.fromarray(np.zeros((80, 90, 3), np.uint8)).save(folder / name, "PNG")
    Image.new("L", (10_000, 10_000), 128).save(folder / "huge.png")
    photos = data.list_photos(folder)
    assert len(photos) == 7
    made = targets.build(tmp_path / "s", photos, CALL, SMALL, None)
    assert len(made) == 7 * 6 and not made.about["skipped"]


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_thousands_of_photos_some_of_them_broken_huge_or_odd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "PHOTOS_PER_SHARD", 32)
    folder = tmp_path / "много photos.d"
    folder.mkdir()
    good = data.write_image(tmp_path / "good.png", data.read_image(data.embedded_photos("val")[0])[:80, :90])
    broken = tmp_path / "broken.png"
    broken.write_bytes(
        good.read_bytes()[:-500]
    )  # the head is whole: it is found out when its pixels are read
    huge = tmp_path / "huge.png"
    Image.new("L", (10_000, 10_000), 128).save(huge)
    counts = {good: 1_880, broken: 100, huge: 2}
    for source, count in counts.items():
        for number in range(count):
            os.link(source, folder / f"{source.stem} {number}..№.png")
    for number in range(18):
        (folder / f"no picture {number}.png").write_bytes(b"GIF89a" * number)
    photos = data.list_photos(folder)
    one = Store(crop=64, crops_per_photo=1, group=1)
    made = targets.build(tmp_path / "s", photos, CALL, one, None)
    assert len(list(folder.iterdir())) == 2_000
    assert len(made) == 1_882 and len(photos) - len(made.about["skipped"]) == 1_882
    assert all(name.startswith("broken") for name in made.about["skipped"])
    reopened = targets.build(tmp_path / "s", photos, CALL, one, None)
    assert np.array_equal(reopened.hr[1_500], made.hr[1_500])


def test_a_photo_is_shrunk_before_its_crops_are_cut(tmp_path: Path) -> None:
    """A ramp of one level a pixel climbs by two a pixel at half the size; a photo never gets smaller than a crop."""
    ramp = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (160, 200, 3))
    data.write_image(tmp_path / "ramp.png", np.ascontiguousarray(ramp))
    halved = dataclasses.replace(SMALL, reductions=(2.0,))
    made = targets.build(tmp_path / "s", [tmp_path / "ramp.png"], CALL, halved, None)
    assert set(np.unique(np.diff(np.asarray(made.hr).astype(int), axis=2)[:, :, 1:-1])) <= {1, 2, 3}
    assert np.diff(np.asarray(made.hr).astype(int), axis=2).mean() == pytest.approx(2, abs=0.05)
    tiny = dataclasses.replace(SMALL, reductions=(10.0,))
    made = targets.build(tmp_path / "t", [tmp_path / "ramp.png"], CALL, tiny, None)
    assert made.hr.shape == (6, 64, 64, 3)


@pytest.mark.parametrize("scale", [1.5, 3])
def test_a_store_of_small_frames_lies_on_its_originals(
    scale: float, tmp_path: Path, guide: teacher.Teacher
) -> None:
    """Clean frames, so that shrinking an original gives its input; the same holds of every patch that is drawn."""
    settings = recipes.SmallFrame(scale, ("area",), clean_share=1.0)
    store = Store(crop=48, crops_per_photo=4, group=2)
    made = targets.build(tmp_path / "store", data.embedded_photos("train")[:2], settings, store, guide)
    side = round(48 / scale)
    assert made.input.shape == (8, side, side, 3) and made.target.shape == made.hr.shape == (8, 48, 48, 3)
    assert targets.open_store(tmp_path / "store").scale == scale
    training = recipes.Training(patch=side // 4 * 2, batch=8)
    whole = [torch.from_numpy(np.asarray(crops)).permute(0, 3, 1, 2) / 255 for crops in (made.input, made.hr)]
    drawn = batches.draw_batch(made, training, 0, "rgb")[:2]
    assert drawn[0].shape[-1] == training.patch and drawn[1].shape[-1] == training.patch * scale
    for small, hr in (whole, drawn):
        expected = torch.nn.functional.interpolate(hr, size=small.shape[-2:], mode="area")
        assert (small - expected).abs().max() <= 0.51 / 255
