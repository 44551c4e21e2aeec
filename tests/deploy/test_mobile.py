"""LiteRT files, run by LiteRT's own interpreter: the same picture as PyTorch's."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from kdsharp.apps.cli import main
from kdsharp.deploy import mobile
from kdsharp.disk import checkpoints
from kdsharp.errors import KdsharpError
from kdsharp.student import CHANNELS, load_network

SIZE = (90, 160)


def test_without_the_package_it_says_what_to_do(
    tmp_path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "litert_torch", None)  # as if it were not installed
    with pytest.raises(KdsharpError, match="make mobile"):
        mobile.to_litert(load_network(saved)[0], tmp_path / "s.tflite")
    assert main(["export", str(saved), str(tmp_path / "s.tflite")]) == 2
    assert main(["export", str(saved), str(tmp_path / "s.tflite"), "--int8"]) == 2
    assert not list(tmp_path.glob("*.tflite"))


@pytest.mark.heavy
@pytest.mark.parametrize(
    "name", [path.stem for path in checkpoints.published() if "teacher" not in path.stem]
)
def test_a_phone_gives_the_same_picture(name: str, tmp_path: Path) -> None:
    pytest.importorskip("litert_torch", reason="litert-torch is not installed: `make mobile` does it")
    from ai_edge_litert.interpreter import Interpreter

    network, _ = load_network(name)
    path = mobile.to_litert(network, tmp_path / "s.tflite", SIZE)
    planes = torch.rand(1, CHANNELS[network.colour], *SIZE, generator=torch.Generator().manual_seed(0))
    phone = Interpreter(str(path))
    phone.allocate_tensors()
    phone.set_tensor(phone.get_input_details()[0]["index"], planes.numpy())
    phone.invoke()
    with torch.inference_mode():
        expected = network(planes).numpy()
    output = phone.get_tensor(phone.get_output_details()[0]["index"])
    assert output.shape == expected.shape and np.abs(output - expected).max() * 255 < 1


@pytest.mark.heavy
def test_a_size_that_does_not_fold_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("litert_torch", reason="litert-torch is not installed: `make mobile` does it")
    with pytest.raises(KdsharpError, match="multiples of 2"):
        mobile.to_litert(load_network("call-s")[0], tmp_path / "s.tflite", (1081, 1920))
