"""Exported students in onnxruntime-web's WASM, as a browser runs them: the same picture as ONNX Runtime's."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from kdsharp.apps import live
from kdsharp.deploy import exported_file
from kdsharp.deploy.engines.onnx import OnnxNetwork
from kdsharp.disk import checkpoints

PROGRAM = Path(__file__).resolve().parents[2] / "tools" / "onnx_web.mjs"


@pytest.mark.heavy
@pytest.mark.parametrize("int8", [False, True], ids=["float32", "int8"])
@pytest.mark.parametrize("name", checkpoints.students())  # those that only teach are never in a browser
def test_a_browser_gives_the_same_picture(name: str, int8: bool, tmp_path: Path) -> None:
    if live.runtime_dir() is None or not shutil.which("node"):
        pytest.skip("onnxruntime-web is not here: `make web` fetches it, with Node's npm")
    exported = exported_file(checkpoints.find(name), int8)
    here = OnnxNetwork(exported)
    planes = np.random.default_rng(0).random((1, 1 if here.colour == "luma" else 3, 48, 80), dtype=np.float32)
    planes.tofile(tmp_path / "in.bin")
    command = ["node", PROGRAM, live.runtime_dir(), exported]
    command += [tmp_path / "in.bin", *planes.shape[1:], tmp_path / "out.bin"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = here(planes)
    told = json.loads(done.stdout)
    assert told["dims"] == list(expected.shape) and told["version"] == live.RUNTIME.rpartition("-")[2]
    output = np.fromfile(tmp_path / "out.bin", np.float32).reshape(expected.shape)
    assert np.abs(output - expected).max() * 255 < 1
    assert np.ptp(expected) > 0.5  # not a constant picture that anything would match
