"""Published networks of others, at their published sizes and with random weights: rivals for the stopwatch only.

What a network of this kind costs does not depend on what it has learnt, so their speed can be measured beside ours
although their weights are not here; their quality is quoted from the papers.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from kdsharp.errors import KdsharpError


class Rival(nn.Module):
    """A network of others behind the face of ours: planes (N, C, H, W) of its colour to (N, C, scale H, scale W)."""

    multiple = 1

    def __init__(self, network: nn.Module, scale: int, colour: str) -> None:
        super().__init__()
        self.network, self.scale, self.colour = network, scale, colour

    def forward(self, planes: Tensor) -> Tensor:
        return self.network(planes)

    forward_multiple = forward


def fsrcnn(scale: int) -> Rival:
    """FSRCNN(56, 12, 4) of Dong et al. 2016, on luma."""
    layers: list[nn.Module] = [
        nn.Conv2d(1, 56, 5, padding=2),
        nn.PReLU(56),
        nn.Conv2d(56, 12, 1),
        nn.PReLU(12),
    ]
    for _ in range(4):
        layers += [nn.Conv2d(12, 12, 3, padding=1), nn.PReLU(12)]
    enlarge = nn.ConvTranspose2d(56, 1, 9, stride=scale, padding=4, output_padding=scale - 1)
    return Rival(nn.Sequential(*layers, nn.Conv2d(12, 56, 1), nn.PReLU(56), enlarge), scale, "luma")


def espcn(scale: int) -> Rival:
    """ESPCN of Shi et al. 2016 (64 and 32 channels, tanh), on luma."""
    first, second = nn.Conv2d(1, 64, 5, padding=2), nn.Conv2d(64, 32, 3, padding=1)
    last = nn.Conv2d(32, scale**2, 3, padding=1)
    layers = (first, nn.Tanh(), second, nn.Tanh(), last, nn.PixelShuffle(scale))
    return Rival(nn.Sequential(*layers), scale, "luma")


def compact(convolutions: int) -> Rival:
    """Real-ESRGAN's small networks (x4, RGB, 64 channels): so many convolutions between the first and the last."""
    from spandrel.architectures.Compact import Compact  # takes seconds, and only these two need it

    return Rival(Compact(num_feat=64, num_conv=convolutions, upscale=4), 4, "rgb")


def rrdb(blocks: int) -> Rival:
    """Real-ESRGAN's large networks (x4, RGB, 64 channels): so many residual-in-residual dense blocks."""
    from spandrel.architectures.ESRGAN import ESRGAN

    return Rival(ESRGAN(num_filters=64, num_blocks=blocks, scale=4), 4, "rgb")


_MAKERS: dict[str, Callable[[], Rival]] = {
    "FSRCNN x2": partial(fsrcnn, 2),
    "FSRCNN x4": partial(fsrcnn, 4),
    "ESPCN x2": partial(espcn, 2),
    "ESPCN x4": partial(espcn, 4),
    "realesr-animevideov3": partial(compact, 16),
    "realesr-general-x4v3": partial(compact, 32),
    "RealESRGAN_x4plus_anime_6B": partial(rrdb, 6),
}
RIVALS = tuple(_MAKERS)


def build(name: str) -> Rival:
    """A rival by name, untrained, in evaluation mode. Raises KdsharpError for an unknown name."""
    if name not in _MAKERS:
        raise KdsharpError(f"There is no rival '{name}'; choose one of {', '.join(RIVALS)}.")
    return _MAKERS[name]().eval().requires_grad_(False)
