"""Published networks of others, at their published sizes and with random weights: rivals for the stopwatch only.

What a network of this kind costs does not depend on what it has learnt, so their speed can be measured beside ours
although their weights are not here; their quality is quoted from the papers.
"""

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


BASELINES: dict[str, type[nn.Module]] = {"FSRCNN": Fsrcnn, "ESPCN": Espcn}


def build(name: str, scale: int) -> nn.Module:
    """A rival by name, untrained, in evaluation mode. Raises KdsharpError for an unknown name."""
    if name not in BASELINES:
        raise KdsharpError(f"There is no baseline '{name}'; choose one of {', '.join(BASELINES)}.")
    return BASELINES[name](scale).eval().requires_grad_(False)
