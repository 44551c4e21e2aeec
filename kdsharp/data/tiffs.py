"""TIFF files of more than 8 bits (TIFF 6.0, BigTIFF), read with every block checked against the file's own tags.

Pillow shows such pictures in 8 bits, and OpenCV leaves memory as it was where samples lie in planes. Here a block that
is missing, short or of an unusual kind is refused: no sample comes from anywhere but the file. `tifffile` writes.
"""

import struct
import zlib
from copy import copy
from io import BytesIO

import numpy as np
import tifffile
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2 as Tags

from kdsharp.errors import KdsharpError

MAGIC, BIG = (b"II*\0", b"MM\0*", b"II+\0"), ord("+")  # how a file begins; with + it is a BigTIFF
MOST_PICTURES = 100  # smaller copies that are looked at
TYPE_BYTES = (1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)  # of the types of tags 1 to 18
# Tags of TIFF 6.0, by number.
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
OFFSETS, SAMPLES, ROWS, COUNTS, LARGEST, PLANAR, PREDICTOR = 273, 277, 278, 279, 281, 284, 317
ACROSS, DOWN, UNIT = 282, 283, 296  # pixels an inch (unit 2) or a centimetre (3)
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS, EXTRA_SAMPLES, SAMPLE_FORMAT = (
    322,
    323,
    324,
    325,
    338,
    339,
)
SUBFILE, ICC, IPTC, XMP, DEPTH = 254, 34675, 33723, 700, 32997

GREY, RGB = (0, 1), 2  # photometric: 0 has white as zero
PREMULTIPLIED, STRAIGHT = 1, 2  # extra samples that are alpha
MOST_SAMPLES = 4
_NONE, _LZW, _DEFLATE, _PACKBITS = (1,), 5, (8, 32946), 32773
_KINDS = {(1, 16): "u2", (1, 32): "u4", (2, 32): "i4", (3, 16): "f2", (3, 32): "f4", (3, 64): "f8"}


def directories(content: bytes) -> list[Tags]:
    """The tags of the first two pictures in a TIFF, smaller copies of the first left out; none, if it is no TIFF.

    Pillow's parser of tags does the work, also for samples that Pillow itself cannot read.
    """
    if content[:4] not in MAGIC:
        return []
    found, handle = [], BytesIO(content)
    tags = Tags(content[: 16 if content[2] == BIG else 8])
    for _ in range(MOST_PICTURES):
        if not tags.next or len(found) > 1:
            break
        check_directory(content, tags.next)
        handle.seek(tags.next)
        tags.load(handle)
        if not (found and tags.get(SUBFILE, 0) & 1):
            found.append(copy(tags))
    return found


def check_directory(content: bytes, place: int) -> None:
    """See that the tags listed at a place claim no more bytes than a file can hold: each may name the same ones again.

    Raises ValueError otherwise, before a parser fills the memory with them.
    """
    order, big = "<" if content[:1] == b"I" else ">", content[2] == BIG
    (count,) = struct.unpack_from(f"{order}{'Q' if big else 'H'}", content, place)
    entry = np.dtype(
        [("tag", "u2"), ("type", "u2"), ("count", "u8" if big else "u4"), ("at", "u8" if big else "u4")]
    )
    listed = np.frombuffer(content, entry.newbyteorder(order), min(count, 2**16), place + (8 if big else 2))
    sizes = np.array([0, *TYPE_BYTES])[np.where(listed["type"] <= len(TYPE_BYTES), listed["type"], 0)]
    if (sizes * listed["count"].astype(np.float64)).sum() > 2 * len(content):
        raise ValueError("its tags claim more than it holds")


def is_deep(tags: Tags) -> bool:
    """Whether samples are anything but unsigned numbers of at most 8 bits, which Pillow reads as they are."""
    return max(_several(tags, BITS, 1)) > 8 or set(_several(tags, SAMPLE_FORMAT, 1)) != {1}


