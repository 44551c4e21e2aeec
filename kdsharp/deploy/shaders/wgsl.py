"""WGSL: a student as one module of compute shaders for WebGPU, an entry point a pass.

The passes are those of `glsl`. Luma comes and goes in buffers of floats, and features lie in two buffers, which take
turns: all places of the first four channels, then of the next four.
"""

import json
from collections.abc import Iterator
from string import Template

from kdsharp.deploy.restraint import EVERY, FLAT
from kdsharp.deploy.shaders import wgsl_passes as passes
from kdsharp.deploy.shaders.cost import sentence
from kdsharp.deploy.shaders.plain import PLACES, Convolution, Plain, about, biases, sums
from kdsharp.recipes import whole_steps

FACTS = "kdsharp: "  # begins the line of the header that programs read


def text(network: Plain) -> str:
    """The module of a network: a header to read, its first lines for people and one for programs, then the passes."""
    common = Template(passes.COMMON).substitute(fold=network.fold)
    return "\n".join([_header(network), common, *_passes(network)])


def _header(network: Plain) -> str:
    return passes.HEADER.format(
        about=about(network, ".wgsl"),
        scale=network.scale,
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
        "passes": {"fold": "folded", **layers, **judging, "unfold": "output"},
    }


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
        stores.append(f"    even[{group} * plane + at] = vec4({', '.join(values)});\n")
    return Template(passes.FOLD).substitute(side=PLACES, stores="".join(stores))


def _convolution(number: int, layer: Convolution, source: str, save: str, rectified: bool) -> str:
    loads = "".join(
        f"        given{number}[{group}][cell / {PLACES + 2}][cell % {PLACES + 2}] = "
        f"select(vec4(), {source}[{group} * plane + at], inside);\n"
        for group in range(layer.groups_in)
    )
    begin = [f"var sum{output} = vec4({bias});" for output, bias in enumerate(biases(layer))]
    lines = begin + [line.replace("given[", f"given{number}[") for line in sums(layer)]
    ends = [
        f"max(sum{output}, vec4())" if rectified else f"sum{output}" for output in range(layer.groups_out)
    ]
    return Template(passes.CONVOLUTION).substitute(
        number=number,
        groups=layer.groups_in,
        side=PLACES,
        rim=PLACES + 2,
        loads=loads,
        sums="".join(f"    {line}\n" for line in lines),
        stores="".join(f"    {save}[{group} * plane + at] = {end};\n" for group, end in enumerate(ends)),
    )


def _restraint(network: Plain, correction: str) -> str:
    changes = "".join(
        f"            sum.x += dot(abs({correction}[{group} * plane + at]), vec4(1.0));\n"
        for group in range(network.convolutions[-1].groups_out)
    )
    return Template(passes.RESTRAINT).substitute(
        side=PLACES,
        every=EVERY,
        fold=network.fold,
        planes=network.fold**2,
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
