"""The layers that the networks are put together from."""

import torch
from torch import Tensor, nn


def conv(inputs: int, outputs: int, gain: float = 1.0, dilation: int = 1) -> nn.Conv2d:
    """A 3x3 convolution initialised for ReLU (He et al. 2015).

    PyTorch's default is smaller: with it, a small residual network of this kind can die to the identity.
    `gain` below 1 makes a branch start near zero, so that training starts from "change nothing".
    """
    layer = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    with torch.no_grad():
        layer.weight.mul_(gain)
    return layer


def residual_blocks(channels: int, blocks: int) -> nn.Sequential:
    """`blocks` times two convolutions whose result is added to their input."""
    return nn.Sequential(
        *(
            Residual(conv(channels, channels), nn.ReLU(), conv(channels, channels, gain=0.1))
            for _ in range(blocks)
        )
    )


class Residual(nn.Module):
    """What its layers add to their input."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class ChannelAttention(nn.Module):
    """Weighs each channel by what the whole picture says of it (Hu et al. 2018; Zhang et al. 2018 in restoration)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(4, channels // 4)
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, inner, 1), nn.ReLU(), nn.Conv2d(inner, channels, 1),
            nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weigh(x)


class MultiScale(nn.Module):
    """One 3x3 convolution whose channels look at several distances: every part is dilated by one more than the last."""

    def __init__(self, channels: int, branches: int) -> None:
        super().__init__()
        widths = [len(range(number, channels, branches)) for number in range(branches)]
        self.branches = nn.ModuleList(
            conv(channels, width, dilation=number) for number, width in enumerate(widths, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)
