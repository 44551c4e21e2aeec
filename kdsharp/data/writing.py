"""Pictures into files of the format that a name says, with whatever the source held beside its colours.

What a format cannot hold beside the pixels is named in one warning; what it cannot hold at all is refused by `check`,
before any work is done.
"""

import logging
import zlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from kdsharp.data import pngs, tiffs
from kdsharp.data.reading import Extras, Picture
from kdsharp.disk import files
from kdsharp.errors import KdsharpError
from kdsharp.recipes import enlarged

log = logging.getLogger(__name__)

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".jfif": "JPEG",
}
DEEP = (".png", ".tif", ".tiff")  # hold 16 bits
LARGEST = {"JPEG": 65500, "WEBP": 16383, "PNG": 2**31 - 1, "TIFF": 2**31 - 1}  # pixels a side
QUALITY = 95
_MARKER = 65533  # bytes that one segment of a JPEG holds
# Tags that say sRGB, which is what a file without tags is taken for: cICP (1: BT.709, 13: sRGB, 2: unsaid), gAMA 1/2.2.
_SRGB = {
    b"cICP": (b"\1\r\0\1", b"\2\r\0\1", b"\1\2\0\1", b"\2\2\0\1"),
    b"gAMA": ((45455).to_bytes(4, "big"),),
}
_SRGB_PRIMARIES = np.array([31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000], ">u4").tobytes()


def check(picture: Picture, path: Path, scale: float = 1) -> None:
    """See that the format of a name can hold a picture enlarged by `scale`. Raises KdsharpError that says why not."""
    name, suffix = Path(path).name, Path(path).suffix.lower()
    form = FORMATS[suffix]
    if picture.colours.dtype == np.uint16 and suffix not in DEEP:
        raise KdsharpError(f"{name} cannot hold 16 bits: give a name that ends in {', '.join(DEEP)}.")
    if picture.alpha is not None and form == "JPEG":
        raise KdsharpError(f"{name} cannot hold transparency: give a name that ends in .png or .webp.")
    height, width = (enlarged(side, scale) for side in picture.colours.shape[:2])
    if max(height, width) > LARGEST[form]:
        raise KdsharpError(
            f"{name} would have {width}x{height} pixels, and {form} holds at most {LARGEST[form]} a side: "
            "give a name that ends in .png or .tif."
        )


def write(path: Path, picture: Picture) -> None:
    """Write a picture in the format that the name says; whole or not at all. Raises KdsharpError as `check` does."""
    path = Path(path)
    encoded = encode(picture, path.suffix.lower(), path.name)
    with files.atomic_write(path) as handle:
        handle.write(encoded)


def encode(picture: Picture, suffix: str, name: str = "the picture") -> bytes:
    """A picture as the bytes of a file that ends in `suffix`. Raises KdsharpError where that cannot hold it."""
    check(picture, Path(f"{name}{'' if name.lower().endswith(suffix) else suffix}"))
    form, extras = FORMATS[suffix], picture.extras
    lost = [] if form == "PNG" else _lost_chunks(extras)
    if picture.grey is False or form == "WEBP":  # WebP has no grey
        extras, lost = _without_grey_profile(extras, lost)
    deep = picture.colours.dtype == np.uint16
    if form == "PNG":
        encoded = _png(picture, extras, lost)
    elif form == "TIFF":
        encoded = (_deep_tiff if deep else _tiff)(picture, extras, lost)
    else:
        encoded = (_jpeg if form == "JPEG" else _webp)(picture, extras, lost)
    if lost:
        log.warning("%s is written without what %s cannot hold here: %s", name, form, ", ".join(lost))
    return encoded


def _png(picture: Picture, extras: Extras, lost: list[str]) -> bytes:
    if picture.colours.dtype == np.uint16:
        planes = picture.colours[..., :1] if picture.grey else picture.colours
        encoded = pngs.write_deep(planes if picture.alpha is None else np.dstack([planes, picture.alpha]))
    else:
        _image(picture).save(buffer := BytesIO(), "PNG")
        encoded = buffer.getvalue()
    more = list(extras.chunks)
    if extras.profile:
        more = [one for one in more if one[0] != b"sRGB"]  # a file has one or the other
        more.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(extras.profile)))
    if extras.exif:
        more.append((b"eXIf", extras.exif.removeprefix(b"Exif\0\0")))
    if extras.xmp:
        more.append((b"iTXt", pngs.XMP + b"\0\0\0\0" + extras.xmp))
    if extras.comment:
        more.append((b"tEXt", b"Comment\0" + extras.comment.replace(b"\0", b"")))
    if extras.dpi and not any(kind == b"pHYs" for kind, _ in more):
        across, down = (round(value / 0.0254) for value in extras.dpi)  # pixels a metre
        more.append((b"pHYs", across.to_bytes(4, "big") + down.to_bytes(4, "big") + b"\1"))
    if extras.iptc:
        lost.append("IPTC")
    return pngs.with_chunks(encoded, more)


