"""Picture files through a student: whatever the file held besides its colours comes out again.

8 and 16 bits, grey, alpha, the ICC profile and EXIF (with its orientation: pixels are not turned) are kept. A file
appears whole or not at all.
"""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from tqdm.auto import tqdm

from kdsharp import data, files
from kdsharp.errors import KdsharpError
from kdsharp.sharpen import Sharpener, check_strength

log = logging.getLogger(__name__)

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}
TILE, CONTEXT = 2048, 128  # pixels; multiples of what networks fold by
_16_BIT = (".png", ".tif", ".tiff")


@dataclass(frozen=True)
class Picture:
    """What a file holds: `colours` RGB (H, W, 3), `uint8` or `uint16`; `alpha` (H, W) of the same type, or None.

    `grey` says that the file has one plane, shown three times; `extras` are what Pillow writes beside the pixels.
    """

    colours: np.ndarray
    alpha: np.ndarray | None = None
    grey: bool = False
    extras: dict = field(default_factory=dict)


def sharpen_file(
    source: Path, destination: Path, student: Sharpener, strength: float = 1.0, force: bool = False
) -> Path:
    """Sharpen one picture file into another, of the format that its name says.

    Raises KdsharpError if the file is no still picture, the format cannot be written (or cannot hold 16 bits), or
    `destination` is there already and `force` is not given; it is never the source.
    """
    source, destination = Path(source), Path(destination)
    files.check_output(source, destination, FORMATS, force)
    write(destination, sharpened(read(source), student, strength))
    return destination


def sharpen_folder(
    source: Path,
    destination: Path,
    student: Sharpener,
    strength: float = 1.0,
    force: bool = False,
    jobs: int = 2,
) -> list[str]:
    """Sharpen every picture under a folder into another with the same names; what is there already is skipped.

    While one picture goes through the network, `jobs` others are decoded and encoded. Returns what went wrong, one
    sentence for each picture. Raises KdsharpError if there is no picture, or if `destination` lies inside `source`.
    """
    source, destination = Path(source), Path(destination)
    if destination.resolve().is_relative_to(source.resolve()):
        raise KdsharpError(f"{destination} lies inside {source}: choose a folder outside it.")
    found = sorted(
        path for path in source.rglob("*") if path.suffix.lower() in data.SUFFIXES and path.is_file()
    )
    if not found:
        raise KdsharpError(f"{source} holds no picture ({', '.join(data.SUFFIXES)}).")
    outputs = {path: _output(path, source, destination) for path in found}
    todo = [path for path in found if force or not outputs[path].exists()]
    if len(todo) < len(found):
        log.info("%d of %d pictures are there already", len(found) - len(todo), len(found))
    one_at_a_time = threading.Lock()  # the network has all cores to itself

    def work(path: Path) -> str | None:
        try:
            picture = read(path)
            with one_at_a_time:
                result = sharpened(picture, student, strength)
            write(outputs[path], result)
        except KdsharpError as error:
            return str(error)
        return None

    problems = []
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        for problem in tqdm(pool.map(work, todo), total=len(todo), unit="picture"):
            if problem:
                problems.append(problem)
                log.warning("%s", problem)
    return problems


def sharpened(picture: Picture, student: Sharpener, strength: float = 1.0) -> Picture:
    """The picture with its colours sharpened (enlarged by the student's scale); `strength` 0 to 1 blends.

    Raises KdsharpError for another strength.
    """
    check_strength(strength)
    before = picture.colours
    after = _in_tiles(before, student)
    height, width = after.shape[:2]
    if strength < 1:
        if student.scale > 1:
            before = cv2.resize(before, (width, height), interpolation=cv2.INTER_CUBIC)
        after = cv2.addWeighted(after, strength, before, 1 - strength, 0)
    alpha = picture.alpha
    if alpha is not None and student.scale > 1:
        alpha = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_CUBIC)
    return Picture(after, alpha, picture.grey, picture.extras)


def read(path: Path) -> Picture:
    """All that a still picture's file holds. Raises KdsharpError if it is missing, and as `decode` does."""
    try:
        return decode(Path(path).read_bytes(), str(path))
    except OSError as error:
        raise KdsharpError(f"{path} cannot be read ({error.strerror}): check the name.") from error


