"""What stands beside the pixels of a file is in the result, or one warning says what is not."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, ImageCms, IptcImagePlugin
from PIL.JpegImagePlugin import get_sampling

from kdsharp.apps import pictures
from kdsharp.data import pngs, writing
from kdsharp.deploy import sharpen
from kdsharp.errors import KdsharpError

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY_PROFILE = PROFILE[:16] + b"GRAY" + PROFILE[20:]
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF/></x:xmpmeta>'
IPTC = b"\x1c\x02\x78\x00\x05A boat"[:10]  # record 2:120, the caption
BARS = np.zeros((40, 64, 3), np.uint8)
BARS[:, ::2] = (250, 20, 20)
BARS[:, 1::2] = (20, 20, 250)  # chroma that 4:2:0 cannot hold
DEEP = np.linspace(9000, 50000, 40 * 64 * 3).reshape(40, 64, 3).astype(np.uint16)


class Same:
    """A student that changes nothing: what differs in the result is the writer's doing."""

    scale = 1

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return image

    deep = __call__


def sharpened(content: bytes, source: str, out: str, folder: Path) -> Path:
    (folder / source).write_bytes(content)
    return pictures.sharpen_file(folder / source, folder / out, Same())


def saved(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    Image.fromarray(pixels).save(buffer := BytesIO(), kind, **options)
    return buffer.getvalue()


def exif() -> Image.Exif:
    tags = Image.Exif()
    tags[ExifTags.Base.Artist] = "Ada"
    tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] = 400
    return tags


@pytest.mark.parametrize("sampling", [0, 1, 2])
def test_a_jpeg_keeps_its_chroma(sampling: int, tmp_path: Path) -> None:
    content = saved(BARS, "JPEG", quality=95, subsampling=sampling)
    with Image.open(sharpened(content, "in.jpg", "out.jpg", tmp_path)) as opened:
        assert get_sampling(opened) == sampling
        with Image.open(BytesIO(content)) as before:
            error = np.asarray(opened).astype(float) - np.asarray(before)
    assert np.sqrt((error**2).mean()) < 6


def test_what_was_lossless_stays_so(tmp_path: Path) -> None:
    with Image.open(sharpened(saved(BARS, "PNG"), "in.png", "out.jpg", tmp_path)) as opened:
        assert get_sampling(opened) == 0
    for name, content in (("in.webp", saved(BARS, "WEBP", lossless=True)), ("in.png", saved(BARS, "PNG"))):
        with Image.open(sharpened(content, name, f"{name}.webp", tmp_path)) as opened:
            assert np.array_equal(np.asarray(opened), BARS)
    lossy = saved(BARS, "WEBP", quality=80)
    assert b"VP8 " in sharpened(lossy, "lossy.webp", "lossy out.webp", tmp_path).read_bytes()


