"""Residual networks, which go on to teach."""

from torch import Tensor, nn

from kdsharp.student.folded import FoldedNetwork
from kdsharp.student.layers import conv
from kdsharp.student.registry import register


class ResidualNet(FoldedNetwork):
    """A residual network without batch normalisation, after EDSR (Lim et al. 2017): for teachers and ceilings.

    `channels` is its width, and each of `blocks` has two convolutions; the rest is `FoldedNetwork`'s.
    """

    def __init__(
        self, scale: float = 4, channels: int = 48, blocks: int = 10, unshuffle: int = 1, colour: str = "rgb"
    ) -> None:
        super().__init__(scale, unshuffle, colour)
        self.head = conv(self.folded_planes, channels)
        self.blocks = nn.ModuleList(
            nn.Sequential(conv(channels, channels), nn.ReLU(), conv(channels, channels, gain=0.1))
            for _ in range(blocks)
        )
        self.tail = conv(channels, self.unfolded_planes, gain=0.1)

    @property
    def last(self) -> nn.Conv2d:
        return self.tail

    def correction(self, folded: Tensor) -> Tensor:
        features = first = self.head(folded)
        for block in self.blocks:
            features = features + block(features)
        return self.tail(features + first)


register("residual", ResidualNet)
