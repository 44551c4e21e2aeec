"""The networks of the course: PixelShuffle students, and the residual network that teaches where none is at hand.

Both predict a *correction* to their input in front of the PixelShuffle. The correction is added there, where
the picture is small: a full-size addition would cost a pass over 25 MB per 1080p frame.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdsharp.errors import KdsharpError
from kdsharp.recipes import Network
from kdsharp.student.layers import ChannelAttention, MultiScale, conv, residual_blocks

CHANNELS = {"rgb": 3, "luma": 1}
# Full-range BT.601, the luma that the luma students work on (JFIF's, not the studio range of the PSNR tables).
LUMA = (0.299, 0.587, 0.114)


class FoldedNetwork(nn.Module):
    """What both networks share: fold the input, add a correction to it there, and unfold.

    Args:
        scale: 1 sharpens (same size), 2 or 4 upscales.
        unshuffle: the input is folded to 1/unshuffle of its width and height and unshuffle^2 times the channels,
            which widens the receptive field and cuts the cost per pixel. Sizes are padded to a multiple of it.
        colour: `rgb` (3 planes in and out) or `luma` (1 plane in and out).

    Input (N, C, H, W) in [0, 1] of any H and W; output (N, C, scale H, scale W), not clipped. `correction` takes the
    folded input to `folded_planes` times scale^2 channels, and `last` is its last layer, whose input are the
    features that feature distillation looks at. Raises KdsharpError for another colour.
    """

    last: nn.Conv2d

    def __init__(self, scale: int, unshuffle: int, colour: str) -> None:
        super().__init__()
        if colour not in CHANNELS:
            raise KdsharpError(f"A network's colour is 'rgb' or 'luma', not '{colour}'.")
        self.scale, self.unshuffle, self.colour = scale, unshuffle, colour
        self.multiple = unshuffle
        self.folded_planes = CHANNELS[colour] * unshuffle**2

    def correction(self, folded: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        padded, (height, width) = _pad_to_multiple(x, self.multiple)
        return self.forward_multiple(padded)[..., : height * self.scale, : width * self.scale]

    def forward_multiple(self, x: Tensor) -> Tensor:
        """`forward` for an H and W that are multiples of `multiple`: nothing to pad, nothing to crop."""
        folded = F.pixel_unshuffle(x, self.unshuffle)
        corrected = self.correction(folded) + _repeat_folded(folded, self.unshuffle, self.scale)
        return F.pixel_shuffle(corrected, self.unshuffle * self.scale)


class PixelShuffleStudent(FoldedNetwork):
    """A plain CNN around `unshuffle` (Shi et al. 2016, run backwards) and PixelShuffle (ESPCN, forwards).

    `channels` is the width of the body, and `body` the number of 3x3 convolutions between the first and the last; the
    rest is `FoldedNetwork`'s. With `branches` above 1 the first of the body is a `MultiScale` of as many;
    `attention` ends the body with `ChannelAttention`.
    """

    def __init__(
        self,
        scale: int = 1,
        unshuffle: int = 4,
        channels: int = 32,
        body: int = 3,
        colour: str = "rgb",
        attention: bool = False,
        branches: int = 1,
    ) -> None:
        super().__init__(scale, unshuffle, colour)
        layers: list[nn.Module] = [conv(self.folded_planes, channels), nn.ReLU()]
        for number in range(body):
            several = branches > 1 and number == 0
            layers += [MultiScale(channels, branches) if several else conv(channels, channels), nn.ReLU()]
        if attention:
            layers.append(ChannelAttention(channels))
        self.layers = nn.Sequential(*layers, conv(channels, self.folded_planes * scale**2, gain=0.1))

    @property
    def last(self) -> nn.Conv2d:
        return self.layers[-1]

    def correction(self, folded: Tensor) -> Tensor:
        return self.layers(folded)


class ResidualNet(FoldedNetwork):
    """A residual network without batch normalisation, after EDSR (Lim et al. 2017): for teachers and ceilings.

    `channels` is its width, and each of `blocks` has two convolutions; the rest is `FoldedNetwork`'s.
    """

    def __init__(
        self, scale: int = 4, channels: int = 48, blocks: int = 10, unshuffle: int = 1, colour: str = "rgb"
    ) -> None:
        super().__init__(scale, unshuffle, colour)
        self.head = conv(self.folded_planes, channels)
        self.blocks = nn.ModuleList(
            nn.Sequential(conv(channels, channels), nn.ReLU(), conv(channels, channels, gain=0.1))
            for _ in range(blocks)
        )
        self.tail = conv(channels, self.folded_planes * scale**2, gain=0.1)

    @property
    def last(self) -> nn.Conv2d:
        return self.tail

    def correction(self, folded: Tensor) -> Tensor:
        features = first = self.head(folded)
        for block in self.blocks:
            features = features + block(features)
        return self.tail(features + first)


class EncoderDecoder(FoldedNetwork):
    """Halve the picture `levels` - 1 times, double the channels each time, and come back (Ronneberger et al. 2015).

    Each level has `blocks` residual blocks on the way down and on the way up. With `skips` it is a residual U-Net: what
    each level saw on the way down is added on the way up. Without, a plain encoder and decoder.
    """

    def __init__(
        self,
        scale: int = 1,
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
        self.last = conv(channels, self.folded_planes * scale**2, gain=0.1)

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


FAMILIES: dict[str, Callable[..., nn.Module]] = {
    "student": PixelShuffleStudent,
    "residual": ResidualNet,
    "unet": EncoderDecoder,
    "encoder-decoder": partial(EncoderDecoder, skips=False),
}


def build(network: Network) -> nn.Module:
    """A freshly initialised network. Raises KdsharpError for options that do not go together (see `checks`)."""
    try:
        return FAMILIES[network.family](**network.options)
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        raise KdsharpError(f"The network '{network.family}' does not take these options: {error}.") from error


def to_luma(rgb: Tensor) -> Tensor:
    """Luma (N, 1, H, W) of RGB (N, 3, H, W), both in [0, 1]."""
    return (rgb * rgb.new_tensor(LUMA)[None, :, None, None]).sum(dim=1, keepdim=True)


def apply_to_rgb(network: nn.Module, rgb: Tensor) -> Tensor:
    """RGB (N, 3, H, W) in [0, 1] through a network; a luma student's correction is added to R, G and B alike.

    YCbCr is linear: with chroma untouched, a luma change of d adds exactly d to each of R, G and B. Where the network
    enlarges, chroma is enlarged by bicubic interpolation.
    """
    if network.colour == "rgb":
        return network(rgb).clamp(0, 1)
    luma = network(to_luma(rgb))
    if network.scale > 1:
        rgb = F.interpolate(rgb, scale_factor=network.scale, mode="bicubic")
    return (rgb + luma - to_luma(rgb)).clamp(0, 1)


def parameters(network: nn.Module) -> int:
    """Number of trainable values."""
    return sum(parameter.numel() for parameter in network.parameters())


def multiply_adds(network: nn.Module, height: int, width: int) -> int:
    """Multiply-adds of the convolutions for one input of (height, width) pixels."""
    total = 0

    def count(layer: nn.Conv2d, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += output[0, 0].numel() * layer.weight.numel()

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d)]
    first = next(network.parameters())
    planes = CHANNELS[getattr(network, "colour", "rgb")]
    try:
        with torch.no_grad():
            network(torch.zeros(1, planes, height, width, device=first.device, dtype=first.dtype))
    finally:
        for hook in hooks:
            hook.remove()
    return total


def _pad_to_multiple(x: Tensor, multiple: int) -> tuple[Tensor, tuple[int, int]]:
    """`x` with its last rows and columns repeated up to a multiple, and its size before."""
    height, width = x.shape[-2:]
    right, bottom = -width % multiple, -height % multiple
    if right or bottom:
        x = F.pad(x, (0, right, 0, bottom), mode="replicate")
    return x, (height, width)


def _repeat_folded(folded: Tensor, unshuffle: int, scale: int) -> Tensor:
    """Channels that one PixelShuffle by unshuffle * scale turns into the nearest-neighbour enlargement."""
    if scale == 1:
        return folded
    phases = folded.unflatten(1, (-1, unshuffle, unshuffle))
    return phases.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3).flatten(1, 3)
