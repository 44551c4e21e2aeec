"""Resizing as a degradation does it, and the levels that a file can hold."""

from torch import Tensor
from torch.nn import functional as F

from kdsharp.errors import KdsharpError
from kdsharp.recipes import shrunk, whole_steps

RESIZE_FILTERS = ("area", "bilinear", "bicubic")


def resize(images: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """Resize to (height, width), antialiased when shrinking; `bicubic` has a = -0.5, as MATLAB's.

    The border is continued by its mirror image, as in MATLAB, so that the edges of the result do not darken.
    """
    if mode not in (*RESIZE_FILTERS, "nearest"):
        raise KdsharpError(f"There is no resize filter '{mode}'; choose one of {', '.join(RESIZE_FILTERS)}.")
    if mode in ("area", "nearest"):
        shrinks = size[0] <= images.shape[-2] and size[1] <= images.shape[-1]
        if mode == "nearest" or shrinks:
            return F.interpolate(images, size=size, mode=mode)
        mode = "bilinear"  # as in OpenCV: the area filter only makes sense when shrinking
    return F.interpolate(images, size=size, mode=mode, antialias=True, align_corners=False)


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
