"""Resizing as a degradation does it, and the levels that a file can hold."""

import torch
from torch import Tensor
from torch.nn import functional as F

from kdsharp.errors import KdsharpError
from kdsharp.recipes import shrunk, whole_steps

RESIZE_FILTERS = ("area", "bilinear", "bicubic")  # Real-ESRGAN draws one of these
SHRINKING = (*RESIZE_FILTERS, "box")


def resize(images: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """Resize to (height, width), antialiased when shrinking; `bicubic` has a = -0.5, as MATLAB's.

    The border is continued by its mirror image, as in MATLAB, so that the edges of the result do not darken.
    `box` is the mean over the area that a pixel covers, parts of pixels by their parts, as senders shrink (libyuv's
    box filter, OpenCV's INTER_AREA). `area` is PyTorch's: the same for whole factors; for others each pixel that is
    touched counts in full, which is softer.
    """
    if mode not in (*SHRINKING, "nearest"):
        raise KdsharpError(f"There is no resize filter '{mode}'; choose one of {', '.join(SHRINKING)}.")
    shrinks = size[0] <= images.shape[-2] and size[1] <= images.shape[-1]
    if mode == "nearest" or (mode == "area" and shrinks):
        return F.interpolate(images, size=size, mode=mode)
    if mode == "box" and shrinks:
        rows, columns = (
            _covered(old, new).to(images) for old, new in zip(images.shape[-2:], size, strict=True)
        )
        return rows @ (images @ columns.T)
    mode = (
        "bicubic" if mode == "bicubic" else "bilinear"
    )  # as in OpenCV: areas only make sense when shrinking
    return F.interpolate(images, size=size, mode=mode, antialias=True, align_corners=False)


def _covered(old: int, new: int) -> Tensor:
    """How much of each of `new` pixels each of `old` ones covers along an axis, (new, old), rows that sum to 1."""
    ends = torch.arange(new + 1, dtype=torch.float64)[:, None] * old / new
    pixels = torch.arange(old, dtype=torch.float64)
    overlap = torch.minimum(ends[1:], pixels + 1) - torch.maximum(ends[:-1], pixels)
    return overlap.clamp(min=0) * new / old


def shrunk_size(hr: Tensor, scale: float) -> tuple[int, int]:
    """(height, width) of pictures shrunk by `scale`. Raises KdsharpError if that gives no whole pixels."""
    height, width = hr.shape[-2:]
    large, _ = whole_steps(scale)
    if height % large or width % large:
        raise KdsharpError(
            f"An image of {width}x{height} cannot shrink by {scale}: crop it to a multiple of {large} first."
        )
    return shrunk(height, scale), shrunk(width, scale)


def to_256_levels(images: Tensor) -> Tensor:
    """Round to the 256 values that a file can hold."""
    return (images.clamp(0, 1) * 255).round() / 255
