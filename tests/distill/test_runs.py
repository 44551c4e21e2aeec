"""Runs under faults: killed, cut short, out of memory, on a full disk, on a machine that was lost."""

import contextlib
import logging
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from kdsharp import data, distill, recipes
from kdsharp.disk import identity, keep
from kdsharp.distill import runs, targets, training
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Recipe, Training

SETTINGS = [
    "store.crop=64", "store.crops_per_photo=4", "training.steps=12", "training.batch=2", "training.patch=32",
    "training.validate_every=6", "training.checkpoint_seconds=0", "losses.teacher=0", "losses.perceptual=0",
]  # fmt: skip


@pytest.fixture
def recipe() -> Recipe:
    return recipes.override(recipes.preset("video-call", "quick"), SETTINGS)


@pytest.fixture
def store(tmp_path: Path, recipe: Recipe) -> targets.TargetStore:
    return targets.build(
        tmp_path / "targets", data.embedded_photos("train"), recipe.degradation, recipe.store, None
    )


def same(one: Path, two: Path) -> bool:
    one, two = load_file(one / "student.safetensors"), load_file(two / "student.safetensors")
    return one.keys() == two.keys() and all(torch.equal(value, two[name]) for name, value in one.items())


@pytest.mark.heavy
def test_training_killed_again_and_again_ends_with_the_same_weights(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kdsharp", "train", "video-call", "--profile", "quick"]
    command += ["--set", *SETTINGS, "training.steps=40", "--folder"]
    quiet = {"stderr": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    assert subprocess.run([*command, str(tmp_path / "whole")], **quiet).returncode == 0
    folder, last = tmp_path / "killed", tmp_path / "killed" / "last.pt"
    for pause in (0.0, 0.05, 0.2):  # after the first checkpoint of each attempt
        before = last.stat().st_mtime_ns if last.exists() else 0
        child = subprocess.Popen([*command, str(folder)], **quiet)
        while not last.exists() or last.stat().st_mtime_ns == before:
            assert child.poll() is None
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(0.005)
        time.sleep(pause)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    assert subprocess.run([*command, str(folder)], **quiet).returncode == 0
    assert same(tmp_path / "whole", folder)


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "other"])
def test_a_damaged_checkpoint_is_said_and_the_one_before_is_used(
    tmp_path: Path, recipe: Recipe, store: targets.TargetStore, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    whole = distill.train(recipe, store, store, tmp_path / "whole")

    def stop(step: int, _loss: float) -> bool:
        return step == 9

    distill.train(recipe, store, store, tmp_path / "run", watch=stop)
    last = tmp_path / "run" / "last.pt"
    content = {"cut": last.read_bytes()[:-2000], "empty": b"", "text": b"no checkpoint", "other": None}[
        damage
    ]
    if content is None:
        torch.save({"step": 3}, last)
    else:
        last.write_bytes(content)
    caplog.set_level(logging.INFO)
    again = distill.train(recipe, store, store, tmp_path / "run")
    assert "last.pt is damaged: the checkpoint before it is used" in caplog.text
    assert "at step 9" in caplog.text or "at step 8" in caplog.text
    assert (
        same(tmp_path / "whole", tmp_path / "run")
        and again.history[-1]["val_psnr"] == whole.history[-1]["val_psnr"]
    )


def test_a_checkpoint_runs_no_code(tmp_path: Path, recipe: Recipe) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(tmp_path / "owned"),)

    folder = tmp_path / "run"
    folder.mkdir()
    torch.save({"step": Evil()}, folder / "last.pt")
    (folder / "before.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(KdsharpError, match="are damaged: delete the folder"):
        runs.load(folder, recipe, {})
    assert not (tmp_path / "owned").exists()


def test_out_of_memory_names_the_settings_and_keeps_the_run(
    tmp_path: Path, recipe: Recipe, store: targets.TargetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = training.draw_batch

    def greedy(store: targets.TargetStore, settings: Training, step: int, *how: str) -> tuple:
        if step == 7:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return draw(store, settings, step, *how)

    monkeypatch.setattr(training, "draw_batch", greedy)
    with pytest.raises(KdsharpError, match=r"training\.batch=1 or training\.patch=16"):
        distill.train(recipe, store, store, tmp_path / "run")
    assert torch.load(tmp_path / "run" / "last.pt", weights_only=True)["step"] == 7


def test_a_full_disk_keeps_the_checkpoint(tmp_path: Path, recipe: Recipe, store: targets.TargetStore) -> None:
    distill.train(recipe, store, store, tmp_path / "run", watch=lambda step, _: step == 6)
    before = (tmp_path / "run" / "last.pt").read_bytes()
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "import torch\n"
        "from kdsharp import recipes; from kdsharp.distill import runs\n"
        f"recipe = recipes.override(recipes.preset('video-call', 'quick'), {SETTINGS})\n"
        "state = torch.load(Path(sys.argv[1]) / 'last.pt', weights_only=True)\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "runs.save(Path(sys.argv[1]), recipe, state['made_from'], state)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "run")], capture_output=True, text=True
    )
    assert "KdsharpError: Cannot write to" in done.stderr
    assert (tmp_path / "run" / "last.pt").read_bytes() == before


