"""Encoders and decoders, with what they saw on the way down or without."""

from functools import partial

from torch import Tensor, nn

from kdsharp.student.folded import FoldedNetwork
from kdsharp.student.layers import conv, residual_blocks
from kdsharp.student.registry import register


class EncoderDecoder(FoldedNetwork):
    """Halve the picture `levels` - 1 times, double the channels each time, and come back (Ronneberger et al. 2015).

    Each level has `blocks` residual blocks on the way down and on the way up. With `skips` it is a residual U-Net: what
    each level saw on the way down is added on the way up. Without, a plain encoder and decoder.
    """

    def __init__(
        self,
        scale: float = 1,
        channels: int = 24,
        levels: int = 3,
        blocks: int = 1,
        skips: bool = True,
        unshuffle: int = 1,
        colour: str = "rgb",
    ) -> None:
        super().__init__(scale, unshuffle, colour)
        self.multiple, self.skips = unshuffle * 2 ** (levels - 1), skips
        widths = [channels * 2**level for level in range(levels)]
        self.head = conv(self.folded_planes, channels)
        self.encoders = nn.ModuleList(residual_blocks(width, blocks) for width in widths)
        self.decoders = nn.ModuleList(residual_blocks(width, blocks) for width in widths[:-1])
        self.downs = nn.ModuleList(nn.Conv2d(width, 2 * width, 2, stride=2) for width in widths[:-1])
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(2 * width, 4 * width, 1), nn.PixelShuffle(2)) for width in widths[:-1]
        )
        self.last = conv(channels, self.unfolded_planes, gain=0.1)

    def correction(self, folded: Tensor) -> Tensor:
        features, seen = self.head(folded), []
        for encode, down in zip(self.encoders, self.downs, strict=False):
            features = encode(features)
            seen.append(features)
            features = down(features)
        features = self.encoders[-1](features)
        for decode, up, earlier in reversed(list(zip(self.decoders, self.ups, seen, strict=True))):
            features = up(features)
            features = decode(features + earlier if self.skips else features)
        return self.last(features)


register("unet", EncoderDecoder)
register("encoder-decoder", partial(EncoderDecoder, skips=False))
