"""Files of every kind become the right pixels, or are refused in one sentence: against tifffile, OpenCV and Pillow."""

import os
import struct
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from kdsharp import data
from kdsharp.data import pngs, reading
from kdsharp.errors import KdsharpError

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 65536, (37, 53), dtype=np.uint16)
RGB, RGBA = (RANDOM.integers(0, 65536, (37, 53, planes), dtype=np.uint16) for planes in (3, 4))
RAMP = np.linspace(0, 1, 37 * 53).reshape(37, 53)
LZW, PREDICTOR = cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_PREDICTOR


def tiff(pixels: np.ndarray, **options: object) -> bytes:
    tifffile.imwrite(buffer := BytesIO(), pixels, **options)
    return buffer.getvalue()


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    image.save(buffer := BytesIO(), kind, **options)
    return buffer.getvalue()


def planes(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def samples(picture: reading.Picture) -> np.ndarray:
    """As a file has them: (H, W), (H, W, 3) or (H, W, 4)."""
    colours = picture.colours[..., 0] if picture.grey else picture.colours
    return colours if picture.alpha is None else np.dstack([colours, picture.alpha])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc fills fresh memory where asked")
def test_a_black_planar_tiff_is_black(tmp_path: Path) -> None:
    """OpenCV leaves what was in memory before: a visitor of the page would see other visitors' pictures."""
    content = tiff(np.zeros((3, 64, 96), np.uint16), photometric="rgb", planarconfig="separate")
    (tmp_path / "black.tif").write_bytes(content)
    script = (
        "import sys\nfrom kdsharp import data; from kdsharp.data import reading\n"
        "content = open(sys.argv[1], 'rb').read()\n"
        "print(reading.decode(content).colours.any(), data.read_image(sys.argv[1]).any())"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "black.tif")]
    environment = os.environ | {"MALLOC_PERTURB_": "85"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["False", "False"]


LAYOUTS = {
    "plain": {},
    "big-endian": {"byteorder": ">"},
    "strips": {"rowsperstrip": 5},
    "tiles": {"tile": (16, 32)},
    "deflate": {"compression": "zlib"},
    "differences": {"compression": "zlib", "predictor": True, "byteorder": ">", "tile": (32, 16)},
    "BigTIFF": {"bigtiff": True, "compression": "zlib", "predictor": True},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_deep_tiffs_as_they_are(layout: str) -> None:
    options, alpha = LAYOUTS[layout], {"extrasamples": ["unassalpha"]}
    for pixels, content in (
        (GREY, tiff(GREY, photometric="minisblack", **options)),
        (RGB, tiff(RGB, photometric="rgb", **options)),
        (RGB, tiff(planes(RGB), photometric="rgb", planarconfig="separate", **options)),
        (RGBA, tiff(RGBA, photometric="rgb", **alpha, **options)),
        (RGBA, tiff(planes(RGBA), photometric="rgb", planarconfig="separate", **alpha, **options)),
    ):
        assert np.array_equal(samples(reading.decode(content)), pixels)


@pytest.mark.parametrize("compression", [1, 5, 32946, 32773])
@pytest.mark.parametrize("predictor", [1, 2])
def test_deep_tiffs_of_libtiff(compression: int, predictor: int) -> None:
    options = [LZW, compression, PREDICTOR, predictor]
    colour = cv2.imencode(".tif", RGB[..., ::-1], options)[1].tobytes()
    assert np.array_equal(samples(reading.decode(colour)), RGB)
    alpha = cv2.imencode(".tif", RGBA[..., [2, 1, 0, 3]], options)[1].tobytes()
    assert np.array_equal(samples(reading.decode(alpha)), RGBA)


RANGES = {
    "half": (RAMP.astype(np.float16), 2e-3),
    "float": (RAMP.astype(np.float32), 1e-5),
    "double": (RAMP, 1e-5),
    "float to 255": ((RAMP * 255).astype(np.float32), 1e-5),
    "float to 65535": ((RAMP * 65535).astype(np.float32), 1e-5),
    "float RGB": (np.dstack([RAMP] * 3).astype(np.float32), 1e-5),
    "int32 of 16 bits": ((RAMP * 65535).astype(np.int32), 1e-4),
    "int32 of 8 bits": ((RAMP * 255).astype(np.int32), 5e-3),
    "uint32": ((RAMP * (2**32 - 1)).astype(np.uint32), 1e-5),
}


@pytest.mark.parametrize("kind", RANGES)
def test_numbers_get_their_range(kind: str, tmp_path: Path) -> None:
    pixels, near = RANGES[kind]
    content = tiff(pixels, photometric="rgb" if pixels.ndim == 3 else "minisblack")
    picture = reading.decode(content)
    assert picture.grey == (pixels.ndim == 2)
    assert np.abs(picture.colours / 65535 - RAMP[..., None]).max() < near
    (tmp_path / "a.tif").write_bytes(content)
    assert np.abs(data.read_image(tmp_path / "a.tif") / 255 - RAMP[..., None]).max() < near + 2.1e-3


def test_other_whites() -> None:
    deep = (RAMP * 65535).astype(np.uint16)
    negative = reading.decode(tiff(deep, photometric="miniswhite"))
    assert np.array_equal(negative.colours[..., 0], 65535 - deep)
    twelve = reading.decode(tiff((RAMP * 4095).astype(np.uint16), extratags=[(281, "H", 1, 4095, True)]))
    assert np.abs(twelve.colours / 65535 - RAMP[..., None]).max() < 3e-4
    half = np.full((37, 53, 1), 32768, np.uint16)
    pixels = np.concatenate([np.full((37, 53, 3), 30000, np.uint16), half], axis=2)
    content = tiff(pixels, photometric="rgb", extrasamples=["assocalpha"])
    assert np.abs(reading.decode(content).colours.astype(int) - 60000).max() <= 2


REFUSED = {
    "signed bytes": tiff((RAMP * 127).astype(np.int8)),
    "signed words": tiff((RAMP * 127).astype(np.int16)),
    "64 bits": tiff((RAMP * 2**60).astype(np.uint64)),
    "complex": tiff(RAMP.astype(np.complex64)),
    "below zero": tiff((RAMP - 0.5).astype(np.float32)),
    "no number": tiff(np.where(RAMP > 0.5, np.nan, RAMP).astype(np.float32)),
    "no white": tiff((RAMP * 1e6).astype(np.int32)),
    "inks": tiff(RGBA, photometric="separated"),
    "Lab": tiff(RGB, photometric="cielab"),
    "seven samples": tiff(np.dstack([RGB, RGBA]), photometric="rgb"),
    "two pages": tiff(np.stack([GREY, GREY]), photometric="minisblack"),
    "a volume": tiff(
        np.zeros((4, 16, 16), np.uint16), photometric="minisblack", volumetric=True, tile=(4, 16, 16)
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_known_is_refused(kind: str) -> None:
    with pytest.raises(KdsharpError, match=r"a\.tif") as refused:
        reading.decode(REFUSED[kind], "a.tif")
    assert "\n" not in str(refused.value) and "damaged" not in str(refused.value)


def test_smaller_copies_in_a_tiff_are_no_second_picture() -> None:
    with tifffile.TiffWriter(buffer := BytesIO()) as writer:
        writer.write(GREY, photometric="minisblack")
        writer.write(GREY[::2, ::2], photometric="minisblack", subfiletype=1)
    assert np.array_equal(samples(reading.decode(buffer.getvalue())), GREY)


def test_a_deep_tiff_is_turned_upright_as_a_shallow_one() -> None:
    shallow = np.asarray(Image.fromarray((RGB >> 8).astype(np.uint8)))
    for turn in range(1, 9):
        tag = [(274, "H", 1, turn, True)]
        deep = reading.decode(tiff(RGB, photometric="rgb", extratags=tag)).colours
        expected = reading.decode(tiff(shallow, photometric="rgb", extratags=tag)).colours
        assert np.array_equal(deep >> 8, expected)


@pytest.mark.parametrize("place", [257, 273, 279])  # height, where the blocks lie, their bytes
@pytest.mark.parametrize("change", [0, 1, 7, 10**9])
def test_blocks_are_held_against_the_tags(place: int, change: int) -> None:
    """A tag that tells more than the file holds: refused. No sample may come from elsewhere, twice the same."""
    content = bytearray(tiff(GREY, photometric="minisblack", rowsperstrip=37))
    with tifffile.TiffFile(BytesIO(bytes(content))) as opened:
        tag = opened.pages[0].tags[place]
    struct.pack_into("<I" if tag.dtype == 4 else "<H", content, tag.valueoffset, min(change, 65535))
    try:
        first, second = (samples(reading.decode(bytes(content))) for _ in range(2))
    except KdsharpError:
        return
    assert np.array_equal(first, second) and first.tobytes() in bytes(content)


@pytest.mark.parametrize("big", [False, True])
def test_tags_cannot_fill_the_memory(big: bool) -> None:
    """A thousand tags that all name the same megabyte: a parser that copies each would hold a gigabyte."""
    head, entry = ("<2sHHHQ", "<HHQQ") if big else ("<2sHI", "<HHII")
    start = struct.pack(head, *((b"II", 43, 8, 0, 16) if big else (b"II", 42, 8)))
    tags = b"".join(struct.pack(entry, number, 1, 2**20, 100) for number in range(1000, 2000))
    content = start + struct.pack("<Q" if big else "<H", 1000) + tags + bytes(2**20 + 100)
    with pytest.raises(KdsharpError, match="claim more"):
        reading.decode(content)


def test_deep_png_of_each_kind() -> None:
    for pixels in (GREY[..., None], RGB[..., :2], RGB, RGBA):
        assert np.array_equal(pngs.read_deep(pngs.write_deep(pixels)), pixels)
    for pixels, order in ((GREY, slice(None)), (RGB, [2, 1, 0]), (RGBA, [2, 1, 0, 3])):
        content = cv2.imencode(".png", pixels[..., order] if pixels.ndim == 3 else pixels)[1].tobytes()
        assert np.array_equal(samples(reading.decode(content)), pixels)
        mine = cv2.imdecode(
            np.frombuffer(pngs.write_deep(np.atleast_3d(pixels)), np.uint8), cv2.IMREAD_UNCHANGED
        )
        assert np.array_equal(mine[..., order] if mine.ndim == 3 else mine, pixels)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("kind", [".png", ".tif"])
def test_a_truncated_deep_file_is_refused(kind: str, kept: float) -> None:
    content = cv2.imencode(kind, RGB)[1].tobytes()
    with pytest.raises(KdsharpError, match=r"a\.img"):
        reading.decode(content[: int(kept * len(content))], "a.img")


def test_a_deep_png_that_holds_less_than_it_says_is_refused() -> None:
    """All its checksums are right: only the amount of data tells."""
    found = list(pngs.chunks(pngs.write_deep(RGB)))
    taller = struct.pack(">II", 53, 60) + found[0][1][8:]
    content = pngs.SIGNATURE + b"".join(pngs.chunk(*one) for one in [(b"IHDR", taller), *found[1:]])
    with pytest.raises(KdsharpError, match="too early"):
        reading.decode(content)


def test_one_transparent_colour_becomes_alpha() -> None:
    whole = pngs.write_deep(GREY[..., None])
    picture = reading.decode(pngs.with_chunks(whole, [(b"tRNS", struct.pack(">H", GREY[3, 4]))]))
    assert picture.grey and np.array_equal(picture.alpha == 0, GREY[3, 4] == GREY)


def test_lab_and_inks_become_srgb(picture: np.ndarray) -> None:
    """No file may say that its RGB is Lab or CMYK: Pillow's own conversion is the reference for Lab."""
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(Image.fromarray(picture), srgb, lab, outputMode="LAB")
    content = saved(image, "TIFF", icc_profile=ImageCms.ImageCmsProfile(lab).tobytes())
    found = reading.decode(content)
    assert not found.extras.profile and np.abs(found.colours.astype(int) - picture).mean() < 2
    wrong = saved(Image.fromarray(picture), "PNG", icc_profile=ImageCms.ImageCmsProfile(lab).tobytes())
    assert not reading.decode(wrong).extras.profile
    inks = saved(Image.fromarray(picture).convert("CMYK"), "JPEG", icc_profile=b"no profile" * 20, quality=98)
    assert np.abs(reading.decode(inks).colours.astype(int) - picture).mean() < 3


def test_programs_are_not_started_for_a_file() -> None:
    """Pillow gives EPS to Ghostscript."""
    with pytest.raises(KdsharpError, match="not a picture"):
        reading.decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF")


SEEDS = [
    tiff(RGB[:9, :11], photometric="rgb", compression="zlib", predictor=True),
    tiff(planes(RGB)[:, :9, :11], photometric="rgb", planarconfig="separate"),
    cv2.imencode(".tif", GREY[:9, :11], [LZW, 5])[1].tobytes(),
    pngs.write_deep(RGB[:9, :11]),
    saved(Image.fromarray((RGB[:9, :11] >> 8).astype(np.uint8)), "TIFF", compression="tiff_lzw"),
]


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), max_size=4),
    kept=st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_damaged_files_give_a_sentence_or_the_same_pixels_twice(
    seed: bytes, edits: list, kept: float
) -> None:
    content = bytearray(seed[: int(kept * len(seed))])
    for place, value in edits if content else []:
        content[int(place * len(content))] = value
    try:
        first = reading.decode(bytes(content), "a.img")
    except KdsharpError as error:
        assert "a.img" in str(error) and "\n" not in str(error)
        return
    np.full_like(first.colours, 7)
    assert np.array_equal(reading.decode(bytes(content)).colours, first.colours)
