"""Still pictures from files: the one place where bytes of strangers become pixels.

What a decoder gives is checked against the file's own description. What cannot be read right is refused in a sentence.
"""

import logging
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError
from PIL.JpegImagePlugin import get_sampling

from kdsharp.data import pngs, tiffs
from kdsharp.errors import KdsharpError, first_line

log = logging.getLogger(__name__)

# Named, so that no stranger's file starts another program (Pillow hands EPS to Ghostscript).
KINDS = ("PNG", "JPEG", "MPO", "WEBP", "BMP", "DIB", "TIFF", "GIF", "AVIF", "JPEG2000", "PPM", "TGA")
MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 2**27)  # where Pillow refuses
_IPTC_IN_PHOTOSHOP = 0x0404
_LAYOUTS = ('{"shape"', "ImageJ=")  # descriptions by which programs find their way in a file that is no more
# How pixels lie when shown upright, by EXIF's orientation.
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: np.rot90(image),
}


@dataclass(frozen=True)
class Extras:
    """What a file holds beside its pixels; empty where there is nothing.

    `profile` is an ICC profile, `exif` begins with `Exif`, `xmp` is XML, `iptc` holds records of IPTC-IIM, `dpi` is
    (across, down), `chunks` are PNG's own (colour tags and texts). `sampling` is how a JPEG stores chroma, as Pillow
    numbers it (0: as fine as luma, 2: half); `lossless` says that the file keeps every value.
    """

    profile: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""
    iptc: bytes = b""
    comment: bytes = b""
    dpi: tuple[float, float] | None = None
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    sampling: int = 0
    lossless: bool = True


@dataclass(frozen=True)
class Picture:
    """What a file holds: `colours` RGB (H, W, 3), `uint8` or `uint16`; `alpha` (H, W) of the same type, or None.

    `grey` says that the file has one plane, shown three times; `extras` are what stands beside the pixels.
    """

    colours: np.ndarray
    alpha: np.ndarray | None = None
    grey: bool = False
    extras: Extras = field(default_factory=Extras)


def read(path: Path) -> Picture:
    """All that a still picture's file holds. Raises KdsharpError if it is missing, and as `decode` does."""
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise KdsharpError(f"There is no file {path}: check the name.") from error
    except OSError as error:
        raise KdsharpError(f"{path} cannot be read ({error.strerror}): check the name.") from error
    return decode(content, str(path))