def read(content: bytes, tags: Tags, name: str) -> tuple[np.ndarray, np.ndarray | None, bool]:
    """`uint16` RGB (H, W, 3), alpha (H, W) or None, and whether the file is grey.

    Numbers of 32 bits and floats become 16 bits: see `ranged`. Raises KdsharpError for a kind that is not known, and
    ValueError where the file holds less than its tags say.
    """
    photometric, samples = tags.get(PHOTOMETRIC), tags.get(SAMPLES, 1)
    colours = 3 if photometric == RGB else 1
    if photometric not in (*GREY, RGB) or not colours <= samples <= MOST_SAMPLES:
        raise _unusual(name, f"{samples} samples of the colour space {photometric}")
    values = _samples(content, tags, name)
    largest = max(_several(tags, LARGEST, 0))
    visible, alpha = ranged(values[..., :colours], name, largest), None
    extra = _several(tags, EXTRA_SAMPLES, STRAIGHT)[0]
    if samples > colours and extra in (PREMULTIPLIED, STRAIGHT):
        alpha = ranged(values[..., colours], name, largest)
        if extra == PREMULTIPLIED:
            share = np.maximum(alpha, 1)[..., None] / np.float32(65535)
            visible = np.minimum(np.rint(visible / share), 65535).astype(np.uint16)
    if photometric == 0:
        visible = 65535 - visible
    return np.repeat(visible, 3, axis=2) if colours == 1 else visible, alpha, colours == 1


def ranged(values: np.ndarray, name: str, largest: int = 0) -> np.ndarray:
    """Samples of any type as `uint16` over its full range.

    16-bit numbers stay as they are, unless the file names its `largest` value (12 bits in 16). Numbers of 32
    bits that fit into 8 or 16 are taken as such; floats have white at 1, 255 or 65535, whichever their largest value is
    near.
    Raises KdsharpError where nothing says what is white, and for values that are negative or not finite.
    """
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)) or low < 0:
        raise _unusual(name, f"values from {low:g} to {high:g}")
    white = next((white for white, at_least in _whites(values.dtype) if at_least <= high <= white), None)
    if values.dtype == np.uint16 and largest > 255 and high <= largest:
        white = largest
    if white is None:
        raise _unusual(name, f"values up to {high:g}, where nothing says which is white")
    if values.dtype == np.uint16 and white == 65535:
        return values
    return np.rint(values * (65535 / float(white))).astype(np.uint16)


def write(pixels: np.ndarray, kept: dict[str, object], tags: list[tuple]) -> bytes:
    """`uint16` (H, W) or (H, W, C) as a TIFF, losslessly packed; the second plane of two or fourth of four is alpha.

    Args:
        kept: `iccprofile` and `resolution`, as `tifffile.imwrite` takes them.
        tags: others (code, type, count, value, True).
    """
    planes = 1 if pixels.ndim == 2 else pixels.shape[2]
    alpha = {"extrasamples": ["unassalpha"]} if planes in (2, 4) else {}
    buffer = BytesIO()
    tifffile.imwrite(
        buffer,
        pixels,
        photometric="rgb" if planes > 2 else "minisblack",
        planarconfig="contig" if planes > 1 else None,
        compression="zlib",
        predictor=True,
        metadata=None,
        software=False,
        extratags=tags,
        **alpha,
        **kept,
    )
    return buffer.getvalue()


