"""Official networks out of layers without names: functions that give the tensors by their released names."""

from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np

from kdsharp.errors import KdsharpError
from kdsharp.teacher.ncnn import Layer

Tensors = dict[str, np.ndarray]
SPAN_MEAN = (0.4488, 0.4371, 0.4040)  # of DIV2K: SPAN subtracts it, and no tensor of its file tells


def rrdb(layers: Sequence[Layer], blocks: int) -> Tensors:
    """RRDBNet of ESRGAN (Wang et al. 2018), as in Real-ESRGAN: `blocks` of three dense blocks of five convolutions."""
    dense = [
        f"body.{block}.rdb{part}.conv{layer}" for block, part, layer in product(range(blocks), "123", "12345")
    ]
    names = ["conv_first", *dense, "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"]
    _check(layers, ["Convolution"] * len(names))
    return _merged(_plain(name, layer) for name, layer in zip(names, layers, strict=True))


def compact(layers: Sequence[Layer], convolutions: int) -> Tensors:
    """SRVGGNetCompact of Real-ESRGAN: `convolutions` between the first and the last, a PReLU after all but the last."""
    _check(layers, ["Convolution", "PReLU"] * (convolutions + 1) + ["Convolution"])
    return _merged(_plain(f"body.{place}", layer) for place, layer in enumerate(layers))


def span(layers: Sequence[Layer]) -> Tensors:
    """SPAN (Wan et al. 2023) of six blocks, whose threefold convolutions are folded into one each in the package."""
    folded = [
        "conv_1",
        *(f"block_{block}.c{layer}_r" for block, layer in product(range(1, 7), "123")),
        "conv_2",
    ]
    names = [*folded, "conv_cat", "upsampler.0"]
    _check(layers, ["MemoryData"] + ["Convolution"] * len(names))
    mean, *layers = layers
    if not np.allclose(mean.weight, SPAN_MEAN, atol=1e-3):
        raise KdsharpError(f"This SPAN subtracts {mean.weight.tolist()} and not {list(SPAN_MEAN)}.")
    return _merged(
        _unfolded(name, layer) if name in folded else _plain(name, layer)
        for name, layer in zip(names, layers, strict=True)
    )


def _unfolded(name: str, layer: Layer) -> Tensors:
    """A folded convolution as the official layout has it: between two of 1x1 that change nothing, and no skip."""
    kind, (outputs, inputs) = layer.weight.dtype, layer.weight.shape[:2]
    middle = np.zeros((2 * outputs, 2 * inputs, 3, 3), kind)
    middle[:outputs, :inputs] = layer.weight
    parts = {
        "sk": (np.zeros((outputs, inputs, 1, 1), kind), np.zeros_like(layer.bias)),
        "conv.0": (np.eye(2 * inputs, inputs, dtype=kind)[..., None, None], np.zeros(2 * inputs, np.float32)),
        "conv.1": (middle, np.concatenate([layer.bias, np.zeros_like(layer.bias)])),
        "conv.2": (np.eye(outputs, 2 * outputs, dtype=kind)[..., None, None], np.zeros_like(layer.bias)),
        "eval_conv": (layer.weight, layer.bias),
    }
    return {
        f"{name}.{part}.{which}": value
        for part, both in parts.items()
        for which, value in zip(("weight", "bias"), both, strict=True)
    }


def _plain(name: str, layer: Layer) -> Tensors:
    bias = {} if layer.bias is None else {f"{name}.bias": layer.bias}
    return {f"{name}.weight": layer.weight} | bias


def _merged(parts: Iterable[Tensors]) -> Tensors:
    return {name: value for part in parts for name, value in part.items()}


def _check(layers: Sequence[Layer], kinds: Sequence[str]) -> None:
    """See that the layers are of these kinds, in this order, and that no convolution lacks its bias."""
    found = [layer.kind for layer in layers]
    if found != list(kinds):
        raise KdsharpError(
            f"The file has {len(found)} layers with weights, not the {len(kinds)} of the network."
        )
    if any(layer.kind == "Convolution" and layer.bias is None for layer in layers):
        raise KdsharpError("The file has a convolution without bias, which the network does not have.")
