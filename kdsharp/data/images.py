"""Pictures as arrays and tensors: from files, into files, and cut to size.

Images are `uint8` RGB arrays (H, W, 3), whatever the file held; tensors are float32 (1, 3, H, W) in [0, 1].
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from kdsharp.data import reading
from kdsharp.disk import files
from kdsharp.errors import KdsharpError

if TYPE_CHECKING:
    from torch import Tensor


def read_image(path: Path) -> np.ndarray:
    """Any picture file as `uint8` RGB (H, W, 3), turned upright; transparency is laid over white.

    Raises KdsharpError naming the file if it is missing, damaged, or no picture.
    """
    return _flat(reading.read(path))


def decode_image(content: bytes, name: str = "the picture") -> np.ndarray:
    """A picture file's bytes as `read_image` gives them; `name` is what a message calls it."""
    return _flat(reading.decode(content, name))


def write_image(path: Path, image: np.ndarray, compression: int = 6) -> Path:
    """Write `uint8` RGB as PNG or JPEG (quality 95) by the suffix; whole or not at all.

    `compression` is that of PNG: 1 takes a third of the time of 6, and a little more room.
    """
    path = Path(path)
    formats = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
    if path.suffix.lower() not in formats:
        raise KdsharpError(f"Cannot write {path.name}: give the picture a name that ends in .png or .jpg.")
    encoded = BytesIO()
    Image.fromarray(image).save(encoded, formats[path.suffix.lower()], quality=95, compress_level=compression)
    with files.atomic_write(path) as handle:
        handle.write(encoded.getvalue())
    return path


def to_tensor(image: np.ndarray) -> Tensor:
    """`uint8` (H, W, 3) to float32 (1, 3, H, W) in [0, 1]."""
    import torch  # here, so that reading and writing pictures does not wait for it

    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


def to_image(tensor: Tensor) -> np.ndarray:
    """float (1, 3, H, W) or (3, H, W) in [0, 1] to `uint8` (H, W, 3), rounded and clipped."""
    planes = tensor[0] if tensor.ndim == 4 else tensor
    return (planes.detach().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()


def crop_to_multiple(image: np.ndarray, multiple: int) -> np.ndarray:
    """The image without the last rows and columns that do not fill a multiple."""
    height, width = (side - side % multiple for side in image.shape[:2])
    return image[:height, :width]


def centre(image: np.ndarray, side: int) -> np.ndarray:
    """The middle `side` pixels of a picture (H, W, C), or all of it where it is smaller."""
    height, width = image.shape[:2]
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return image[top : top + side, left : left + side]


def _flat(picture: reading.Picture) -> np.ndarray:
    image = reading.to_8_bits(picture.colours)
    if picture.alpha is not None:
        shown = Image.fromarray(np.dstack([image, reading.to_8_bits(picture.alpha)]))
        image = np.array(Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("RGB"))
    return reading.upright(image, picture.extras.exif)
