"""The plain students: convolutions between a PixelUnshuffle and a PixelShuffle."""

from torch import Tensor, nn

from kdsharp.errors import KdsharpError
from kdsharp.student.folded import FoldedNetwork
from kdsharp.student.layers import ChannelAttention, MultiScale, Restraint, conv
from kdsharp.student.registry import register


class PixelShuffleStudent(FoldedNetwork):
    """A plain CNN around `unshuffle` (Shi et al. 2016, run backwards) and PixelShuffle (ESPCN, forwards).

    `channels` is the width of the body, and `body` the number of 3x3 convolutions between the first and the last; the
    rest is `FoldedNetwork`'s. With `branches` above 1 the first of the body is a `MultiScale` of as many;
    `attention` ends the body with `ChannelAttention`. A `restraint` above 0 is the share from which on `Restraint` lets
    all of the correction pass; it raises KdsharpError where it enlarges, or without an `unshuffle` of 2 or more.
    """

    def __init__(
        self,
        scale: float = 1,
        unshuffle: int = 4,
        channels: int = 32,
        body: int = 3,
        colour: str = "rgb",
        attention: bool = False,
        branches: int = 1,
        restraint: float = 0.0,
    ) -> None:
        super().__init__(scale, unshuffle, colour)
        if restraint and unshuffle < 2:
            raise KdsharpError("Restraint looks at neighbours in the folded picture: fold by 2 or more.")
        if restraint and scale != 1:
            raise KdsharpError(
                "Restraint leaves a picture as it is, which one that is enlarged cannot be: drop it."
            )
        if restraint:
            self.restraint = Restraint(restraint)
        layers: list[nn.Module] = [conv(self.folded_planes, channels), nn.ReLU()]
        for number in range(body):
            several = branches > 1 and number == 0
            layers += [MultiScale(channels, branches) if several else conv(channels, channels), nn.ReLU()]
        if attention:
            layers.append(ChannelAttention(channels))
        self.layers = nn.Sequential(*layers, conv(channels, self.unfolded_planes, gain=0.1))

    @property
    def last(self) -> nn.Conv2d:
        return self.layers[-1]

    def correction(self, folded: Tensor) -> Tensor:
        return self.layers(folded)


register("student", PixelShuffleStudent)
