"""What a shader costs: counted from the network, for a picture that comes out at 1920x1080."""

from dataclasses import dataclass

from kdsharp.deploy.restraint import EVERY
from kdsharp.deploy.shaders.plain import PLACES, Plain
from kdsharp.recipes import shrunk

SHARED = (
    PLACES + 2
) ** 2 / PLACES**2  # of a convolution's inputs are read a place: the rim is shared by neighbours


@dataclass(frozen=True)
class Cost:
    """Of one frame: `passes` one after the other, `reads` and `writes` of texels (up to four numbers each), and
    `multiply_adds` of the convolutions. `reads` are without those of the clamp, nine for each pixel that comes out.
    """

    passes: int
    reads: int
    writes: int
    multiply_adds: int


def cost(network: Plain, height: int = 1080, width: int = 1920) -> Cost:
    """What a frame of (height, width) pixels that comes out costs."""
    sides = [shrunk(side, network.scale) for side in (height, width)]
    places = -(-sides[0] // network.fold) * -(-sides[1] // network.fold)
    layers, planes = network.convolutions, network.fold**2
    shared = SHARED * sum(layer.groups_in for layer in layers)
    around_a_pixel = 2 if network.scale != 1.5 else 5  # the correction, and the input that it is added to
    reads = places * (planes + shared) + height * width * around_a_pixel
    writes = places * (layers[0].groups_in + sum(layer.groups_out for layer in layers)) + height * width
    if network.restraint:  # measured on every fourth row, and looked up by every pixel
        reads += places / EVERY * (1 + layers[-1].groups_out) + height * width
    weights = sum(layer.weight.size for layer in layers)
    passes = len(layers) + (4 if network.restraint else 2)
    return Cost(passes, round(reads), writes, places * weights)


def sentence(network: Plain) -> str:
    """The cost as a line of a shader's header."""
    found = cost(network)
    return (
        f"{found.passes} passes; for a 1080p frame {found.multiply_adds / 1e9:.1f} G multiply-adds, "
        f"{found.reads / 1e6:.0f} M reads and {found.writes / 1e6:.0f} M writes of a texel"
    )
