"""WGSL: a student as one module of compute shaders for WebGPU, an entry point a pass.

The passes are those of `glsl`. Luma comes and goes in buffers of floats, and features lie in two buffers, which take
turns: all places of the first four channels, then of the next four. Weights are no part of the code, which browsers
compile on every visit: they stand in the file's last line.
"""

import base64
import json
from collections.abc import Iterator
from string import Template

import numpy as np

from kdsharp.deploy.restraint import EVERY, FLAT
from kdsharp.deploy.shaders import wgsl_passes as passes
from kdsharp.deploy.shaders.cost import sentence
from kdsharp.deploy.shaders.plain import PLACES, Convolution, Plain, about
from kdsharp.recipes import whole_steps

FACTS, WEIGHTS = "kdsharp: ", "weights: "  # begin the lines that programs read


def text(network: Plain) -> str:
    """The module of a network: a header to read, its first lines for people and one for programs, then the passes."""
    common = Template(passes.COMMON).substitute(fold=network.fold)
    learnt = np.concatenate([_learnt(layer) for layer in network.convolutions]).astype("<f4")
    line = f"// {WEIGHTS}{base64.b64encode(learnt.tobytes()).decode()}\n"
    return "\n".join([_header(network), common, *_passes(network), line])


def _header(network: Plain) -> str:
    return passes.HEADER.format(
        about=about(network, ".wgsl"),
        size="of the same size" if network.scale == 1 else f"{network.scale:g} times as wide and high",
        fold=network.fold,
        vectors=_vectors(network),
        side=PLACES,
        facts=FACTS + json.dumps(_facts(network)),
        restraint=passes.RESTRAINED if network.restraint else passes.FREE,
        cost=sentence(network),
    )


def _facts(network: Plain) -> dict[str, object]:
    """What a program needs to run the module; each pass stands with what its threads go over."""
    layers = {f"layer{number}": "folded" for number in range(1, len(network.convolutions) + 1)}
    judging = {"count": "parts", "share": "once"} if network.restraint else {}
    return {
        "name": network.name,
        "scale": network.scale,
        "fold": network.fold,
        "vectors": _vectors(network),
        "weights": [_learnt(layer).size for layer in network.convolutions],
        "passes": {"fold": "folded", **layers, **judging, "unfold": "output"},
    }


def _learnt(layer: Convolution) -> np.ndarray:
    """Biases and weights as the code has them; missing channels are zeros."""
    outputs, inputs = 4 * layer.groups_out, 4 * layer.groups_in
    biases = np.pad(layer.bias, (0, outputs - len(layer.bias)))
    missing = [(0, outputs - layer.weight.shape[0]), (0, inputs - layer.weight.shape[1]), (0, 0), (0, 0)]
    blocks = np.pad(layer.weight, missing).reshape(layer.groups_out, 4, layer.groups_in, 4, 9)
    return np.concatenate([biases, blocks.transpose(2, 4, 0, 3, 1).ravel()])  # a matrix is written by columns


def _vectors(network: Plain) -> int:
    """How many `vec4` a place has at most."""
    layers = network.convolutions
    return max(layers[0].groups_in, *(layer.groups_out for layer in layers))


def _passes(network: Plain) -> Iterator[str]:
    layers = network.convolutions
    names = ["odd" if number % 2 else "even" for number in range(len(layers) + 1)]
    yield _fold(network)
    for number, layer in enumerate(layers, 1):
        yield _convolution(number, layer, names[number - 1], names[number], rectified=number < len(layers))
    if network.restraint:
        yield _restraint(network, names[-1])
    yield _unfold(network, names[-1])


def _fold(network: Plain) -> str:
    fold = network.fold
    stores = []
    for group in range(network.convolutions[0].groups_in):
        values = [
            f"luma(place * {fold} + vec2i({plane % fold}, {plane // fold}))" if plane < fold**2 else "0.0"
            for plane in range(4 * group, 4 * group + 4)
        ]
        stores.append(f"    even[{group} * plane + at] = vec4f({', '.join(values)});\n")
    return Template(passes.FOLD).substitute(side=PLACES, stores="".join(stores))


def _convolution(number: int, layer: Convolution, source: str, save: str, rectified: bool) -> str:
    loads = "".join(
        f"        given{number}[{group}][cell / {PLACES + 2}][cell % {PLACES + 2}] = "
        f"select(vec4f(), {source}[{group} * plane + at], inside);\n"
        for group in range(layer.groups_in)
    )
    lines = []
    for group in range(layer.groups_in):
        lines.append(f"v = given{number}[{group}][row][column];")
        for output in range(layer.groups_out):
            at = f"({9 * group} + near) * {layer.groups_out} + {output}"
            lines.append(f"sum{output} += learnt{number}.weights[{at}] * v;")
    sums = [f"sum{output}" for output in range(layer.groups_out)]
    ends = [f"max({sum}, vec4f())" if rectified else sum for sum in sums]
    return Template(passes.CONVOLUTION).substitute(
        number=number,
        groups_in=layer.groups_in,
        groups_out=layer.groups_out,
        matrices=9 * layer.groups_in * layer.groups_out,
        side=PLACES,
        rim=PLACES + 2,
        loads=loads,
        begin="".join(f"    var {sum} = learnt{number}.biases[{at}];\n" for at, sum in enumerate(sums)),
        sums="".join(f"        {line}\n" for line in lines),
        stores="".join(f"    {save}[{group} * plane + at] = {end};\n" for group, end in enumerate(ends)),
    )


def _restraint(network: Plain, correction: str) -> str:
    fold = network.fold
    changes = "".join(
        f"            sum.x += moved(luma(place * {fold} + vec2i({plane % fold}, {plane // fold})), "
        f"{correction}[{plane // 4} * plane + at][{plane % 4}]);\n"
        for plane in range(fold**2)
    )
    return Template(passes.RESTRAINT).substitute(
        side=PLACES,
        every=EVERY,
        fold=fold,
        planes=fold**2,
        changes=changes,
        flat=FLAT,
        full=network.restraint,
    )


def _unfold(network: Plain, correction: str) -> str:
    large, small = whole_steps(network.scale)
    size = "vec2i(settings.size)"
    return Template(passes.UNFOLD).substitute(
        side=PLACES,
        out_size=f"{size} * {large}" if small == 1 else f"(3 * {size} + {size} % 2) / 2",
        shuffle=network.shuffle,
        correction=correction,
        base=Template(passes.BASE).substitute(scale=large) if small == 1 else passes.BASE_OF_PAIRS,
        share="select(1.0, parts[4096].x, settings.restraint == 1u)" if network.restraint else "1.0",
        before="base" if network.scale == 1 else f"luma_at((vec2f(place) + 0.5) / {network.scale:.1f})",
    )
