"""PNG files (ISO/IEC 15948, third edition) below what Pillow offers: their chunks, and pictures of 16 bits."""

import struct
import zlib
from collections.abc import Iterator

import cv2
import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR = (b"cICP", b"sRGB", b"gAMA", b"cHRM", b"mDCV", b"cLLI")  # what the numbers mean
XMP = b"XML:com.adobe.xmp\0"  # how an iTXt chunk with XMP begins
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_PLANES = {0: 1, 2: 3, 4: 2, 6: 4}  # of a colour type: grey, RGB, grey and alpha, RGBA
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The (kind, content) of each whole chunk up to the end; a damaged rest is left out."""
    place = len(SIGNATURE)
    while place + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        body = content[place + 8 : place + 8 + length]
        said = content[place + 8 + length : place + 12 + length]
        if said != zlib.crc32(body, zlib.crc32(kind)).to_bytes(4, "big"):
            return
        yield kind, body
        place += 12 + length


def chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk as it stands in a file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))


def depth(content: bytes) -> int:
    """Bits of a sample, as the header says."""
    return content[24]


def with_chunks(content: bytes, more: list[tuple[bytes, bytes]]) -> bytes:
    """The file with chunks behind its header."""
    behind = len(SIGNATURE) + 25
    return content[:behind] + b"".join(chunk(kind, body) for kind, body in more) + content[behind:]


def read_deep(content: bytes) -> np.ndarray:
    """The 16-bit samples (H, W, C), `uint16`: 1 plane (grey), 2 (and alpha), 3 (RGB) or 4 (and alpha).

    One colour that the header calls transparent (tRNS) becomes alpha. Raises ValueError if the file holds less than its
    header says, or anything else.
    """
    found = list(chunks(content))
    if not found or found[0][0] != b"IHDR" or found[-1][0] != b"IEND":
        raise ValueError("its end is missing")
    width, height, _depth, colour, _packed, _filter, interlaced = struct.unpack(">IIBBBBB", found[0][1])
    planes = _PLANES[colour]
    _check_rows(
        b"".join(body for kind, body in found if kind == b"IDAT"), width, height, planes * 2, interlaced
    )
    bare = SIGNATURE + b"".join(chunk(*one) for one in found if one[0] in (b"IHDR", b"IDAT", b"IEND"))
    pixels = cv2.imdecode(np.frombuffer(bare, np.uint8), cv2.IMREAD_UNCHANGED)
    shown = {1: (height, width), 2: (height, width, 4)}.get(planes, (height, width, planes))
    if pixels is None or pixels.dtype != np.uint16 or pixels.shape != shown:
        raise ValueError("its samples are not what its header says")
    # OpenCV has BGR, and shows grey with alpha as four planes.
    pixels = (
        pixels[..., None] if planes == 1 else pixels[..., {2: [0, 3], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[planes]]
    )
    clear = dict(found).get(b"tRNS")
    if clear and planes in (1, 3):
        hidden = (pixels == np.frombuffer(clear, ">u2", planes)).all(axis=2)
        pixels = np.dstack([pixels, np.where(hidden, 0, 65535).astype(np.uint16)])
    return np.ascontiguousarray(pixels)


def write_deep(pixels: np.ndarray) -> bytes:
    """A file of `uint16` samples (H, W, C), of 1 to 4 planes as `read_deep` gives them, whose rows are differences."""
    height, width, planes = pixels.shape
    step = 2 * planes
    rows = np.ascontiguousarray(pixels, ">u2").view(np.uint8).reshape(height, -1)
    stored = np.empty((height, 1 + rows.shape[1]), np.uint8)
    stored[:, 0] = 1  # the filter "Sub"
    stored[:, 1 : 1 + step] = rows[:, :step]
    np.subtract(rows[:, step:], rows[:, :-step], out=stored[:, 1 + step :])
    colour = {count: kind for kind, count in _PLANES.items()}[planes]
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(stored, 6)) + chunk(b"IEND", b"")


def _check_rows(packed: bytes, width: int, height: int, step: int, interlaced: int) -> None:
    """See that the packed rows are as many and as long as the header says, each of a filter that there is."""
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    sizes = [(-((left - width) // across), -((top - height) // down)) for left, top, across, down in passes]
    sizes = [(columns * step + 1, rows) for columns, rows in sizes if columns > 0 and rows > 0]
    expected = sum(length * rows for length, rows in sizes)
    raw = np.frombuffer(zlib.decompressobj().decompress(packed, expected), np.uint8)
    if len(raw) < expected:
        raise ValueError("its rows end too early")
    for length, rows in sizes:
        if (raw[: length * rows : length] > 4).any():
            raise ValueError("a row is of no known filter")
        raw = raw[length * rows :]
