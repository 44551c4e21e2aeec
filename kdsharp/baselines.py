"""Published networks of others, at their published sizes and with random weights: rivals for the stopwatch only.

What a network of this kind costs does not depend on what it has learnt, so their speed can be measured beside ours
although their weights are not here; their quality is quoted from the papers.
"""

from collections.abc import Callable

from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN
from torch import Tensor, nn

from kdsharp.errors import KdsharpError


class Fsrcnn(nn.Module):
    """FSRCNN(56, 12, 4) of Dong et al. 2016: luma (N, 1, H, W) to (N, 1, scale H, scale W)."""

    colour = "luma"
    multiple = 1

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        layers: list[nn.Module] = [
            nn.Conv2d(1, 56, 5, padding=2),
            nn.PReLU(56),
            nn.Conv2d(56, 12, 1),
            nn.PReLU(12),
        ]
        for _ in range(4):
            layers += [nn.Conv2d(12, 12, 3, padding=1), nn.PReLU(12)]
        layers += [nn.Conv2d(12, 56, 1), nn.PReLU(56)]
        enlarge = nn.ConvTranspose2d(56, 1, 9, stride=scale, padding=4, output_padding=scale - 1)
        self.layers = nn.Sequential(*layers, enlarge)

    def forward(self, luma: Tensor) -> Tensor:
        return self.layers(luma)

    forward_multiple = forward


class Espcn(nn.Module):
    """ESPCN of Shi et al. 2016 (64 and 32 channels, tanh): luma (N, 1, H, W) to (N, 1, scale H, scale W)."""

    colour = "luma"
    multiple = 1

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.layers = nn.Sequential(
            nn.Conv2d(1, 64, 5, padding=2),
            nn.Tanh(),
            nn.Conv2d(64, 32, 3, padding=1),
            nn.Tanh(),
            nn.Conv2d(32, scale**2, 3, padding=1),
            nn.PixelShuffle(scale),
        )

    def forward(self, luma: Tensor) -> Tensor:
        return self.layers(luma)

    forward_multiple = forward


def _anime_6b() -> nn.Module:
    """RealESRGAN_x4plus_anime_6B: six residual-in-residual dense blocks of 64 channels (Wang et al. 2021)."""
    return ESRGAN(num_filters=64, num_blocks=6, scale=4)


def _compact(convolutions: int) -> nn.Module:
    """realesr-general-x4v3 has 32 convolutions of 64 channels between its first and last, animevideov3 16."""
    return Compact(num_feat=64, num_conv=convolutions, upscale=4)


_RIVALS: dict[str, tuple[int, Callable[[], nn.Module]]] = {
    "FSRCNN x2": (2, lambda: Fsrcnn(2)),
    "FSRCNN x4": (4, lambda: Fsrcnn(4)),
    "ESPCN x2": (2, lambda: Espcn(2)),
    "ESPCN x4": (4, lambda: Espcn(4)),
    "realesr-animevideov3": (4, lambda: _compact(16)),
    "realesr-general-x4v3": (4, lambda: _compact(32)),
    "RealESRGAN_x4plus_anime_6B": (4, _anime_6b),
}
RIVALS = tuple(_RIVALS)


def build(name: str) -> nn.Module:
    """A rival by name, untrained, in evaluation mode; it has `scale`, `colour` and `multiple` as our students have.

    Raises KdsharpError for an unknown name.
    """
    if name not in _RIVALS:
        raise KdsharpError(f"There is no rival '{name}'; choose one of {', '.join(RIVALS)}.")
    scale, make = _RIVALS[name]
    network = make().eval().requires_grad_(False)
    if not hasattr(network, "forward_multiple"):
        network.scale, network.colour, network.multiple, network.forward_multiple = (
            scale,
            "rgb",
            1,
            network.forward,
        )
    return network
