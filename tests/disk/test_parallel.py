"""Two processes under `accelerate launch` do what one does: the same targets, the same loss curve."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from kdsharp import data
from kdsharp.disk import parallel

pytest.importorskip("accelerate")

SETTINGS = [
    "store.crop=64", "store.crops_per_photo=4", "training.steps=30", "training.batch=4", "training.patch=32",
    "training.validate_every=10", "losses.teacher=0", "losses.perceptual=0", "losses.contrast=0",
    "training.half_on_cpu=false",  # two halves of a batch are rounded in other places than the whole
]  # fmt: skip


def train(folder: Path, photos: Path, processes: int) -> None:
    # "multi_gpu" is accelerate's name for several processes on one machine; without a GPU they use gloo.
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes)]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "-m", "kdsharp"]
    command = [sys.executable, *(launch if processes > 1 else ["-m", "kdsharp"])]
    command += ["train", "video-call", "--photos", str(photos), "--holdout", "2", "--folder", str(folder)]
    done = subprocess.run(
        [*command, "--set", *SETTINGS],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("held-out crops") == 1  # one process speaks


@pytest.mark.heavy
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    picture = data.read_image(data.embedded_photos("val")[0])
    for number in range(70):  # three shards of 32
        top = number % 7 * 40
        data.write_image(photos / f"{number:02d}.png", picture[top : top + 80, number : number + 90])
    for processes in (1, 2):
        train(tmp_path / str(processes), photos, processes)
    for name in sorted(path.name for path in (tmp_path / "1" / "targets").iterdir()):
        if not name.endswith(".lock"):
            one, two = (tmp_path / processes / "targets" / name for processes in "12")
            assert one.read_bytes() == two.read_bytes(), name
    one, two = (json.loads((tmp_path / processes / "history.json").read_text()) for processes in "12")
    assert [row["step"] for row in one] == [row["step"] for row in two] == [10, 20, 30]
    assert one != two  # the sums were formed in another order, so there were two
    for first, second in zip(one, two, strict=True):
        assert first["loss"] == pytest.approx(second["loss"], rel=1e-4)
        assert first["val_psnr"] == pytest.approx(second["val_psnr"], abs=0.01)
    one, two = (load_file(tmp_path / processes / "student.safetensors") for processes in "12")
    for name, value in one.items():
        assert torch.allclose(value, two[name], atol=2e-4), name


IN_NOTEBOOK = """
import sys, torch
from pathlib import Path
from kdsharp import data, distill, recipes
from kdsharp.disk import parallel
from kdsharp.distill import targets
recipe = recipes.override(recipes.preset("video-call", "quick"), [*sys.argv[3:], "training.batch=8"])
folder, photos = Path(sys.argv[1]), data.embedded_photos()

def everything():
    torch.cuda.device_count = real
    store = targets.build(folder / "targets", photos, recipe.degradation, recipe.store, None)
    unseen = data.embedded_photos("val")
    held_out = targets.build_validation(folder / "validation", unseen, recipe.degradation, recipe.store)
    distill.train(recipe, store, held_out, folder)
    (folder / f"rank-{parallel.rank()}").touch()

real, torch.cuda.device_count = torch.cuda.device_count, lambda: int(sys.argv[2])
if parallel.in_notebook(everything) != (sys.argv[2] == "2"):
    sys.exit("wrong number of processes")
if sys.argv[2] != "2":
    everything()
"""


@pytest.mark.heavy
def test_a_notebook_with_two_gpus_trains_in_two_processes(tmp_path: Path) -> None:
    """Two GPUs are pretended, the processes compute on the CPU: what counts is that they are two, and agree."""
    for count in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", IN_NOTEBOOK, str(tmp_path / count), count, *SETTINGS],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=400,
        )
        assert done.returncode == 0, done.stderr[-2000:]
    assert sorted(path.name for path in (tmp_path / "2").glob("rank-*")) == ["rank-0", "rank-1"]
    one, two = (json.loads((tmp_path / count / "history.json").read_text()) for count in "12")
    assert one != two
    for first, second in zip(one, two, strict=True):
        assert first["loss"] == pytest.approx(second["loss"], rel=1e-4)


def test_a_used_gpu_is_not_split(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    assert not parallel.in_notebook(lambda: pytest.fail("must not run"))
    assert "restart the kernel" in caplog.text