def _samples(content: bytes, tags: Tags, name: str) -> np.ndarray:
    """All samples (H, W, C) as the file has them, put together from its strips or tiles."""
    width, height, samples = tags[WIDTH], tags[HEIGHT], tags.get(SAMPLES, 1)
    bits, formats = set(_several(tags, BITS, 1)), set(_several(tags, SAMPLE_FORMAT, 1))
    kind = _KINDS.get((min(formats), min(bits))) if len(bits) == len(formats) == 1 else None
    if kind is None or tags.get(FILL_ORDER, 1) != 1 or tags.get(DEPTH, 1) != 1:
        raise _unusual(
            name, f"samples of {'/'.join(map(str, bits))} bits, format {'/'.join(map(str, formats))}"
        )
    order = "<" if content[:2] == b"II" else ">"
    tiled, planar = TILE_OFFSETS in tags, tags.get(PLANAR, 1) == 2 and samples > 1
    across, down = (
        (tags[TILE_WIDTH], tags[TILE_HEIGHT]) if tiled else (width, min(tags.get(ROWS, height), height))
    )
    offsets = _several(tags, TILE_OFFSETS if tiled else OFFSETS)
    counts = _several(tags, TILE_COUNTS if tiled else COUNTS)
    planes = samples if planar else 1
    places = [(plane, top, left) for plane in range(planes) for top in range(0, height, down)
              for left in range(0, width, across)] if across > 0 and down > 0 else []  # fmt: skip
    if not len(places) == len(offsets) == len(counts) > 0:
        raise ValueError("its blocks are not as many as its size needs")
    result = np.zeros((height, width, samples), "f4" if kind[0] == "f" else kind)
    inside = samples // planes
    for (plane, top, left), offset, count in zip(places, offsets, counts, strict=True):
        rows = down if tiled else min(down, height - top)
        if count <= 0 or offset <= 0 or offset + count > len(content):
            raise ValueError("a block lies beyond its end")
        row = across * inside * np.dtype(kind).itemsize
        raw = _unpacked(content[offset : offset + count], tags.get(COMPRESSION, 1), rows, row, name)
        if len(raw) < rows * row:
            raise ValueError("a block is too short")
        block = _undone(raw[: rows * row], tags.get(PREDICTOR, 1), (rows, across, inside), order + kind, name)
        part = block[: height - top, : width - left]
        result[top : top + down, left : left + across, plane : plane + inside] = part
    return result


def _unpacked(packed: bytes, compression: int, rows: int, row: int, name: str) -> bytes:
    """A block's bytes, at most as many as `rows` of `row` bytes are."""
    if compression in _NONE:
        return packed
    if compression in _DEFLATE:
        return zlib.decompressobj().decompress(packed, rows * row)
    if compression not in (_LZW, _PACKBITS):
        raise _unusual(name, f"blocks of compression {compression}")
    # Pillow unpacks it, as a grey TIFF whose pixels are these bytes.
    entries = [(WIDTH, row), (HEIGHT, rows), (BITS, 8), (COMPRESSION, compression), (PHOTOMETRIC, 1), (OFFSETS, 122),
               (SAMPLES, 1), (ROWS, rows), (COUNTS, len(packed))]  # fmt: skip
    listed = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + listed + b"\0\0\0\0"
    with Image.open(BytesIO(head + packed), formats=["TIFF"]) as opened:
        return opened.tobytes()


def _undone(raw: bytes, predictor: int, shape: tuple[int, int, int], kind: str, name: str) -> np.ndarray:
    """A block's samples (rows, columns, samples): TIFF's differences along each row (2, or 3 for floats) are summed."""
    rows, columns, samples = shape
    dtype = np.dtype(kind)
    if predictor == 3 and dtype.kind == "f":
        summed = np.frombuffer(raw, np.uint8).reshape(rows, -1, samples).cumsum(1, np.uint8)
        apart = summed.reshape(rows, dtype.itemsize, columns * samples).transpose(0, 2, 1)
        return np.ascontiguousarray(apart).view(dtype.newbyteorder(">")).reshape(shape)
    values = np.frombuffer(raw, dtype).reshape(shape).astype(dtype.newbyteorder("="))
    if predictor == 2 and dtype.kind in "ui":
        return values.cumsum(1, values.dtype)
    if predictor != 1:
        raise _unusual(name, f"predictor {predictor}")
    return values


def _whites(dtype: np.dtype) -> list[tuple[float, float]]:
    """What may be white in samples of a type, each with what the largest value has to be at least."""
    if dtype == np.uint16:
        return [(65535, 0)]
    if dtype.kind == "f":
        return [(1, 0), (255, 17), (65535, 32768)]
    return [(255, 0), (65535, 0)] + [(2**32 - 1, 2**31)] * (dtype == np.uint32)


def _several(tags: Tags, tag: int, default: int | None = None) -> tuple:
    value = tags.get(tag, default)
    return value if isinstance(value, tuple) else () if value is None else (value,)


def _unusual(name: str, what: str) -> KdsharpError:
    return KdsharpError(f"{name} has {what}: convert it to RGB or grey of 8 or 16 bits.")
