"""The networks of the course: PixelShuffle students, and the residual network that teaches where none is at hand.

Both predict a *correction* to their input in front of the PixelShuffle. The correction is added there, where
the picture is small: a full-size addition would cost a pass over 25 MB per 1080p frame.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdsharp.errors import KdsharpError
from kdsharp.recipes import Network

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
    rest is `FoldedNetwork`'s.
    """

    def __init__(
        self, scale: int = 1, unshuffle: int = 4, channels: int = 32, body: int = 3, colour: str = "rgb"
    ) -> None:
        super().__init__(scale, unshuffle, colour)
        layers: list[nn.Module] = [_conv(self.folded_planes, channels), nn.ReLU()]
        for _ in range(body):
            layers += [_conv(channels, channels), nn.ReLU()]
        self.layers = nn.Sequential(*layers, _conv(channels, self.folded_planes * scale**2, gain=0.1))

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
        self.head = _conv(self.folded_planes, channels)
        self.blocks = nn.ModuleList(
            nn.Sequential(_conv(channels, channels), nn.ReLU(), _conv(channels, channels, gain=0.1))
            for _ in range(blocks)
        )
        self.tail = _conv(channels, self.folded_planes * scale**2, gain=0.1)

    @property
    def last(self) -> nn.Conv2d:
        return self.tail

    def correction(self, folded: Tensor) -> Tensor:
        features = first = self.head(folded)
        for block in self.blocks:
            features = features + block(features)
        return self.tail(features + first)


LARGEST_OPTION = 1024
FAMILIES: dict[str, Callable[..., nn.Module]] = {"student": PixelShuffleStudent, "residual": ResidualNet}


def build(network: Network) -> nn.Module:
    """A freshly initialised network. Raises KdsharpError for an unknown family or option, or a size beyond reason."""
    if network.family not in FAMILIES:
        raise KdsharpError(f"There is no network '{network.family}'; choose one of {', '.join(FAMILIES)}.")
    if any(isinstance(value, int) and not 0 <= value <= LARGEST_OPTION for value in network.options.values()):
        raise KdsharpError(f"A network's sizes lie between 0 and {LARGEST_OPTION}: {network.options}.")
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


def _conv(inputs: int, outputs: int, gain: float = 1.0) -> nn.Conv2d:
    """A 3x3 convolution initialised for ReLU (He et al. 2015).

    PyTorch's default is smaller: with it, a small residual network of this kind can die to the identity.
    `gain` below 1 makes a branch start near zero, so that training starts from "change nothing".
    """
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    nn.init.zeros_(conv.bias)
    with torch.no_grad():
        conv.weight.mul_(gain)
    return conv


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