def decode(content: bytes, name: str = "the picture") -> Picture:
    """All that a still picture's bytes hold; pixels are not turned, but in TIFF, whose orientation is no EXIF.

    Raises KdsharpError if they are damaged, no picture, several, or of a kind that is not known.
    """
    try:
        pages = tiffs.directories(content)
        if len(pages) > 1:
            raise _several(name)
        if pages and tiffs.is_deep(pages[0]):
            return _deep_tiff(content, pages[0], name)
        with _opened(content) as opened:
            if opened.format not in ("MPO", "TIFF") and getattr(opened, "n_frames", 1) > 1:
                raise _several(name)
            return _picture(opened, content, name)
    except (KdsharpError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise KdsharpError(f"{name} is not a picture that can be read: convert it to PNG or JPEG.") from error
    except Image.DecompressionBombError as error:
        raise KdsharpError(
            f"{name} has more than {MOST_PIXELS // 10**6} megapixels: cut it into parts."
        ) from error
    # Decoders raise anything at strange files: none of it may end a batch or a server.
    except Exception as error:
        raise KdsharpError(f"{name} is damaged ({first_line(error)}): fetch or export it again.") from error


def measure(content: bytes) -> tuple[str, tuple[int, int]]:
    """The kind of a picture's bytes, as Pillow names it, and (width, height), from the head alone.

    Raises whatever a strange file makes a decoder raise.
    """
    pages = tiffs.directories(content)
    if pages and tiffs.is_deep(pages[0]):
        return "TIFF", (int(pages[0][tiffs.WIDTH]), int(pages[0][tiffs.HEIGHT]))
    with _opened(content) as opened:
        return opened.format, opened.size


def visible(folder: Path, endings: Iterable[str]) -> list[Path]:
    """The files under a folder with one of these endings, sorted; hidden ones, as macOS's `._x.png`, are none."""
    found = (path for path in Path(folder).rglob("*") if path.suffix.lower() in endings and path.is_file())
    hidden = (".", "__MACOSX")
    return sorted(
        path for path in found if not any(part.startswith(hidden) for part in path.relative_to(folder).parts)
    )


def upright(image: np.ndarray, exif: bytes) -> np.ndarray:
    """An image (H, W) or (H, W, C) turned as EXIF's orientation says."""
    if not exif:
        return image
    (tags := Image.Exif()).load(exif)
    return np.ascontiguousarray(_TURNS.get(tags.get(ExifTags.Base.Orientation), lambda same: same)(image))


def to_8_bits(image: np.ndarray) -> np.ndarray:
    """`uint16` as the nearest `uint8`; `uint8` as it is."""
    return image if image.dtype == np.uint8 else ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _opened(content: bytes) -> Image.Image:
    Image.init()
    return Image.open(BytesIO(content), formats=[kind for kind in KINDS if kind in Image.OPEN])


def _several(name: str) -> KdsharpError:
    return KdsharpError(f"{name} holds several pictures: give a still.")


def _deep_tiff(content: bytes, tags: tiffs.Tags, name: str) -> Picture:
    if tags[tiffs.WIDTH] * tags[tiffs.HEIGHT] > MOST_PIXELS:
        raise Image.DecompressionBombError
    turn = _TURNS.get(tags.get(ExifTags.Base.Orientation), lambda same: same)
    colours, alpha, grey = tiffs.read(content, tags, name)
    colours, alpha = (None if one is None else np.ascontiguousarray(turn(one)) for one in (colours, alpha))
    return Picture(colours, alpha, grey, _fitting(_of_tiff(content, tags), grey, name))


def _picture(opened: Image.Image, content: bytes, name: str) -> Picture:
    extras = _extras(opened, content, name)
    if opened.format == "PNG" and pngs.depth(content) == 16:
        pixels = pngs.read_deep(content)
        planes = pixels.shape[2]
        colours = (
            np.repeat(pixels[..., :1], 3, axis=2) if planes < 3 else np.ascontiguousarray(pixels[..., :3])
        )
        alpha = pixels[..., -1].copy() if planes in (2, 4) else None
        return Picture(colours, alpha, planes < 3, _fitting(extras, planes < 3, name))
    opened.load()
    if opened.mode.startswith(("I", "F")):  # PGM and PFM: numbers of more than 8 bits
        deep = tiffs.ranged(np.asarray(opened), name)
        return Picture(np.repeat(deep[..., None], 3, axis=2), None, True, _fitting(extras, True, name))
    grey = opened.mode in ("1", "L", "LA", "La")
    if opened.mode in ("CMYK", "LAB"):
        shown, extras = _in_srgb(opened, extras, name), replace(extras, profile=b"")
        return Picture(np.array(shown), None, False, extras)
    extras = _fitting(extras, grey, name)
    if not opened.has_transparency_data:
        return Picture(np.array(opened.convert("RGB")), None, grey, extras)
    pixels = np.array(opened.convert("RGBA"))
    return Picture(np.ascontiguousarray(pixels[..., :3]), pixels[..., 3].copy(), grey, extras)


def _extras(opened: Image.Image, content: bytes, name: str) -> Extras:
    info, form = opened.info, opened.format
    if form == "TIFF":
        return _of_tiff(content, opened.tag_v2)
    iptc, chunks = info.get("photoshop"), ()
    iptc = iptc.get(_IPTC_IN_PHOTOSHOP, b"") if isinstance(iptc, dict) else b""
    if form == "PNG":
        found = [one for one in pngs.chunks(content) if one[0] in (*pngs.COLOUR, *pngs.TEXTS, b"pHYs")]
        chunks = tuple(
            one for one in found if not one[1].startswith(pngs.XMP)
        )  # which has a place of its own
    if form == "MPO":
        log.warning("%s: its first picture is read, not the others (previews, depth or gain maps)", name)
    if form == "AVIF":
        place = content.find(b"colrnclx")
        if place > 0 and 2 not in (
            content[place + 9],
            content[place + 11],
        ):  # 2: not said; the numbers that PNG's cICP has, too
            chunks = ((b"cICP", bytes([content[place + 9], content[place + 11], 0, 1])),)
        if (place := content.find(b"av1C")) > 0 and content[place + 6] & 0x40:
            log.warning("%s has more than 8 bits, of which 8 are read", name)
    dpi = info.get("dpi")
    return Extras(
        info.get("icc_profile") or b"",
        info.get("exif") or b"",
        _bytes(info.get("xmp")),
        iptc,
        _bytes(info.get("comment")),
        (float(dpi[0]), float(dpi[1])) if dpi and min(dpi) > 0 else None,
        chunks,
        max(0, get_sampling(opened)) if form in ("JPEG", "MPO") else 0,
        form not in ("JPEG", "MPO", "AVIF", "JPEG2000")
        and not (form == "WEBP" and b"VP8 " in _riff(content)),
    )


def _of_tiff(content: bytes, tags: tiffs.Tags) -> Extras:
    """Of a TIFF's tags those about its picture and camera: others lay out the file, and pixels are turned upright."""
    found, kept, base = Image.Exif(), Image.Exif(), ExifTags.Base
    found.endian, found.bigtiff = "<" if content[:1] == b"I" else ">", content[2] == tiffs.BIG
    found.load_from_fp(BytesIO(content), tags._offset)
    for tag in (base.ImageDescription, base.Make, base.Model, base.DateTime, base.Artist, base.Copyright):
        value = found.get(tag)
        if value is not None and not str(value).startswith(_LAYOUTS):
            kept[tag] = value
    for part in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        if isinstance(place := found.get(part), int):
            tiffs.check_directory(content, place)
        if inner := found.get_ifd(part):
            kept.get_ifd(part).update(inner)
    per_inch = {2: 1, 3: 2.54}.get(tags.get(tiffs.UNIT, 2))
    dpi = [float(tags.get(tag) or 0) * (per_inch or 0) for tag in (tiffs.ACROSS, tiffs.DOWN)]
    return Extras(
        profile=_bytes(tags.get(tiffs.ICC)),
        exif=kept.tobytes() if kept or kept.get_ifd(ExifTags.IFD.Exif) else b"",
        xmp=_bytes(tags.get(tiffs.XMP)),
        iptc=_bytes(tags.get(tiffs.IPTC)),
        dpi=(dpi[0], dpi[1]) if min(dpi) > 0 else None,
    )


def _fitting(extras: Extras, grey: bool, name: str) -> Extras:
    """Without a profile of other colours than the pixels': in an RGB file, one of Lab or inks turns colours over."""
    space = extras.profile[16:20]
    if not space or space == b"RGB " or (grey and space == b"GRAY"):
        return extras
    log.warning(
        "%s: its colour profile is one of '%s' and is left out", name, space.decode("latin-1").strip()
    )
    return replace(extras, profile=b"")


def _in_srgb(opened: Image.Image, extras: Extras, name: str) -> Image.Image:
    """Inks by the file's profile, or by Pillow's rule where there is none; CIE Lab (D50)."""
    if opened.mode == "CMYK" and not extras.profile:
        return opened.convert("RGB")
    try:
        inks = ImageCms.ImageCmsProfile(BytesIO(extras.profile)) if opened.mode == "CMYK" else None
        source = inks or ImageCms.createProfile("LAB")
        return ImageCms.profileToProfile(opened, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        log.warning("%s: its colour profile does not fit its %s colours and is left out", name, opened.mode)
        return opened.convert("RGB")


def _riff(content: bytes) -> list[bytes]:
    """The kinds of a WebP's chunks."""
    found, place = [], 12
    while place + 8 <= len(content):
        kind, length = struct.unpack_from("<4sI", content, place)
        found.append(kind)
        place += 8 + length + length % 2
    return found


def _bytes(value: object) -> bytes:
    """A tag's bytes, whichever way Pillow gives them: IPTC in TIFF may be marked as numbers of 32 bits."""
    if isinstance(value, tuple) and value and isinstance(value[0], int):
        return struct.pack(f"<{len(value)}I", *value)
    return value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else b""
