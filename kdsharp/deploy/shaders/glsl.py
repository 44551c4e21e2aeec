"""GLSL: a student as a user shader of mpv, whose format libplacebo documents too (docs/custom-shaders.md there).

Each pass is a compute shader: every thread computes all channels of one place of the folded picture, and its workgroup
shares what it reads. The channels of a place lie beside each other in one texture, four in each of its pixels.
"""

from collections.abc import Iterator
from string import Template

from kdsharp.deploy.restraint import EVERY, FLAT
from kdsharp.deploy.shaders import glsl_passes as passes
from kdsharp.deploy.shaders.cost import sentence
from kdsharp.deploy.shaders.plain import PLACES, Convolution, Plain, about, biases, grid, sums
from kdsharp.recipes import whole_steps


def text(network: Plain) -> str:
    """The user shader of a network: a header to read, its parameters, then one block a pass."""
    return "\n".join([_header(network), *_parameters(network), *_passes(network)])


def _header(network: Plain) -> str:
    restraint = passes.RESTRAINED if network.restraint else passes.FREE
    size = passes.SAME if network.scale == 1 else passes.LARGER.format(scale=network.scale)
    return passes.HEADER.format(
        about=about(network, ".glsl"),
        name=network.name,
        size=size,
        cost=sentence(network),
        restraint=restraint,
    )


def _parameters(network: Plain) -> Iterator[str]:
    yield _parameter("strength", "0 is the frame as it came, 1 the network's answer", "float", "1.0")
    yield _parameter("clamped", "1: no value beyond the 3x3 around it, against ringing", "int", 0)
    yield _parameter("full_range", "1: black is 0 in this video, and not 16 of 255", "int", 0)
    if network.restraint:
        yield _parameter("restraint", "0: good frames are corrected too", "int", 1)
        yield _parameter("fine", "1: restraint sees more than 8 bits show, for videos of 10", "int", 0)


def _parameter(name: str, about: str, kind: str, initial: object) -> str:
    return Template(passes.PARAMETER).substitute(name=name, about=about, kind=kind, initial=initial)


def _passes(network: Plain) -> Iterator[str]:
    layers = network.convolutions
    names = ["FOLDED", *(f"FEATURES{number}" for number in range(1, len(layers))), "CORRECTION"]
    yield _fold(network)
    for number, layer in enumerate(layers, 1):
        head = _folded_head(
            network,
            [names[number - 1]],
            names[number],
            f"convolution {number} of {len(layers)}",
            layer.groups_out,
        )
        yield head + _convolution(layer, names[number - 1], rectified=number < len(layers))
    if network.restraint:
        yield _parts(network)
        head = _head(network, ["PARTS"], "SHARE", "how much is let through", ["1", "1"], (16, 16))
        yield head + Template(passes.SHARE).substitute(flat=FLAT, full=network.restraint)
    yield _unfold(network)


def _head(
    network: Plain, binds: list[str], save: str, about: str, sides: list[str], block: tuple[int, ...]
) -> str:
    """The lines above a pass; `sides` are its texture's, in the format's reverse Polish notation."""
    return Template(passes.HEAD).substitute(
        binds="".join(f"//!BIND {name}\n" for name in binds),
        save=save,
        about=f"{network.name}, {about}",
        width=sides[0],
        height=sides[1],
        block=" ".join(map(str, block)),
        # What enlarges has nothing to do where the video is shown no larger than it is.
        when="//!WHEN OUTPUT.w LUMA.w >\n" if network.scale > 1 else "",
    )


def _folded_head(network: Plain, binds: list[str], save: str, about: str, groups: int) -> str:
    """The same above a pass that gives so many `vec4` for each place of the folded picture."""
    fold, tile = network.fold, grid(groups)
    sides = [
        f"LUMA.{side} {fold} LUMA.{side} {fold} % - {fold} % + {fold} / {count} *"
        for side, count in zip("wh", tile, strict=True)
    ]
    block = tuple(count * PLACES for count in tile)
    return _head(network, binds, save, about, sides, (*block, PLACES, PLACES))


