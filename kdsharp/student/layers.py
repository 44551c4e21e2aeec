"""The layers that the networks are put together from."""

import torch
from torch import Tensor, nn

_EVERY = 4  # of the folded rows are enough for a mean
_FLAT = 1e-4  # of the range: a picture without any step is corrected as it would be


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


class Restraint(nn.Module):
    """Leaves a picture alone that its network would hardly change, as one that was good already.

    Asked for nothing, a network still corrects a little here and there, and a good picture is the worse for it. How
    much it would change tells the two apart: the correction's mean size, as a share of the mean step from one pixel to
    the next in its row. Up to two thirds of `full` the correction is left out, from `full` on it is all there.

    Takes the correction and the folded picture, (N, planes, h, w), and gives the correction. While it learns, a network
    sees patches, of which the share says little: there is no restraint then.
    """

    def __init__(self, full: float) -> None:
        super().__init__()
        self.full = full

    def forward(self, correction: Tensor, folded: Tensor) -> Tensor:
        if self.training:
            return correction
        rows = folded[:, :2, ::_EVERY]  # the first two planes are neighbours in a row
        step = (rows[:, 1:] - rows[:, :1]).abs().mean(dim=(1, 2, 3), keepdim=True)
        change = correction[:, :, ::_EVERY].abs().mean(dim=(1, 2, 3), keepdim=True)
        return correction * (3 * change / (step + _FLAT) / self.full - 2).clamp(0, 1)


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
