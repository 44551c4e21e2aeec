"""Checkpoints of other programs: every wrapping loads, and what is no network is called what it is."""

import argparse
import gzip
import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact

from kdsharp import teacher
from kdsharp.disk import checkpoints, files, foreign
from kdsharp.errors import KdsharpError
from kdsharp.student import load_network

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def weights() -> State:
    """A small network laid out as realesr-general-x4v3 is: SRVGGNetCompact x4."""
    torch.manual_seed(0)
    return Compact(num_feat=8, num_conv=2, upscale=4).state_dict()


def under(prefix: str, state: State) -> State:
    return {prefix + name: value for name, value in state.items()}


def other(state: State) -> State:
    """The same network with other weights."""
    return {name: value + 1 for name, value in state.items()}


def lightning(state: State) -> dict:
    """Beside the network: a discriminator, a loss, an optimiser, and what a module was made with."""
    judge = {"net_d.conv.weight": torch.zeros(4, 3, 3, 3), "net_d.conv.bias": torch.zeros(4)}
    return {
        "state_dict": judge | {"loss.vgg.mean": torch.zeros(3)} | state,
        "epoch": 3,
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": []}],
        "callbacks": {
            "ModelCheckpoint": {"best_model_path": "a.ckpt", "best_model_score": torch.tensor(1.0)}
        },
        "hyper_parameters": {"lr": 1e-4},
        "pytorch-lightning_version": "2.5.0",
    }