def _tile(groups: int) -> str:
    return ", ".join(map(str, grid(groups)))


def _offsets(groups: int) -> list[str]:
    """Where each `vec4` of a place lies in its tile."""
    columns, _ = grid(groups)
    return [f"ivec2({group % columns}, {group // columns})" for group in range(groups)]


def _fold(network: Plain) -> str:
    fold, groups = network.fold, network.convolutions[0].groups_in
    stores = []
    for group, offset in enumerate(_offsets(groups)):
        values = [
            f"luma(place * {fold} + ivec2({plane % fold}, {plane // fold}))" if plane < fold**2 else "0.0"
            for plane in range(4 * group, 4 * group + 4)
        ]
        stores.append(
            f"    imageStore(out_image, place * ivec2({_tile(groups)}) + {offset}, vec4({', '.join(values)}));\n"
        )
    head = _folded_head(network, ["LUMA"], "FOLDED", "fold", groups)
    return head + passes.LUMA + Template(passes.FOLD).substitute(stores="".join(stores))


def _convolution(layer: Convolution, source: str, rectified: bool) -> str:
    loads = "".join(
        f"        given[{group}][cell.y][cell.x] = inside ? texelFetch({source}_raw, base + {offset}, 0) : vec4(0.0);\n"
        for group, offset in enumerate(_offsets(layer.groups_in))
    )
    begin = [f"vec4 sum{output} = vec4({bias});" for output, bias in enumerate(biases(layer))]
    ends = [f"max(sum{output}, 0.0)" if rectified else f"sum{output}" for output in range(layer.groups_out)]
    stores = "".join(
        f"    imageStore(out_image, to + {offset}, {end});\n"
        for offset, end in zip(_offsets(layer.groups_out), ends, strict=True)
    )
    return Template(passes.CONVOLUTION).substitute(
        groups=layer.groups_in,
        side=PLACES + 2,
        places=PLACES,
        source_size=f"{source}_size",
        tile=_tile(layer.groups_in),
        to_tile=_tile(layer.groups_out),
        loads=loads,
        sums="".join(f"    {line}\n" for line in begin + sums(layer)),
        stores=stores,
    )


def _parts(network: Plain) -> str:
    groups = network.convolutions[-1].groups_out
    changes = "".join(f"            change += moved(base + {offset});\n" for offset in _offsets(groups))
    head = _head(network, ["FOLDED", "CORRECTION"], "PARTS", "what would change", ["64", "64"], (8, 8))
    return head + Template(passes.PARTS).substitute(
        tile=_tile(groups), every=EVERY, changes=changes, planes=network.fold**2
    )


def _unfold(network: Plain) -> str:
    large, small = whole_steps(network.scale)
    groups = network.convolutions[-1].groups_out
    binds, share = ["LUMA", "CORRECTION"], "1.0"
    if network.restraint:
        binds.append("SHARE")
        share = "(restraint == 1 ? texelFetch(SHARE_raw, ivec2(0), 0).x : 1.0)"
    if small == 1:
        base, middle = Template(passes.BASE).substitute(scale=large), f"place / {large}"
        sides = [f"LUMA.{side} {large} *" for side in "wh"]
    else:
        base, size = passes.BASE_OF_PAIRS, "ivec2(LUMA_size)"
        middle = f"place * {size} / ((3 * {size} + {size} % 2) / 2)"
        sides = [f"LUMA.{side} 3 * LUMA.{side} 2 % + 2 /" for side in "wh"]
    head = _head(network, binds, "LUMA", "unfold", sides, (PLACES, PLACES))
    body = Template(passes.UNFOLD).substitute(
        shuffle=network.shuffle,
        tile=_tile(groups),
        columns=grid(groups)[0],
        base=base,
        share=share,
        middle=middle,
        before="base" if network.scale == 1 else f"luma_at((vec2(place) + 0.5) / {network.scale:.1f})",
    )
    return head + passes.LUMA + body