def test_colour_tags_of_png(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A picture in BT.2020 with PQ looks washed out when its tags are gone."""
    tags = [
        (b"cICP", b"\x09\x10\x00\x01"),
        (b"gAMA", struct.pack(">I", 100_000)),
        (b"cHRM", bytes(range(32))),
    ]
    for pixels in (pngs.write_deep(DEEP), saved(BARS, "PNG")):
        content = pngs.with_chunks(pixels, [*tags, (b"tEXt", b"Author\0Ada")])
        found = list(pngs.chunks(sharpened(content, "in.png", "out.png", tmp_path).read_bytes()))
        assert all(tag in found for tag in tags) and (b"tEXt", b"Author\0Ada") in found
        (tmp_path / "out.png").unlink()
    assert not caplog.messages
    sharpened(content, "in.png", "out.jpg", tmp_path)
    assert len(caplog.messages) == 1
    assert all(word in caplog.text for word in ("out.jpg", "cICP", "gAMA", "cHRM", "texts"))
    caplog.clear()
    plain = pngs.with_chunks(saved(BARS, "PNG"), [(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 45455))])
    sharpened(plain, "plain.png", "plain.jpg", tmp_path)
    assert not caplog.messages


@pytest.mark.parametrize("out", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("source", ["JPEG", "TIFF"])
def test_words_and_density(source: str, out: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = {"exif": exif(), "dpi": (300, 300), "icc_profile": PROFILE}
    if source == "JPEG":
        block = b"Photoshop 3.0\x008BIM\x04\x04\x00\x00" + struct.pack(">I", len(IPTC)) + IPTC
        options |= {"xmp": XMP, "extra": b"\xff\xed" + struct.pack(">H", len(block) + 2) + block}
    else:
        options["exif"][ExifTags.IFD.Exif] = dict(options["exif"].get_ifd(ExifTags.IFD.Exif))
        options["exif"][700], options["exif"][33723] = XMP, IPTC
    made = sharpened(saved(BARS, source, **options), f"in.{source}"[:6], f"out{out}", tmp_path)
    with Image.open(made) as opened:
        found = opened.getexif()
        assert found[ExifTags.Base.Artist] == "Ada"
        assert found.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] == 400
        assert opened.info["icc_profile"] == PROFILE and XMP in opened.info["xmp"]
        if out in (".jpg", ".tif"):
            assert IptcImagePlugin.getiptcinfo(opened)[2, 120] == IPTC[5:]
        if out != ".webp":
            assert opened.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    lost = {".png": ["IPTC"], ".webp": ["IPTC", "DPI"]}.get(out, [])
    assert len(caplog.messages) == bool(lost) and all(word in caplog.text for word in lost)


def test_a_deep_tiff_keeps_profile_words_and_density(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tags = [(700, "B", len(XMP), XMP, True), (33723, "B", len(IPTC), IPTC, True), (315, "s", 0, "Ada", True)]
    tifffile.imwrite(
        tmp_path / "in.tif", DEEP, photometric="rgb", iccprofile=PROFILE, extratags=tags, resolution=(300, 300),
        resolutionunit="INCH",
    )  # fmt: skip
    pictures.sharpen_file(tmp_path / "in.tif", tmp_path / "out.tif", Same())
    with tifffile.TiffFile(tmp_path / "out.tif") as opened:
        page = opened.pages[0]
        assert np.array_equal(page.asarray(), DEEP)
        assert page.tags[34675].value == PROFILE and bytes(page.tags[700].value) == XMP
        assert bytes(page.tags[33723].value) == IPTC and page.tags[315].value == "Ada"
        assert page.tags[282].value == (300, 1) and page.tags[296].value == 2
    assert not caplog.messages
    pictures.sharpen_file(tmp_path / "in.tif", tmp_path / "out.png", Same())
    with Image.open(tmp_path / "out.png") as opened:
        assert opened.info["icc_profile"] == PROFILE and opened.info["dpi"] == pytest.approx(
            (300, 300), abs=0.1
        )
    back = pictures.sharpen_file(tmp_path / "out.png", tmp_path / "back.tif", Same())
    assert np.array_equal(tifffile.imread(back), DEEP)


def test_a_profile_of_grey_stays_with_grey(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = saved(BARS[..., 0], "PNG", icc_profile=GREY_PROFILE)
    for name, kept in (("a.png", True), ("a.jpg", True), ("a.webp", False)):
        with Image.open(sharpened(content, "in.png", name, tmp_path)) as opened:
            assert (opened.info.get("icc_profile") == GREY_PROFILE) == kept
    assert len(caplog.messages) == 1 and "profile of grey" in caplog.text
    coloured = saved(BARS, "PNG", icc_profile=GREY_PROFILE)
    with Image.open(sharpened(coloured, "colour.png", "b.png", tmp_path)) as opened:
        assert "icc_profile" not in opened.info


def test_grey_with_transparency_of_sixteen_bits(tmp_path: Path) -> None:
    content = pngs.with_chunks(pngs.write_deep(DEEP[..., :1]), [(b"tRNS", struct.pack(">H", DEEP[3, 4, 0]))])
    made = sharpened(content, "in.png", "out.png", tmp_path)
    pixels = pngs.read_deep(made.read_bytes())
    seen = pixels[..., 1] > 0  # where nothing is seen, any value will do
    assert np.array_equal(pixels[seen, 0], DEEP[seen, 0]) and (pixels[3, 4, 1], pixels[0, 0, 1]) == (0, 65535)
    back = pictures.sharpen_file(made, tmp_path / "out.tif", Same())
    assert np.array_equal(tifffile.imread(back), pixels)


@pytest.mark.parametrize("name", ["out.jpg", "out.webp"])
def test_what_a_format_cannot_hold_is_said_before_the_work(name: str, tmp_path: Path) -> None:
    class Enlarges(Same):
        scale = 4

        def __call__(self, image: np.ndarray) -> np.ndarray:
            raise AssertionError("the work was begun")

    (tmp_path / "long.png").write_bytes(saved(np.zeros((2, 16_400, 3), np.uint8), "PNG"))
    with pytest.raises(KdsharpError, match=r"65600x8 pixels.*\.png"):
        pictures.sharpen_file(tmp_path / "long.png", tmp_path / name, Enlarges())
    assert pictures.sharpen_file(tmp_path / "long.png", tmp_path / "out.png", Same()).exists()


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_the_largest_sides_are_those_of_the_libraries(form: str) -> None:
    most = writing.LARGEST[form]
    assert saved(np.zeros((1, most, 3), np.uint8), form)
    with pytest.raises(Exception, match=r"."):
        saved(np.zeros((1, most + 1, 3), np.uint8), form)


def test_large_words_do_not_stop_a_jpeg(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = pngs.with_chunks(saved(BARS, "PNG"), [(b"eXIf", b"MM\0*" + bytes(70_000))])
    with Image.open(sharpened(content, "in.png", "out.jpg", tmp_path)) as opened:
        assert opened.size == (64, 40)
    assert "exif" in caplog.text


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("name", ["call-s", "x2-s"])
def test_hidden_colours_draw_no_fringe(name: str, soft: bool, tmp_path: Path) -> None:
    """A red disc, shaded from side to side, on transparent black stays what it was up to its edge."""
    down, across = np.mgrid[:64, :64]
    alpha = np.clip(20.5 - np.hypot(down - 32, across - 32), 0, 1)
    alpha = (255 * (alpha if soft else np.round(alpha))).astype(np.uint8)
    shaded = np.dstack([160 + across, 30 + across, 10 + across])
    pixels = np.dstack([np.where(alpha[..., None] > 0, shaded, 0), alpha]).astype(np.uint8)
    (tmp_path / "in.png").write_bytes(saved(pixels, "PNG"))
    student = sharpen.load_student(name, engine="onnx")
    shown = cv2.resize(shaded.astype(np.float32), None, fx=student.scale, fy=student.scale)
    with Image.open(pictures.sharpen_file(tmp_path / "in.png", tmp_path / "out.png", student)) as opened:
        result = np.asarray(opened).astype(int)
    seen = result[..., 3] > 0
    assert np.abs(result[..., :3] - shown)[seen].max() <= 20
    deep = pictures.Picture(pixels[..., :3].astype(np.uint16) * 257, alpha.astype(np.uint16) * 257)
    made = pictures.sharpened(deep, student)
    assert np.abs(made.colours / 257 - shown)[made.alpha > 0].max() <= 20


def test_iccp_can_be_unpacked() -> None:
    """The profile in PNG is packed, as the standard wants it."""
    extras = pictures.Extras(profile=PROFILE)
    content = pictures.encode(pictures.Picture(BARS, extras=extras), ".png")
    body = dict(pngs.chunks(content))[b"iCCP"]
    assert zlib.decompress(body.partition(b"\0")[2][1:]) == PROFILE
