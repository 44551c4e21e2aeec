"""ncnn's files, written here from its description: what was written is read, in the order in which a network runs."""

import struct
from functools import partial

import numpy as np
import pytest
import torch
from spandrel import ModelLoader
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.SPAN import SPAN
from torch import nn

from kdsharp.errors import KdsharpError
from kdsharp.teacher import layouts, ncnn

NETWORKS = {
    "ESRGAN": (lambda: ESRGAN(num_blocks=2, num_filters=16), partial(layouts.rrdb, blocks=2)),
    "Compact": (
        lambda: Compact(num_feat=16, num_conv=3, upscale=4),
        partial(layouts.compact, convolutions=3),
    ),
    "SPAN": (lambda: SPAN(num_in_ch=3, num_out_ch=3, feature_channels=16, upscale=2), layouts.span),
}


def halves(values: np.ndarray) -> bytes:
    """A convolution's weights as fp16: the tag, the numbers, and zeros up to a multiple of four bytes."""
    content = struct.pack("<I", 0x01306B47) + values.astype("<f2").tobytes()
    return content + bytes(-len(content) % 4)


def singles(values: np.ndarray) -> bytes:
    return struct.pack("<I", 0) + values.astype("<f4").tobytes()


def convolution(layer: nn.Conv2d, pack=halves) -> tuple[str, bytes]:
    """Its line of `.param`, without name and blobs, and its part of `.bin`."""
    weight, bias = (value.detach().numpy() for value in (layer.weight, layer.bias))
    options = f"0={len(bias)} 1={layer.kernel_size[0]} 4={layer.padding[0]} 5=1 6={weight.size}"
    return f"Convolution|{options}", pack(weight) + bias.astype("<f4").tobytes()


def files_of(layers: list[tuple[str, bytes]]) -> tuple[bytes, bytes]:
    """`.param` and `.bin` of layers in a row."""
    lines = ["Input in 0 1 blob0"]
    for number, (line, _) in enumerate(layers):
        kind, options = line.split("|")
        lines.append(f"{kind:<24} layer_{number} 1 1 blob{number} blob{number + 1} {options}")
    text = "\n".join(["7767517", f"{len(lines)} {len(lines)}", *lines, ""])
    return text.encode(), b"".join(content for _, content in layers)


def as_it_runs(network: nn.Module, pack=halves) -> tuple[bytes, bytes]:
    """A network's layers in the order in which they are called, as ncnn's converter lists them."""
    found: list[tuple[str, bytes]] = []
    if isinstance(network, SPAN):
        found.append(("MemoryData|0=1 1=1 2=3", network.mean.numpy().astype("<f4").tobytes()))

    def note(layer: nn.Module, *_: object) -> None:
        if isinstance(layer, nn.Conv2d):
            found.append(convolution(layer, pack))
        else:
            slopes = layer.weight.detach().numpy().astype("<f4")
            found.append((f"PReLU|0={slopes.size}", slopes.tobytes()))

    hooks = [
        layer.register_forward_hook(note)
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d | nn.PReLU)
    ]
    with torch.no_grad():
        network(torch.rand(1, 3, 16, 16))
    for hook in hooks:
        hook.remove()
    return files_of(found)


@pytest.mark.parametrize("pack", [halves, singles])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_comes_back_in_its_official_layout(name: str, pack) -> None:
    torch.manual_seed(0)
    make, layout = NETWORKS[name]
    network = make().eval()
    for value in network.parameters():
        value.data = (
            value.data.half().float()
        )  # what half precision holds, so that nothing is lost on the way
    tensors = layout(ncnn.read(*as_it_runs(network, pack), name))
    kinds = {value.dtype.name for key, value in tensors.items() if key.endswith("weight") and value.ndim == 4}
    assert kinds == {"float16" if pack is halves else "float32"}
    loaded = ModelLoader().load_from_state_dict({key: torch.tensor(value) for key, value in tensors.items()})
    assert loaded.architecture.id == name
    small = torch.rand(1, 3, 20, 24)
    with torch.no_grad():
        expected, found = network(small), loaded.model.eval()(small)
    # SPAN's weights are folded before they are rounded to halves.
    lost = 1e-3 if name == "SPAN" and pack is halves else 1e-5
    assert (found - expected).abs().mean() < lost * expected.std()


