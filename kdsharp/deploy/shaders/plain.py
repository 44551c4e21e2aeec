"""What a shader is written from: a student of plain 3x3 convolutions, read from its file without PyTorch."""

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from kdsharp.disk import checkpoints
from kdsharp.errors import KdsharpError
from kdsharp.recipes import FAMILIES

WIDEST = 40  # channels: a workgroup of 8x8 places keeps its inputs in 16 KB, which is all that every GPU has
PLACES = 8  # a workgroup computes 8x8 places of the folded picture


@dataclass(frozen=True)
class Convolution:
    """One 3x3 convolution, `weight` (outputs, inputs, 3, 3) and `bias` (outputs,), with a ReLU behind all but the last.

    Four channels make one `vec4`: `groups_in` and `groups_out` count those.
    """

    weight: np.ndarray
    bias: np.ndarray

    @property
    def groups_in(self) -> int:
        return -(-self.weight.shape[1] // 4)

    @property
    def groups_out(self) -> int:
        return -(-self.weight.shape[0] // 4)


@dataclass(frozen=True)
class Plain:
    """A student of luma as `student.families.pixel_shuffle` has it: fold, convolve, add to the input, unfold.

    `restraint` is 0 where it has none (`deploy.restraint`); `digest` names the weights (`checkpoints.digest`).
    """

    name: str
    digest: str
    scale: float
    fold: int
    restraint: float
    convolutions: tuple[Convolution, ...]

    @property
    def shuffle(self) -> int:
        return int(self.scale * self.fold)


def read(path: Path) -> Plain:
    """The student in a file of ours.

    Raises KdsharpError for a file that is not ours, or a network that no shader is written for: one of colours, with
    anything but plain convolutions, or wider than `WIDEST`.
    """
    path = Path(path)
    student = checkpoints.recipe_of(path).student
    name = re.sub(r"[^\w.-]", "_", path.stem)
    options = FAMILIES.get(student.family, {}) | student.options
    if student.family != "student" or options["attention"] or options["branches"] > 1:
        raise KdsharpError(f"{name} is no plain student, which shaders are written of: choose ONNX for it.")
    if options["colour"] != "luma":
        raise KdsharpError(f"{name} works on colours, and shaders on luma alone: choose ONNX for it.")
    widest = max(options["channels"], options["unshuffle"] ** 2)
    if widest > WIDEST:
        raise KdsharpError(f"{name} has {widest} channels, and shaders {WIDEST}: choose ONNX for it.")
    fold, restraint = options["unshuffle"], options["restraint"]
    planes = [fold**2, *[options["channels"]] * (options["body"] + 1), int(options["scale"] * fold) ** 2]
    convolutions = _weights(path, planes)
    return Plain(name, checkpoints.digest(path), options["scale"], fold, restraint, convolutions)


def _weights(path: Path, planes: list[int]) -> tuple[Convolution, ...]:
    """The convolutions between so many planes. Raises KdsharpError where the file holds others, or no numbers."""
    found = []
    try:
        with safe_open(path, "np") as handle:
            for number, (inputs, outputs) in enumerate(pairwise(planes)):
                weight, bias = (
                    handle.get_tensor(f"layers.{2 * number}.{kind}") for kind in ("weight", "bias")
                )
                if weight.shape != (outputs, inputs, 3, 3) or bias.shape != (outputs,):
                    raise KdsharpError(checkpoints.FOREIGN.format(path))
                found.append(Convolution(weight.astype(np.float32), bias.astype(np.float32)))
    except SafetensorError as error:
        raise KdsharpError(checkpoints.FOREIGN.format(path)) from error
    if not all(np.isfinite(part).all() for each in found for part in (each.weight, each.bias)):
        raise KdsharpError(f"{path} holds weights that are no numbers: train the network again.")
    return tuple(found)


def grid(groups: int) -> tuple[int, int]:
    """Columns and rows by which so many `vec4` of one place lie beside each other in a texture, as square as can be."""
    rows = max(number for number in range(1, math.isqrt(groups) + 1) if groups % number == 0)
    return groups // rows, rows


def sums(convolution: Convolution) -> list[str]:
    """The lines that compute a convolution in GLSL, with its weights in them.

    `given[group][row][column]` are the inputs of a workgroup's places with one around them, `x` and `y` this place in
    it; `sum0`, `sum1` ... hold the biases and become the outputs.
    """
    lines = []
    for group in range(convolution.groups_in):
        block = convolution.weight[:, 4 * group : 4 * group + 4]
        for row in range(3):
            for column in range(3):
                lines.append(f"v = given[{group}][y + {row}][x + {column}];")
                for output in range(convolution.groups_out):
                    lines.append(
                        f"sum{output} += {_product(block[4 * output : 4 * output + 4, :, row, column])};"
                    )
    return lines


def _product(part: np.ndarray) -> str:
    """Weights (up to 4 outputs, up to 4 inputs) times `v`."""
    outputs, inputs = part.shape
    if inputs == 1:
        return f"vec4({numbers(np.pad(part[:, 0], (0, 4 - outputs)))}) * v.x"
    columns = np.pad(part, ((0, 4 - outputs), (0, 4 - inputs))).T
    return f"mat4({numbers(columns.ravel())}) * v"


def biases(convolution: Convolution) -> list[str]:
    """The biases of each `vec4` of outputs, as its arguments."""
    padded = np.pad(convolution.bias, (0, 4 * convolution.groups_out - len(convolution.bias)))
    return [numbers(part) for part in padded.reshape(-1, 4)]


def numbers(values: np.ndarray) -> str:
    """With five digits, as many as half floats tell apart, and without the zero before the point."""
    return ", ".join(re.sub(r"^(-?)0\.", r"\1.", f"{value:.5g}") for value in values)


def about(network: Plain, ending: str) -> str:
    """The first lines of a shader's file: what it is, its licence, and how it was made."""
    layers = len(network.convolutions)
    return f"""\
// {network.name}: a network that sharpens luma, {layers} convolutions of 3x3, written out as shaders.
// Licence: MIT, Copyright (c) 2026 The kdsharp contributors. SPDX-License-Identifier: MIT
// Source: `kdsharp export {network.name} {network.name}{ending}` made it, from the weights {network.digest}."""