def test_a_lost_machine_goes_on_from_what_was_kept(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Targets and checkpoint come back from the kept folder: no photo is read again, and the weights are the same."""
    photos, work = data.embedded_photos("train"), tmp_path / "build"
    drive = tmp_path / "drive"
    drive.mkdir()
    whole = tmp_path / "whole"
    store = targets.build(whole / "targets", photos, recipe.degradation, recipe.store, None)
    distill.train(recipe, store, store, whole)
    monkeypatch.setenv("KDSHARP_KEEP", str(drive))
    store = targets.build(work / "targets", photos, recipe.degradation, recipe.store, None)
    distill.train(recipe, store, store, work, watch=lambda step, _: step == 7)
    kept = sorted(str(path.relative_to(drive)) for path in drive.rglob("*") if path.is_file())
    assert [name for name in kept if not name.endswith(".png")] == [
        "build/last.pt",
        "build/student.safetensors",
        f"build/targets/000-{identity.digest(store.about['made_from'])[:12]}.tar",
    ]
    shutil.rmtree(work)

    def never(*_: object) -> None:
        raise AssertionError("a photo was cut again")

    monkeypatch.setattr(targets, "crops_of", never)
    store = targets.build(work / "targets", photos, recipe.degradation, recipe.store, None)
    distill.train(recipe, store, store, work)
    assert same(whole, work)


def test_a_damaged_or_full_drive_costs_nothing(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    drive = tmp_path / "drive"
    drive.mkdir()
    monkeypatch.setenv("KDSHARP_KEEP", str(drive))
    photos = data.embedded_photos("train")
    first = targets.build(tmp_path / "build" / "targets", photos, recipe.degradation, recipe.store, None)
    wanted = [first.hr[index].tobytes() for index in range(len(first))]
    (archive,) = (drive / "build" / "targets").iterdir()
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    shutil.rmtree(tmp_path / "build")
    again = targets.build(tmp_path / "build" / "targets", photos, recipe.degradation, recipe.store, None)
    assert [again.hr[index].tobytes() for index in range(len(again))] == wanted
    (drive / "taken").write_bytes(b"")
    monkeypatch.setattr(keep, "place_of", lambda path: drive / "taken" / path.name)
    runs.save(tmp_path / "build", recipe, {}, {"step": 1, "history": []})
    assert (tmp_path / "build" / "last.pt").exists() and "was not kept" in caplog.text
    monkeypatch.undo()
    monkeypatch.setenv("KDSHARP_KEEP", str(tmp_path / "nowhere"))
    with pytest.raises(KdsharpError, match="KDSHARP_KEEP"):
        keep.place_of(tmp_path)


def test_keeping_in_a_folder_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDSHARP_KEEP", "")
    keep.use(str(tmp_path / "new" / "folder"))
    assert keep.place_of(tmp_path / "build" / "a.pt") == tmp_path / "new" / "folder" / "build" / "a.pt"
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(KdsharpError, match="Cannot write"):
        keep.use(str(tmp_path / "taken" / "folder"))
