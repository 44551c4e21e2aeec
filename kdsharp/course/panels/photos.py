"""The photographs that panels look at: a reader's own, and the part of one that is shown."""

import numpy as np
from PIL import Image

from kdsharp import data
from kdsharp.errors import KdsharpError

LONGEST = 1920  # pixels, of a call's frame: of a camera's 12 megapixels a part would show nothing
SMALLEST = 32  # pixels; SSIM's window has 11


def own_photo(name: str, content: bytes) -> np.ndarray:
    """A file's bytes as `uint8` RGB (H, W, 3), upright, shrunk to a call's frame where it is larger.

    Raises KdsharpError, one sentence that calls it by `name`, if it is no picture, or a tiny one.
    """
    image = data.decode_image(content, name)
    if min(image.shape[:2]) < SMALLEST:
        height, width = image.shape[:2]
        raise KdsharpError(
            f"{name} has {width}x{height} pixels: give a photograph of at least {SMALLEST}x{SMALLEST}."
        )
    fitted = Image.fromarray(image)
    fitted.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return np.array(fitted)


def part(image: np.ndarray, side: int, down: int, across: int) -> np.ndarray:
    """The square of `side` pixels (or what there is) that lies `down` and `across` percent of the way."""
    places = zip((down, across), image.shape[:2], strict=True)
    top, left = (max(0, edge - side) * percent // 100 for percent, edge in places)
    return image[top : top + side, left : left + side]