def decode(content: bytes, name: str = "the picture") -> Picture:
    """All that a still picture's bytes hold. Raises KdsharpError if they are damaged, no picture, or several."""
    try:
        with Image.open(BytesIO(content)) as opened:
            if getattr(opened, "n_frames", 1) > 1 and opened.format != "MPO":
                raise KdsharpError(f"{name} holds several pictures: give a still.")
            extras = {key: opened.info[key] for key in ("icc_profile", "exif") if opened.info.get(key)}
            if opened.mode == "CMYK":
                extras.pop("icc_profile", None)  # it describes inks, and what is written is RGB
            if _has_16_bits(content, opened):
                return _decode_16(content, name, extras)
            if opened.format == "TIFF":
                extras["exif"] = _described(opened)
            grey = opened.mode in ("1", "L", "LA")
            if not opened.has_transparency_data:
                return Picture(np.array(opened.convert("RGB")), None, grey, extras)
            pixels = np.array(opened.convert("RGBA"))
            return Picture(np.ascontiguousarray(pixels[..., :3]), pixels[..., 3].copy(), grey, extras)
    except UnidentifiedImageError as error:
        raise KdsharpError(f"{name} is not a picture that can be read: convert it to PNG or JPEG.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise KdsharpError(f"{name} is damaged ({error}): fetch or export it again.") from error


def write(path: Path, picture: Picture) -> None:
    """Write a picture in the format that the name says; whole or not at all."""
    encoded = encode(picture, Path(path).suffix.lower(), Path(path).name)
    with files.atomic_write(path) as handle:
        handle.write(encoded)


def encode(picture: Picture, suffix: str, name: str = "the picture") -> bytes:
    """A picture as the bytes of a file that ends in `suffix`. Raises KdsharpError where that cannot hold it."""
    deep = picture.colours.dtype == np.uint16
    if deep and suffix not in _16_BIT:
        raise KdsharpError(f"{name} cannot hold 16 bits: give a name that ends in {', '.join(_16_BIT)}.")
    if picture.alpha is not None and FORMATS[suffix] == "JPEG":
        raise KdsharpError(f"{name} cannot hold transparency: give a name that ends in .png or .webp.")
    return _encoded_16(picture, suffix) if deep else _encoded_8(picture, FORMATS[suffix])


def _in_tiles(image: np.ndarray, student: Sharpener) -> np.ndarray:
    """The student over a picture of any size: each tile sees so much around it that no seam can be."""
    run = student.deep if image.dtype == np.uint16 else student
    height, width = image.shape[:2]
    if max(height, width) <= TILE:
        return run(image)
    scale = student.scale
    result = np.empty((height * scale, width * scale, 3), image.dtype)
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            above, before = min(top, CONTEXT), min(left, CONTEXT)
            tile = image[top - above : top + TILE + CONTEXT, left - before : left + TILE + CONTEXT]
            rows, columns = min(TILE, height - top) * scale, min(TILE, width - left) * scale
            inner = run(np.ascontiguousarray(tile))[above * scale :, before * scale :][:rows, :columns]
            result[top * scale : top * scale + rows, left * scale : left * scale + columns] = inner
    return result


def _output(path: Path, source: Path, destination: Path) -> Path:
    """The same name elsewhere; formats that are not written get `.png` behind it."""
    same = destination / path.relative_to(source)
    return same if same.suffix.lower() in FORMATS else same.with_name(f"{same.name}.png")


def _has_16_bits(content: bytes, opened: Image.Image) -> bool:
    """Pillow shows 16-bit colours as 8-bit ones: the file's head tells."""
    if opened.format == "PNG":
        return content[24] == 16
    return opened.format == "TIFF" and max(opened.tag_v2.get(258, (8,))) == 16


def _described(opened: Image.Image) -> bytes:
    """A TIFF's words about its picture: its other tags lay out the file, and Pillow turns it upright by itself."""
    tags, base = Image.Exif(), ExifTags.Base
    kept = (base.ImageDescription, base.Make, base.Model, base.DateTime, base.Artist, base.Copyright)
    for tag in kept:
        if (value := opened.getexif().get(tag)) is not None:
            tags[tag] = value
    return tags.tobytes()


def _decode_16(content: bytes, name: str, extras: dict) -> Picture:
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise KdsharpError(
            f"{name} is damaged, or has 16 bits in a way that is not known: convert it to PNG."
        )
    if pixels.ndim == 2:
        return Picture(np.repeat(pixels[..., None], 3, axis=2), None, True, extras)
    colours = np.ascontiguousarray(pixels[..., 2::-1])  # OpenCV has BGR
    return Picture(colours, pixels[..., 3].copy() if pixels.shape[2] == 4 else None, False, extras)


def _encoded_8(picture: Picture, form: str) -> bytes:
    image = Image.fromarray(picture.colours)
    if picture.grey:
        image = image.convert("L")
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    buffer = BytesIO()
    image.save(buffer, form, **({"quality": 95} if form in ("JPEG", "WEBP") else {}), **picture.extras)
    return buffer.getvalue()


def _encoded_16(picture: Picture, suffix: str) -> bytes:
    pixels = picture.colours[..., 0] if picture.grey else picture.colours[..., ::-1]
    if picture.alpha is not None:
        pixels = np.dstack([picture.colours[..., ::-1], picture.alpha])
    kinds = {"icc_profile": cv2.IMAGE_METADATA_ICCP, "exif": cv2.IMAGE_METADATA_EXIF}
    # OpenCV writes EXIF without the six bytes in front that JPEG and Pillow have, and no profile into a TIFF.
    known = {
        kinds[name]: np.frombuffer(value.removeprefix(b"Exif\0\0"), np.uint8)
        for name, value in picture.extras.items()
        if suffix == ".png"
    }
    if len(known) < len(picture.extras):
        log.warning("a 16-bit TIFF is written without its colour profile and EXIF")
    done, encoded = cv2.imencodeWithMetadata(
        suffix, np.ascontiguousarray(pixels), list(known), list(known.values())
    )
    if not done:
        raise KdsharpError("This picture's colour profile or EXIF is damaged: remove it, and try again.")
    return encoded.tobytes()
