"""Folders of photographs, and of pairs: the same photograph sharp and damaged."""

import logging
from pathlib import Path

import numpy as np
from PIL import Image

from kdsharp.data import reading
from kdsharp.data.images import read_image
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Degradation, Pairs

log = logging.getLogger(__name__)

SHARP, BLURRED = "sharp_Image", "blur_Image"
SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".avif")


def list_photos(folder: Path, min_size: int = 64) -> list[Path]:
    """The pictures under a folder, sorted; damaged ones and those under `min_size` pixels are named and skipped.

    Raises KdsharpError if the folder is missing or holds no usable picture.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise KdsharpError(f"There is no folder {folder}: check the path.")
    usable = []
    for path in reading.visible(folder, SUFFIXES):
        try:
            with Image.open(path) as opened:
                width, height = opened.size
                opened.verify()
        except Exception:  # decoders raise anything at strange files
            log.warning("skipped %s: it is damaged or not a picture", path)
            continue
        if min(width, height) < min_size:
            log.warning("skipped %s: %dx%d is smaller than %d pixels", path, width, height, min_size)
        else:
            usable.append(path)
    if not usable:
        raise KdsharpError(
            f"{folder} holds no usable picture of at least {min_size} pixels ({', '.join(SUFFIXES)})."
        )
    return usable


def list_pairs(folder: Path, min_size: int = 64) -> list[Path]:
    """The sharp photographs of a folder of pairs: `sharp_Image/` and `blur_Image/`, files of the same names.

    Photographs without a partner are named and skipped. Raises KdsharpError if a folder is missing or no pair is left.
    """
    folder = Path(folder)
    for name in (SHARP, BLURRED):
        if not (folder / name).is_dir():
            raise KdsharpError(f"{folder} holds no folder {name}: pairs lie in {SHARP}/ and {BLURRED}/.")
    sharp, blurred = (list_photos(folder / name, min_size) for name in (SHARP, BLURRED))
    names = [{str(path.relative_to(folder / part)) for path in found}
             for part, found in ((SHARP, sharp), (BLURRED, blurred))]  # fmt: skip
    for name in sorted(names[0] ^ names[1]):
        where, other = (SHARP, BLURRED) if name in names[0] else (BLURRED, SHARP)
        log.warning("skipped %s/%s: it has no partner in %s", where, name, other)
    pairs = [path for path in sharp if str(path.relative_to(folder / SHARP)) in names[1]]
    if not pairs:
        raise KdsharpError(
            f"{folder} holds no pair: give {SHARP}/ and {BLURRED}/ pictures of the same names."
        )
    return pairs


def is_paired(folder: Path) -> bool:
    """Whether a folder is laid out as pairs."""
    return (Path(folder) / SHARP).is_dir()


def partner(path: Path) -> Path:
    """The file of the same name in `blur_Image/`. Raises KdsharpError for a file that is in no `sharp_Image/`."""
    parts = list(Path(path).parts)
    if SHARP not in parts:
        raise KdsharpError(f"{path} is not in a folder {SHARP}: it has no partner in {BLURRED}.")
    place = len(parts) - 1 - parts[::-1].index(SHARP)
    return Path(*parts[:place], BLURRED, *parts[place + 1 :])


def read_for(path: Path, degradation: Degradation) -> np.ndarray:
    """What `degrade` needs of a photograph: RGB (H, W, 3); for `Pairs`, with its partner's RGB behind it (H, W, 6).

    Raises KdsharpError as `read_image` does, or if the partner has another size.
    """
    if not isinstance(degradation, Pairs):
        return read_image(path)
    other = partner(path)
    sharp, received = read_image(path), read_image(other)
    if sharp.shape != received.shape:
        raise KdsharpError(f"{path} and {other} differ in size: a pair shows the same picture twice.")
    return np.concatenate([sharp, received], axis=2)