def test_an_odd_count_of_halves_is_filled_up() -> None:
    """Three weights take eight bytes, and what follows begins behind them."""
    weight = np.array([1.5, -2.0, 0.25])
    line = "Convolution|0=1 1=1 5=1 6=3"
    content = halves(weight) + np.float32(7).tobytes()
    assert len(content) == 4 + 8 + 4
    first, second = ncnn.read(
        *files_of([(line, content), ("PReLU|0=2", np.float32([3, 4]).tobytes())]), "net"
    )
    assert first.weight.ravel().tolist() == [1.5, -2, 0.25] and first.weight.shape == (1, 3, 1, 1)
    assert first.bias.tolist() == [7] and second.weight.tolist() == [3, 4]


CONVOLUTION = ("Convolution|0=2 1=3 4=1 5=1 6=18", halves(np.ones(18)) + bytes(8))


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        (
            [("Convolution|0=2 1=3 3=2 4=1 5=1 6=18", CONVOLUTION[1])],
            "options that are not known",
        ),  # a stride
        (
            [("Convolution|0=2 1=3 2=2 4=1 5=1 6=18", CONVOLUTION[1])],
            "options that are not known",
        ),  # a dilation
        ([("Convolution|0=2 1=3 4=0 5=1 6=18", CONVOLUTION[1])], "options that are not known"),  # no padding
        ([("Convolution|0=2 1=3 4=1 5=1 6=18 8=101", CONVOLUTION[1])], "options that are not known"),  # int8
        ([("Convolution|0=2 1=3 4=1 5=1 6=19", CONVOLUTION[1])], "options that are not known"),  # 19 of 18
        ([("Convolution|0=0 1=3 4=1 5=1 6=0", CONVOLUTION[1])], "options that are not known"),
        ([("Convolution|0=-2 1=3 4=1 5=1 6=18", CONVOLUTION[1])], "option 0 is '-2'"),
        ([("PReLU|0=99999999999", b"")], "is cut off: its layer layer_0"),
        ([("InnerProduct|0=4", b"")], "of the kind InnerProduct"),
        ([(CONVOLUTION[0], struct.pack("<I", 0x000D4B38) + CONVOLUTION[1][4:])], "unknown kind (0x000D4B38)"),
        ([CONVOLUTION, ("ReLU6|", b"")], "of the kind ReLU6"),
        ([("Convolution|0=2 1=3 4=1 5=1 6=18 nonsense", CONVOLUTION[1])], "list of its layers"),
    ],
)
def test_what_is_not_known_is_named(layers: list[tuple[str, bytes]], said: str) -> None:
    with pytest.raises(KdsharpError, match=r"^net\.whl: net") as error:
        ncnn.read(*files_of(layers), "net.whl: net")
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("length", range(0, 48, 3))
def test_a_file_that_is_cut_anywhere_is_named(length: int) -> None:
    param, weights = files_of([CONVOLUTION])
    assert len(weights) == 48
    with pytest.raises(KdsharpError, match="net is cut off: its layer layer_0 needs"):
        ncnn.read(param, weights[:length], "net")


def test_a_file_that_is_too_long_is_named() -> None:
    param, weights = files_of([CONVOLUTION])
    with pytest.raises(KdsharpError, match="net holds 4 bytes more"):
        ncnn.read(param, weights + bytes(4), "net")


@pytest.mark.parametrize("damage", ["cut", "magic", "bytes", "empty"])
def test_a_list_of_layers_that_is_damaged_is_named(damage: str) -> None:
    param, weights = files_of([CONVOLUTION, CONVOLUTION])
    wrong = {
        "cut": param.rsplit(b"\n", 2)[0],
        "magic": b"x" + param,
        "bytes": param.replace(b"layer_0", b"\xff\xfe"),
        "empty": b"",
    }
    with pytest.raises(KdsharpError, match="net does not begin with the list of its layers"):
        ncnn.read(wrong[damage], weights, "net")


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_other_layers_has_no_layout(name: str) -> None:
    with pytest.raises(KdsharpError, match="has 1 layers with weights, not the"):
        NETWORKS[name][1](ncnn.read(*files_of([CONVOLUTION]), name))


def test_a_span_that_subtracts_another_mean_is_refused() -> None:
    network = SPAN(num_in_ch=3, num_out_ch=3, feature_channels=16, upscale=2, rgb_mean=(0.5, 0.5, 0.5)).eval()
    with pytest.raises(KdsharpError, match=r"subtracts \[0\.5"):
        layouts.span(ncnn.read(*as_it_runs(network), "span"))