def _jpeg(picture: Picture, extras: Extras, lost: list[str]) -> bytes:
    options = {"quality": QUALITY, "subsampling": extras.sampling, "icc_profile": extras.profile}
    for key, value in (("exif", extras.exif), ("xmp", extras.xmp), ("comment", extras.comment)):
        if len(value) > _MARKER - 40:
            lost.append(f"{key} of {len(value)} bytes")
        elif value:
            options[key] = value
    if extras.iptc:
        body = b"Photoshop 3.0\0" + b"8BIM\4\4\0\0" + len(extras.iptc).to_bytes(4, "big") + extras.iptc
        body += b"\0" * (len(extras.iptc) % 2)
        if len(body) > _MARKER:
            lost.append("IPTC")
        else:
            options["extra"] = b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body
    if extras.dpi:
        options["dpi"] = tuple(min(65535, max(1, round(value))) for value in extras.dpi)
    _image(picture).save(buffer := BytesIO(), "JPEG", **options)
    return buffer.getvalue()


def _webp(picture: Picture, extras: Extras, lost: list[str]) -> bytes:
    lost += [
        what
        for what, value in (("IPTC", extras.iptc), ("comment", extras.comment), ("DPI", extras.dpi))
        if value
    ]
    buffer = BytesIO()
    _image(picture).save(
        buffer,
        "WEBP",
        quality=QUALITY,
        lossless=extras.lossless,
        icc_profile=extras.profile,
        exif=extras.exif,
        xmp=extras.xmp,
    )
    return buffer.getvalue()


def _tiff(picture: Picture, extras: Extras, lost: list[str]) -> bytes:
    options = {"icc_profile": extras.profile} if extras.profile else {}
    if extras.dpi:
        options["dpi"] = extras.dpi
    tags = Image.Exif()
    if extras.exif:
        tags.load(extras.exif)
    for part in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        inner = tags.get_ifd(part)
        inner.pop(ExifTags.IFD.Interop, None)  # a place in the old file
        if not inner and part in tags:
            del tags[part]
    for code, value in ((tiffs.XMP, extras.xmp), (tiffs.IPTC, extras.iptc)):
        if value:
            tags[code] = value
    if extras.comment:
        lost.append("comment")
    _image(picture).save(buffer := BytesIO(), "TIFF", exif=tags, **options)
    return buffer.getvalue()


def _deep_tiff(picture: Picture, extras: Extras, lost: list[str]) -> bytes:
    pixels = picture.colours[..., 0] if picture.grey else picture.colours
    if picture.alpha is not None:
        pixels = np.dstack([pixels, picture.alpha])
    kept = {"iccprofile": extras.profile} if extras.profile else {}
    if extras.dpi:
        kept |= {"resolution": extras.dpi, "resolutionunit": "INCH"}
    words, tags = Image.Exif(), []
    if extras.exif:
        words.load(extras.exif)
    base = ExifTags.Base
    for code in (base.ImageDescription, base.Make, base.Model, base.DateTime, base.Artist, base.Copyright):
        if value := words.get(code):
            tags.append((int(code), "s", 0, str(value).encode(), True))
    if turned := words.get(base.Orientation):
        tags.append((int(base.Orientation), "H", 1, int(turned), True))
    for code, value in ((tiffs.XMP, extras.xmp), (tiffs.IPTC, extras.iptc)):
        if value:
            tags.append((code, "B", len(value), value, True))
    if words.get_ifd(ExifTags.IFD.Exif) or words.get_ifd(ExifTags.IFD.GPSInfo):
        lost.append("the camera's settings and place (EXIF)")
    if extras.comment:
        lost.append("comment")
    return tiffs.write(pixels, kept, tags)


def _image(picture: Picture) -> Image.Image:
    image = Image.fromarray(picture.colours)
    if picture.grey:
        image = image.convert("L")
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    return image


def _lost_chunks(extras: Extras) -> list[str]:
    """PNG's own chunks that say anything: tags of plain sRGB do not."""
    kinds = {kind for kind, body in extras.chunks if body not in _SRGB.get(kind, ())}
    kinds -= {b"sRGB", b"pHYs"} | ({b"cHRM"} if (b"cHRM", _SRGB_PRIMARIES) in extras.chunks else set())
    return sorted(
        "texts" if kind in pngs.TEXTS else f"{kind.decode()} (colours are shown otherwise)" for kind in kinds
    )


def _without_grey_profile(extras: Extras, lost: list[str]) -> tuple[Extras, list[str]]:
    if extras.profile[16:20] != b"GRAY":
        return extras, lost
    return replace(extras, profile=b""), [*lost, "a colour profile of grey"]
