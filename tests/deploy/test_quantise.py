"""Networks of 8 bits: no processor cuts a sum off, and the picture is the same with and without VNNI."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import kdsharp
from kdsharp import recipes
from kdsharp.deploy import quantise
from kdsharp.disk import checkpoints, files

PUBLISHED = sorted(files.checkpoints_dir().glob("*.int8.onnx"))


def weights_of(path: Path) -> list[np.ndarray]:
    """The `int8` weights (O, I, kH, kW) of a network's convolutions."""
    tensors = map(numpy_helper.to_array, onnx.load(path).graph.initializer)
    return [tensor for tensor in tensors if tensor.dtype == np.int8 and tensor.ndim == 4]


def vpmaddubsw(inputs: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Intel's instruction on rows (O, K) of `int8` and of `uint8`: products, added in pairs that 16 bits hold."""
    products = inputs.astype(np.int32) * rows
    return (products[:, ::2] + products[:, 1::2]).clip(-32768, 32767).sum(1)


def cut_off(weights: np.ndarray) -> int:
    """By how much AVX2 is wrong at most: the inputs are 255 where the weight has one sign, and 0 elsewhere."""
    along = weights.transpose(0, 2, 3, 1)
    outputs, inputs = weights.shape[:2]
    alone = np.pad(along, ((0, 0), (0, 0), (0, 0), (0, inputs % 2))).reshape(outputs, -1)
    flat = along.reshape(outputs, -1)
    flat = np.pad(flat, ((0, 0), (0, flat.shape[1] % 2)))
    worst = 0
    for rows in (alone, flat):
        for worst_input in (np.where(rows > 0, 255, 0), np.where(rows < 0, 255, 0)):
            exact = (worst_input * rows.astype(np.int32)).sum(1)
            worst = max(worst, int(np.abs(vpmaddubsw(worst_input, rows) - exact).max()))
    return worst


@pytest.fixture
def plain_eight_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`call-s` with weights that use all 8 bits, as ONNX Runtime quantises by default."""
    monkeypatch.setattr(quantise, "_weight_ranges", lambda _model: {})
    source = checkpoints.find("call-s")
    planes = list(quantise.calibration_planes(checkpoints.recipe_of(source).degradation, "luma"))[:3]
    return quantise.to_int8(source.with_suffix(".onnx"), tmp_path / "plain.int8.onnx", planes)


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.name.split(".")[0])
def test_no_sum_is_cut_off_on_avx2(path: Path) -> None:
    layers = weights_of(path)
    assert layers and all(cut_off(weights) == 0 for weights in layers)
    assert max(np.abs(weights).max() for weights in layers) > 64, "more precision was given away than needed"


def test_full_eight_bits_would_be_cut_off(plain_eight_bits: Path) -> None:
    """The test above can fail: this is what it is there for."""
    assert max(cut_off(weights) for weights in weights_of(plain_eight_bits)) > 1000


@pytest.mark.parametrize("inputs", [1, 3, 16])
def test_a_pair_is_two_channels_or_the_next_position(inputs: int) -> None:
    weights = np.random.default_rng(0).normal(size=(5, inputs, 3, 3))
    scale = quantise.largest_pair(weights)[:, None, None, None] / 127
    assert cut_off(np.rint(weights / scale).clip(-127, 127).astype(np.int8)) == 0
    assert (quantise.largest_pair(weights) >= np.abs(weights).max((1, 2, 3))).all()
    if inputs > 1:
        together = np.zeros_like(weights)
        together[:, 0, 0, 0], together[:, 1, 0, 0], together[:, 2, 2, 2] = 0.5, 0.75, -1
        assert np.array_equal(quantise.largest_pair(together), np.full(5, 1.25))


def test_openvino_gives_the_same_picture_on_a_processor_without_vnni(
    picture: np.ndarray, tmp_path: Path, plain_eight_bits: Path
) -> None:
    """oneDNN, told to use AVX2 only, runs the very kernels that such a processor runs."""
    pytest.importorskip("openvino")
    published = files.checkpoints_dir() / "call-s.int8.onnx"
    _, poor = kdsharp.degrade(picture[:128, :128], recipes.fixed_call(2, 70))  # a good one is left alone
    np.save(tmp_path / "planes.npy", np.ascontiguousarray(poor[None, None, :, :, 1]) / np.float32(255))
    program = (
        "import sys, numpy\nfrom kdsharp.deploy.engines.openvino import OpenVinoNetwork\n"
        "planes = numpy.load(sys.argv[1])\n"
        "numpy.save(sys.argv[2], [OpenVinoNetwork(path)(planes) for path in sys.argv[3:]])"
    )
    found = []
    for limit in ({}, {"ONEDNN_MAX_CPU_ISA": "AVX2"}):
        arguments = [tmp_path / "planes.npy", tmp_path / "results.npy", published, plain_eight_bits]
        command = [sys.executable, "-c", program, *map(str, arguments)]
        subprocess.run(command, env=os.environ | limit, check=True, capture_output=True)
        found.append(np.load(tmp_path / "results.npy"))
    differences = np.abs(found[0] - found[1]).max((1, 2, 3, 4)) * 255
    assert differences[0] < 0.1
    cpu = Path("/proc/cpuinfo")
    if (
        cpu.exists()
        and "vnni" in cpu.read_text()
        and not {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"} & set(os.environ)
    ):
        assert differences[1] > 1, "full 8-bit weights are not cut off any more: the limit has no effect"


def test_the_eight_bit_student_is_not_taken_from_older_files(saved: Path, own_root: Path) -> None:
    """Files of full 8 bits that an earlier version left in the work folder are not used."""
    old = own_root / "build" / "onnx" / f"{saved.stem}-{checkpoints.digest(saved)}.int8.onnx"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old")
    ready = kdsharp.load_student(saved, engine="onnx-int8")
    assert ready(np.zeros((16, 16, 3), np.uint8)).shape == (16, 16, 3) and old.read_bytes() == b"old"
