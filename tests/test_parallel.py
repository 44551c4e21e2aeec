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

pytest.importorskip("accelerate")

SETTINGS = [
    "store.crop=64", "store.crops_per_photo=4", "training.steps=30", "training.batch=4", "training.patch=32",
    "training.validate_every=10", "losses.teacher=0", "losses.perceptual=0",
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
