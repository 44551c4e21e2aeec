"""What the networks of the course share: they work on a folded picture, and unfold a sharper one.

All predict a *correction* to their input in front of the PixelShuffle. The correction is added there, where
the picture is small: a full-size addition would cost a pass over 25 MB per 1080p frame.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdsharp.errors import KdsharpError
from kdsharp.recipes import enlarged
from kdsharp.student.colour import CHANNELS
from kdsharp.student.layers import Restraint


class FoldedNetwork(nn.Module):
    """Fold the input, add a correction to it there, and unfold.

    Args:
        scale: 1 sharpens (same size), above it upscales: by a whole number, or by 1.5 where `unshuffle` is even.
        unshuffle: the input is folded to 1/unshuffle of its width and height and unshuffle^2 times the channels,
            which widens the receptive field and cuts the cost per pixel. Sizes are padded to a multiple of it.
        colour: `rgb` (3 planes in and out) or `luma` (1 plane in and out).

    Input (N, C, H, W) in [0, 1] of any H and W; output (N, C, scale H, scale W), not clipped, of sides that
    `recipes.enlarged` tells where scale H is not whole. `correction` takes the folded input, `folded_planes`, to
    `unfolded_planes`, and `last` is its last layer, whose input are the features that feature distillation looks at.
    `restraint` may hold the correction back (`layers.Restraint`).
    Raises KdsharpError for another colour, or a fold that gives no whole pixels.
    """

    last: nn.Conv2d
    restraint: Restraint | None

    def __init__(self, scale: float, unshuffle: int, colour: str) -> None:
        super().__init__()
        if colour not in CHANNELS:
            raise KdsharpError(f"A network's colour is 'rgb' or 'luma', not '{colour}'.")
        if scale * unshuffle % 1:
            raise KdsharpError(f"A fold by {unshuffle} enlarged by {scale} gives no whole pixels: fold by 2.")
        self.scale, self.unshuffle, self.colour, self.restraint = scale, unshuffle, colour, None
        self.multiple, self.shuffle = unshuffle, int(scale * unshuffle)
        self.folded_planes = CHANNELS[colour] * unshuffle**2
        self.unfolded_planes = CHANNELS[colour] * self.shuffle**2

    def correction(self, folded: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        padded, (height, width) = _pad_to_multiple(x, self.multiple)
        return self.forward_multiple(padded)[
            ..., : enlarged(height, self.scale), : enlarged(width, self.scale)
        ]

    def forward_multiple(self, x: Tensor) -> Tensor:
        """`forward` for an H and W that are multiples of `multiple`: nothing to pad, nothing to crop."""
        folded = F.pixel_unshuffle(x, self.unshuffle)
        correction = self.correction(folded)
        if self.restraint:
            correction = self.restraint(correction, folded)
        return self._unfolded(folded, correction)

    def restrained_and_free(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`forward_multiple` with and without restraint, by one pass."""
        folded = F.pixel_unshuffle(x, self.unshuffle)
        free = self.correction(folded)
        return self._unfolded(folded, self.restraint(free, folded)), self._unfolded(folded, free)

    def _unfolded(self, folded: Tensor, correction: Tensor) -> Tensor:
        corrected = correction + _enlarge_folded(folded, self.unshuffle, self.scale)
        return F.pixel_shuffle(corrected, self.shuffle)


def _pad_to_multiple(x: Tensor, multiple: int) -> tuple[Tensor, tuple[int, int]]:
    """`x` with its last rows and columns repeated up to a multiple, and its size before."""
    height, width = x.shape[-2:]
    right, bottom = -width % multiple, -height % multiple
    if right or bottom:
        x = F.pad(x, (0, right, 0, bottom), mode="replicate")
    return x, (height, width)


def _enlarge_folded(folded: Tensor, unshuffle: int, scale: float) -> Tensor:
    """Channels that one PixelShuffle by unshuffle * scale turns into a plain enlargement of the picture.

    That is the nearest neighbour's for a whole scale. For 1.5, each pair of pixels becomes three: the first, the mean
    of both, and the second, which is linear interpolation that looks at no other pair.
    """
    if scale == 1:
        return folded
    phases = folded.unflatten(1, (-1, unshuffle, unshuffle))
    if scale == 1.5:
        return _three_of_two(_three_of_two(phases, dim=2), dim=3).flatten(1, 3)
    return phases.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3).flatten(1, 3)


def _three_of_two(phases: Tensor, dim: int) -> Tensor:
    pairs = phases.unflatten(dim, (-1, 2))
    first, second = pairs.unbind(dim + 1)
    return torch.stack([first, (first + second) / 2, second], dim + 1).flatten(dim, dim + 1)