WRAPPED: dict[str, Callable[[State], dict]] = {
    "bare": lambda state: state,
    "Real-ESRGAN's": lambda state: {"params": other(state), "params_ema": state},
    "Lightning, net_g": lambda state: lightning(under("net_g.", state)),
    "Lightning, model": lambda state: lightning(under("model.", state)),
    "Lightning, any name": lambda state: lightning(under("my_upscaler.inner.", state)),
    "Lightning, averaged": lambda state: lightning(
        under("net_g.", other(state)) | under("net_g_ema.", state)
    ),
    "torch.compile": lambda state: {"params": under("_orig_mod.", state)},
    "a compiled part": lambda state: {
        name.replace("body.", "body._orig_mod."): state[name] for name in state
    },
    "DataParallel": lambda state: {"model": under("module.", state), "optimizer": {"lr": 0.1}},
    "Lightning, compiled, parallel": lambda state: lightning(under("net_g._orig_mod.module.", state)),
    "a training state": lambda state: {
        "step": 7,
        "model_state_dict": state,
        "optimizer": {"a": torch.zeros(2)},
    },
    "nested": lambda state: {"checkpoint": {"state_dict": under("generator.", state)}},
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
def test_every_wrapping_gives_the_network_inside(wrap, weights: State, tmp_path: Path) -> None:
    path = tmp_path / "foreign.ckpt"
    torch.save(wrap(weights), path)
    loaded = teacher.load_teacher(path).network.state_dict()
    assert loaded.keys() == weights.keys()
    assert all(torch.equal(loaded[name], weights[name]) for name in weights)


@pytest.mark.parametrize("name", ["a.pth", "a.pt", "a.ckpt", "a.safetensors", "a.bin", "weights"])
@pytest.mark.parametrize("kind", ["zip", "pickle", "safetensors"])
def test_the_content_decides_and_not_the_name(name: str, kind: str, weights: State, tmp_path: Path) -> None:
    path = tmp_path / name
    if kind == "safetensors":
        save_file(weights, path)
    else:
        torch.save(weights, path, _use_new_zipfile_serialization=kind == "zip")
    assert teacher.load_teacher(path).scale == 4


def test_a_network_of_ours_under_another_name(tmp_path: Path) -> None:
    path = tmp_path / "renamed.pth"
    path.write_bytes(checkpoints.find("call-s").read_bytes())
    assert teacher.load_teacher(path).scale == 1


def zipped(names: list[str]) -> bytes:
    with zipfile.ZipFile(buffer := BytesIO(), "w") as archive:
        for name in names:
            archive.writestr(name, b"content")
    return buffer.getvalue()


def saved(value: object, **options: bool) -> bytes:
    torch.save(value, buffer := BytesIO(), **options)
    return buffer.getvalue()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 17938799\n"
HEADER = json.dumps({"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}).encode()
STRANGE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", r"is empty: download the file itself again"),
    "LFS pointer": (POINTER, r"is a Git LFS pointer and not the file: run `git lfs pull`"),
    "web page": (b"\n <!DOCTYPE html><html><body>404</body></html>", r"is a web page and not the file"),
    "storage's answer": (
        b"\xef\xbb\xbf<?xml version='1.0'?><Error><Code>NoSuchKey",
        r"is a web page and not",
    ),
    "JSON": (b'{"error": "Entry not found"}', r"is JSON text"),
    "text": (b"Not Found", r"holds no network: give its PyTorch weights"),
    "zip": (zipped(["model/weights.pth", "README.md"]), r"is an archive of other files: unpack it"),
    "TorchScript": (zipped(["net/data.pkl", "net/constants.pkl"]), r"may hold a program \(TorchScript\)"),
    "gzip": (gzip.compress(b"weights"), r"is packed by gzip: unpack it"),
    "Keras": (b"\x89HDF\r\n\x1a\n" + bytes(64), r"is an HDF5 file, as Keras"),
    "LiteRT": (b"\x1c\0\0\0TFL3" + bytes(64), r"is a LiteRT file: give its PyTorch weights"),
    "half a zip": (saved({"a": torch.zeros(900)})[:2000], r"is cut off or damaged: download"),
    "half a pickle": (saved({"a": torch.zeros(900)}, _use_new_zipfile_serialization=False)[:900], "download"),
    "half safetensors": (
        len(HEADER).to_bytes(8, "little") + HEADER + bytes(20),
        "cut off or damaged: fetch it again",
    ),
    "a list": (saved([torch.zeros(3)]), r"holds no network: give a file with the weights of one"),
    "no tensors": (saved({"epoch": 3, "state_dict": {}}), r"holds no network"),
    "unknown": (
        saved({"a.weight": torch.zeros(3, 3), "b.weight": torch.zeros(3)}),
        r"no network that is known",
    ),
    "a whole module": (saved(torch.nn.Conv2d(3, 3, 3)), r"Python objects .* save its state dict alone"),
    "objects": (saved({"state_dict": {}, "args": argparse.Namespace(lr=1)}), r"Python objects"),
}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(("content", "sentence"), STRANGE.values(), ids=STRANGE)
def test_what_is_no_network_is_called_what_it_is(
    content: bytes, sentence: str, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"strange{suffix}"
    path.write_bytes(content)
    with pytest.raises(KdsharpError, match=rf"strange\{suffix}.*{sentence}") as refused:
        teacher.load_teacher(path)
    assert "\n" not in str(refused.value) and "estormer" not in str(refused.value)


def test_onnx_is_called_so() -> None:
    exported = checkpoints.find("call-s").with_suffix(".onnx")
    assert "is an ONNX file" in foreign.mistaken(exported)
    assert "is an ONNX file" in foreign.mistaken(exported.with_suffix(".int8.onnx"))


def test_restormer_without_its_extra_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign.importlib.util, "find_spec", lambda name: None)
    path = tmp_path / "deblurring.pth"
    path.write_bytes(saved({"params": {"encoder_level1.0.norm1.body.weight": torch.zeros(48)}}))
    with pytest.raises(KdsharpError, match=r"holds a Restormer: run `pip install 'kdsharp\[restormer\]'`"):
        teacher.load_teacher(path)


def test_our_own_files_are_not_mistaken(tmp_path: Path) -> None:
    for path in checkpoints.published():
        assert foreign.mistaken(path) is None
    pointer = tmp_path / "call-s.safetensors"
    pointer.write_bytes(POINTER)
    with pytest.raises(KdsharpError, match=r"call-s\.safetensors is a Git LFS pointer"):
        load_network(pointer)
    with pytest.raises(KdsharpError, match=r"none\.pth cannot be read"):
        foreign.mistaken(files.root() / "none.pth")
