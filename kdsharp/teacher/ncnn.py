"""Weights out of files of ncnn, in which packages for phones and for Vulkan carry the official networks.

A network is two files (https://github.com/Tencent/ncnn/wiki/param-and-model-file-structure): `.param` is text, a layer
a line (`Convolution NAME ins outs IN.. OUT.. 0=64 1=3 ..`), and `.bin` holds the numbers of those layers that have any,
one after the other, little endian and without names. Read are the kinds of layers that Real-ESRGAN and SPAN consist of.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kdsharp.errors import KdsharpError

MAGIC = "7767517"
_FP16, _FP32 = 0x01306B47, 0
_WITHOUT_NUMBERS = {
    *("Input", "Split", "Concat", "Eltwise", "BinaryOp", "Interp", "PixelShuffle", "Sigmoid", "Swish")
}
# Of a convolution: channels, kernel, dilation, stride, padding, whether there is a bias, count of weights, activation.
_OPTIONS = {"0", "1", "2", "3", "4", "5", "6", "9", "-23310"}


@dataclass(frozen=True)
class Layer:
    """A layer with numbers: a convolution's `weight` is (outputs, inputs, k, k), float16 or float32 as in the file.

    A PReLU's is (channels,), a constant's is flat; both are float32, as is a convolution's `bias` (outputs,).
    """

    kind: str
    name: str
    weight: np.ndarray
    bias: np.ndarray | None = None


def read(param: bytes, weights: bytes, title: str) -> list[Layer]:
    """The layers with numbers, in the order of the network; `title` names the file in messages.

    Raises KdsharpError, one sentence, for a text that is not of this form, a kind of layer or an option that is not
    known, and for weights that are too short, too long or of another kind of number.
    """
    numbers = _Numbers(weights, title)
    layers = []
    for kind, name, options in _lines(param, title):
        if kind == "Convolution":
            layers.append(_convolution(name, options, numbers))
        elif kind == "PReLU":
            layers.append(Layer(kind, name, numbers.take(_whole(options, "0", title), "<f4", name)))
        elif kind == "MemoryData":
            sides = [_whole(options, key, title) for key in ("0", "1", "2") if key in options]
            layers.append(Layer(kind, name, numbers.take(int(np.prod(sides)), "<f4", name)))
        elif kind not in _WITHOUT_NUMBERS:
            raise KdsharpError(f"{title} has a layer of the kind {kind}, which is not known.")
    if numbers.left:
        raise KdsharpError(f"{title} holds {numbers.left} bytes more than its layers need.")
    return layers


class _Numbers:
    """The `.bin`, read from its start; every step is checked against its end."""

    def __init__(self, content: bytes, title: str) -> None:
        self.content, self.title, self.at = content, title, 0

    @property
    def left(self) -> int:
        return len(self.content) - self.at

    def take(self, count: int, kind: str, name: str) -> np.ndarray:
        """The next `count` numbers; halves are filled up to four bytes."""
        size = -(-count * np.dtype(kind).itemsize // 4) * 4
        if size > self.left:
            raise KdsharpError(
                f"{self.title} is cut off: its layer {name} needs {size} bytes, {self.left} are left."
            )
        found = np.frombuffer(self.content, kind, count, self.at)
        self.at += size
        return found


def _lines(param: bytes, title: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Kind, name and options of each layer."""
    try:
        magic, counts, *lines = param.decode("ascii").split("\n")
        lines = [line.split() for line in lines if line.strip()]
        if magic.strip() != MAGIC or len(lines) != int(counts.split()[0]):
            raise ValueError
        for kind, name, inputs, outputs, *rest in lines:
            options = rest[int(inputs) + int(outputs) :]
            yield kind, name, dict(option.split("=", 1) for option in options)
    except (ValueError, IndexError) as error:
        raise KdsharpError(
            f"{title} does not begin with the list of its layers, or that is cut off."
        ) from error


def _convolution(name: str, options: dict[str, str], numbers: _Numbers) -> Layer:
    outputs, side, count = (_whole(options, key, numbers.title) for key in "016")
    inputs = count // max(outputs * side * side, 1)
    plain = {"2": "1", "3": "1", "4": str(side // 2)}  # no dilation, no stride, the size of the picture kept
    padded = options.get("4", "0") == plain["4"]
    strange = set(options) - _OPTIONS or {key for key in "23" if options.get(key, "1") != plain[key]}
    if strange or not padded or inputs * outputs * side * side != count or not count:
        raise KdsharpError(f"{numbers.title} has a convolution, {name}, with options that are not known.")
    tag = int(numbers.take(1, "<u4", name)[0])
    if tag not in (_FP16, _FP32):
        raise KdsharpError(
            f"{numbers.title} holds numbers of an unknown kind (0x{tag:08X}) in its layer {name}."
        )
    weight = numbers.take(count, "<f2" if tag == _FP16 else "<f4", name)
    bias = numbers.take(outputs, "<f4", name) if options.get("5", "0") == "1" else None
    return Layer("Convolution", name, weight.reshape(outputs, inputs, side, side), bias)


def _whole(options: dict[str, str], key: str, title: str) -> int:
    """An option that is a whole number and not negative."""
    if not (value := options.get(key, "0")).isdecimal():
        raise KdsharpError(f"{title} has a layer whose option {key} is '{value}' and no count.")
    return int(value)
