"""Picture files through a student: whatever the file held besides its colours comes out again.

8 and 16 bits, grey, alpha, colour tags, texts and EXIF (with its orientation: pixels are not turned) are kept: see
`reading` and `writing`. A file appears whole or not at all.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path

import cv2
import numpy as np

from kdsharp.data.enlarging import enlarge
from kdsharp.data.reading import Extras, Picture, decode, read
from kdsharp.data.tiles import spans
from kdsharp.data.writing import FORMATS, check, encode, write
from kdsharp.deploy.sharpen import Sharpener, check_strength
from kdsharp.disk import files
from kdsharp.errors import KdsharpError, first_line
from kdsharp.recipes import enlarged

__all__ = ["FORMATS", "Extras", "Picture", "decode", "encode", "read", "write"]  # and what is defined here

TILE, CONTEXT = 2048, 128  # pixels; multiples of what networks fold by


def sharpen_file(
    source: Path, destination: Path, student: Sharpener, strength: float = 1.0, force: bool = False
) -> Path:
    """Sharpen one picture file into another, of the format that its name says.

    Raises KdsharpError if the file is no still picture, if the format cannot be written (or cannot hold 16 bits,
    transparency or the size), or if `destination` is there already and `force` is not given; it is never the source.
    """
    source, destination = Path(source), Path(destination)
    check_strength(strength)
    with named(source):
        files.check_output(source, destination, FORMATS, force)
        picture = read(source)
        check(picture, destination, student.scale)
        write(destination, sharpened(picture, student, strength))
    return destination


def sharpened(picture: Picture, student: Sharpener, strength: float = 1.0) -> Picture:
    """The picture with its colours sharpened (enlarged by the student's scale); `strength` 0 to 1 blends.

    Colours below full transparency are those of the nearest pixel that is seen, so that nothing hidden shapes an edge.
    Raises KdsharpError for another strength.
    """
    check_strength(strength)
    before = spread(picture)
    after = blended(before, _in_tiles(before, student), student.scale, strength)
    alpha = None if picture.alpha is None else enlarge(picture.alpha, student.scale)
    return replace(picture, colours=after, alpha=alpha)


def blended(before: np.ndarray, after: np.ndarray, scale: float, strength: float) -> np.ndarray:
    """A student's answer (scale H, scale W, 3) and the picture (H, W, 3) enlarged; of `strength` 1 the answer alone."""
    if strength == 1:
        return after
    return cv2.addWeighted(after, strength, enlarge(before, scale), 1 - strength, 0)


def spread(picture: Picture) -> np.ndarray:
    """The colours, where full transparency hides them replaced by those of the nearest pixel that is seen."""
    colours, alpha = picture.colours, picture.alpha
    hidden = None if alpha is None else (alpha == 0).astype(np.uint8)
    if hidden is None or not hidden.any() or hidden.all():
        return colours
    _, nearest = cv2.distanceTransformWithLabels(hidden, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    seen = np.zeros((nearest.max() + 1, 3), colours.dtype)
    seen[nearest[hidden == 0]] = colours[hidden == 0]
    return seen[nearest]


def _in_tiles(image: np.ndarray, student: Sharpener) -> np.ndarray:
    """The student over a picture of any size: each tile sees so much around it that no seam can be.

    One of a single value holds nothing to sharpen and stays: a network's own error (20 of 65535) would be all it shows.
    """
    larger = tuple(enlarged(side, student.scale) for side in image.shape[:2])
    if image.min() == image.max():
        return np.full((*larger, 3), image[0, 0])
    height, width = image.shape[:2]
    if max(height, width) <= TILE:
        return student.deep(image) if image.dtype == np.uint16 else student(image)
    scale, free = student.scale, student.unrestrained()
    run = free.deep if image.dtype == np.uint16 else free
    result = np.empty((*larger, 3), image.dtype)
    for rows, columns in product(*(spans(side, TILE, TILE, CONTEXT) for side in (height, width))):
        sharp = run(np.ascontiguousarray(image[rows.seen, columns.seen]))
        result[rows.place(scale), columns.place(scale)] = sharp[rows.kept(scale), columns.kept(scale)]
    return student.restrained(image, result)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong with a file into one sentence that names it, so that a batch goes on."""
    try:
        yield
    except KdsharpError as error:
        if path.name in str(error):
            raise
        raise KdsharpError(f"{path}: {error}") from error
    except MemoryError as error:
        raise KdsharpError(
            f"{path} needs more memory than there is: make it smaller, or give fewer jobs."
        ) from error
    except Exception as error:  # libraries raise anything
        raise KdsharpError(f"{path} could not be sharpened ({first_line(error)}).") from error
