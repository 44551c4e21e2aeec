"""Picture files through a student: what a file held besides its colours is kept, and nothing is lost on the way."""

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, features

from kdsharp import data
from kdsharp.apps import batch, pictures
from kdsharp.apps.cli import main
from kdsharp.deploy import Sharpener, load_student
from kdsharp.disk import files
from kdsharp.errors import KdsharpError

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return data.read_image(data.embedded_photos("val")[0])[:96, :120]


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112], tags[0x010F] = orientation, "A camera"
    return tags.tobytes()


def read(path: Path) -> np.ndarray:
    with Image.open(path) as opened:
        return np.array(opened)


def files_in(folder: Path) -> list[Path]:
    """Without the hidden one by which a run keeps others out."""
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_profile_and_exif_are_kept_and_pixels_are_not_turned(
    suffix: str, photo: np.ndarray, student: Sharpener, tmp_path: Path
) -> None:
    source, out = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    options = {"quality": 100, "lossless": True} if suffix == ".webp" else {}
    Image.fromarray(photo).save(source, icc_profile=PROFILE, exif=exif(6), **options)
    pictures.sharpen_file(source, out, student)
    with Image.open(out) as opened:
        assert opened.info["icc_profile"] == PROFILE and opened.getexif()[0x010F] == "A camera"
        if suffix != ".tif":  # which Pillow turns upright as it reads
            assert opened.size == (120, 96) and opened.getexif()[0x0112] == 6
    shown, before = data.read_image(out), data.read_image(source)  # as a viewer turns them
    assert shown.shape == before.shape == (120, 96, 3)
    assert np.abs(shown.astype(int) - before).mean() < 8
    if suffix == ".png":
        assert np.array_equal(read(out), student(photo))


def test_alpha_and_grey_are_kept(photo: np.ndarray, student: Sharpener, tmp_path: Path) -> None:
    alpha = np.linspace(1, 255, photo[..., 0].size).reshape(photo.shape[:2]).astype(np.uint8)
    Image.fromarray(np.dstack([photo, alpha])).save(tmp_path / "rgba.png")
    pictures.sharpen_file(tmp_path / "rgba.png", tmp_path / "a.png", student)
    assert np.array_equal(read(tmp_path / "a.png")[..., 3], alpha)
    assert np.array_equal(read(tmp_path / "a.png")[..., :3], student(photo))
    grey = Image.fromarray(photo).convert("L")
    grey.save(tmp_path / "grey.png")
    pictures.sharpen_file(tmp_path / "grey.png", tmp_path / "g.png", student)
    result = read(tmp_path / "g.png")
    assert result.ndim == 2 and np.array_equal(result, student(np.array(grey.convert("RGB")))[..., 0])
    with pytest.raises(KdsharpError, match="transparency"):
        pictures.sharpen_file(tmp_path / "rgba.png", tmp_path / "a.jpg", student)
    assert not (tmp_path / "a.jpg").exists()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("kind", ["colour", "grey", "alpha"])
def test_sixteen_bits_stay_sixteen(
    suffix: str, kind: str, photo: np.ndarray, student: Sharpener, tmp_path: Path
) -> None:
    """The network hardly touches a smooth ramp: its 65 thousand levels must not become 256."""
    ramp = np.linspace(20_000, 40_000, 96 * 120).reshape(96, 120).astype(np.uint16)
    pixels = {"grey": ramp, "colour": np.dstack([ramp] * 3), "alpha": np.dstack([ramp] * 4)}[kind]
    assert cv2.imwrite(str(tmp_path / f"in{suffix}"), pixels)
    pictures.sharpen_file(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}", student)
    result = cv2.imread(str(tmp_path / f"out{suffix}"), cv2.IMREAD_UNCHANGED)
    assert result.dtype == np.uint16 and result.shape == pixels.shape
    assert len(np.unique(result)) > 5000 and np.abs(result.astype(int) - pixels)[8:-8, 8:-8].max() < 800
    if kind == "alpha":
        assert np.array_equal(result[..., 3], ramp)
    with pytest.raises(KdsharpError, match="16 bits"):
        pictures.sharpen_file(tmp_path / f"in{suffix}", tmp_path / "out.jpg", student)


def test_sixteen_bits_agree_with_eight(photo: np.ndarray, student: Sharpener) -> None:
    deep = student.deep(photo.astype(np.uint16) * 257)
    assert np.abs(deep / 257 - student(photo)).max() <= 2.01  # bytes are rounded on the way in, too
    upscaler = load_student("x4-s", engine="onnx")
    assert np.abs(upscaler.deep(photo.astype(np.uint16) * 257) / 257 - upscaler(photo)).max() <= 3.01


def test_a_deep_profile_is_kept(student: Sharpener, tmp_path: Path) -> None:
    ramp = np.dstack([np.linspace(0, 65535, 4096).reshape(64, 64).astype(np.uint16)] * 3)
    kinds = [cv2.IMAGE_METADATA_ICCP, cv2.IMAGE_METADATA_EXIF]
    extras = [np.frombuffer(PROFILE, np.uint8), np.frombuffer(exif(3)[6:], np.uint8)]
    (tmp_path / "in.png").write_bytes(cv2.imencodeWithMetadata(".png", ramp, kinds, extras)[1].tobytes())
    pictures.sharpen_file(tmp_path / "in.png", tmp_path / "out.png", student)
    with Image.open(tmp_path / "out.png") as opened:
        assert opened.info["icc_profile"] == PROFILE and opened.getexif()[0x0112] == 3


def test_tiles_leave_no_seam(
    photo: np.ndarray, student: Sharpener, three_halves: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = data.read_image(data.embedded_photos("val")[0])[:301, :407]
    for name in ("call-s", "x4-s", three_halves):
        ready = load_student(name, engine="onnx")
        expected = ready(whole)
        monkeypatch.setattr(pictures, "TILE", 96)
        monkeypatch.setattr(pictures, "CONTEXT", 32)
        tiled = pictures.sharpened(pictures.Picture(whole), ready).colours
        assert np.abs(tiled.astype(int) - expected).max() <= 1
        monkeypatch.undo()


def test_no_tile_is_left_alone_beside_one_that_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the picture is soft and asks for a student, half is good: restraint judges both together, or neither."""
    picture = data.read_image(data.embedded_photos("val")[0])[:320, :448].copy()
    small = cv2.resize(picture[:, :200], (100, 160), interpolation=cv2.INTER_AREA)
    picture[:, :200] = cv2.resize(small, (200, 320), interpolation=cv2.INTER_LINEAR)
    ready = load_student("call-s", engine="onnx")
    left, right = (np.ascontiguousarray(part) for part in (picture[:, :200], picture[:, 224:]))
    assert not np.array_equal(ready(left), left) and np.array_equal(ready(right), right)
    whole = ready(picture)
    monkeypatch.setattr(pictures, "TILE", 96)
    monkeypatch.setattr(pictures, "CONTEXT", 32)
    tiled = pictures.sharpened(pictures.Picture(picture), ready).colours
    assert np.abs(tiled.astype(int) - whole).max() <= 1
    deep = pictures.sharpened(pictures.Picture(picture.astype(np.uint16) * 257), ready).colours
    assert np.abs(deep / 257 - whole).max() <= 2


def test_strength_blends(photo: np.ndarray, student: Sharpener) -> None:
    one = pictures.Picture(photo)
    assert np.array_equal(pictures.sharpened(one, student, 0.0).colours, photo)
    half = pictures.sharpened(one, student, 0.5).colours.astype(float)
    assert np.abs(half - (photo.astype(float) + student(photo)) / 2).max() <= 0.5
    with pytest.raises(KdsharpError, match="between 0"):
        pictures.sharpened(one, student, 1.5)


def test_a_folder_is_taken_up_where_it_was(
    photo: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    for name in ("a.png", "deep/er/ü b.jpg", "c.bmp"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo).save(source / name)
    (source / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n no")
    (source / "notes.txt").write_text("no picture")
    assert main(["sharpen", str(source), str(out), "--jobs", "3"]) == 1
    made = {str(path.relative_to(out)): path.stat().st_mtime_ns for path in files_in(out)}
    assert set(made) == {"a.png", "deep/er/ü b.jpg", "c.bmp.png"}
    assert "broken.png" in caplog.text and "1 pictures could not" in capsys.readouterr().out
    (out / "a.png").unlink()
    (source / "broken.png").unlink()
    assert main(["sharpen", str(source), str(out)]) == 0
    again = {str(path.relative_to(out)): path.stat().st_mtime_ns for path in files_in(out)}
    assert {name for name in made if again[name] != made[name]} == {"a.png"}
    assert main(["sharpen", str(source), str(out), "--force"]) == 0
    assert (out / "c.bmp.png").stat().st_mtime_ns != made["c.bmp.png"]
    assert main(["sharpen", str(source), str(source / "inside")]) == 2


def test_a_folder_of_everything(
    photo: np.ndarray, student: Sharpener, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two files never become one, hidden ones are passed over, and what is left out is said."""
    source, out = tmp_path / "in", tmp_path / "out"
    (source / "__MACOSX").mkdir(parents=True)
    Image.fromarray(photo).save(source / "c.bmp")
    Image.fromarray(photo[:40]).save(source / "c.bmp.png")
    Image.fromarray(photo).save(source / "x.jfif", "JPEG")
    made = {"c.bmp.png": (40, 120), "c.bmp.2.png": (96, 120), "x.jfif": (96, 120)}
    if features.check("avif"):
        Image.fromarray(photo).save(source / "still.avif")
        made["still.avif.png"] = (96, 120)
    for name in ("._x.png", ".hidden.jpg", "__MACOSX/c.png"):
        (source / name).write_bytes(b"Mac OS X")
    for name in ("ani.gif", "new.heic", "clip.mp4", "clip.TS"):
        (source / name).write_bytes(b"something else")
    assert batch.sharpen_folder(source, out, student) == []
    assert {path.name: read(path).shape[:2] for path in files_in(out)} == made
    assert len(caplog.messages) == 1
    assert all(name in caplog.text for name in ("ani.gif", "new.heic", "clip.mp4", "clip.TS"))


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("from three libraries down\nat 0x0"), OSError(36, "x")]
)
def test_one_bad_picture_does_not_end_a_folder(photo: np.ndarray, tmp_path: Path, error: Exception) -> None:
    class Fails:
        scale = 1

        def __call__(self, image: np.ndarray) -> np.ndarray:
            if len(image) == 40:
                raise error
            return image

    (tmp_path / "in").mkdir()
    for name, rows in (("a.png", 96), ("b.png", 40), ("c.png", 95)):
        Image.fromarray(photo[:rows]).save(tmp_path / "in" / name)
    (problem,) = batch.sharpen_folder(tmp_path / "in", tmp_path / "out", Fails())
    assert "b.png" in problem and "\n" not in problem and problem.endswith(".")
    assert {path.name for path in files_in(tmp_path / "out")} == {"a.png", "c.png"}
    with pytest.raises(KdsharpError, match=r"b\.png"):
        pictures.sharpen_file(tmp_path / "in" / "b.png", tmp_path / "b.png", Fails())


@pytest.mark.parametrize(
    "wrong", [{"strength": float("nan")}, {"strength": -0.1}, {"jobs": 0}, {"jobs": 10**9}]
)
def test_numbers_out_of_range_are_said_once(
    photo: np.ndarray, student: Sharpener, tmp_path: Path, wrong: dict
) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(photo).save(tmp_path / "in" / "a.png")
    with pytest.raises(KdsharpError, match="between"):
        batch.sharpen_folder(tmp_path / "in", tmp_path / "out", student, **wrong)
    assert not (tmp_path / "out").exists()


def test_one_run_a_folder(photo: np.ndarray, student: Sharpener, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(photo).save(tmp_path / "in" / "a.png")
    with files.only_one(tmp_path / "out"), pytest.raises(KdsharpError, match="Another run"):
        batch.sharpen_folder(tmp_path / "in", tmp_path / "out", student)
    assert batch.sharpen_folder(tmp_path / "in", tmp_path / "out", student) == []


def test_long_names(photo: np.ndarray, student: Sharpener, tmp_path: Path) -> None:
    """A name may have 255 bytes: what is written meanwhile needs another, and `.png` may not fit behind it."""
    (tmp_path / "in").mkdir()
    names = ("é" * 125 + ".png", "b" * 251 + ".bmp", "b" * 251 + ".png")
    for name in names:
        Image.fromarray(photo).save(tmp_path / "in" / name)
    problems = batch.sharpen_folder(tmp_path / "in", tmp_path / "out", student)
    assert {path.name for path in files_in(tmp_path / "out")} == {names[0], names[2]}
    assert len(problems) == 1 and names[1] in problems[0]
    with pytest.raises(KdsharpError, match="long"):
        pictures.sharpen_file(tmp_path / "in" / names[0], tmp_path / ("x" * 300 + ".png"), student)


def test_nothing_is_overwritten_unless_asked(photo: np.ndarray, tmp_path: Path) -> None:
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    data.write_image(source, photo)
    out.write_bytes(b"precious")
    assert main(["sharpen", str(source), str(out)]) == 2 and out.read_bytes() == b"precious"
    assert main(["sharpen", str(source), str(source), "--force"]) == 2
    assert np.array_equal(data.read_image(source), photo)
    assert main(["sharpen", str(source), str(out), "--force"]) == 0
    assert data.read_image(out).shape == photo.shape
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.png", "out.png"]


@pytest.mark.parametrize("kind", ["animated", "truncated", "text", "cmyk", "palette", "one pixel"])
def test_odd_files(kind: str, photo: np.ndarray, student: Sharpener, tmp_path: Path) -> None:
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    image = Image.fromarray(photo)
    if kind == "animated":
        image.save(source, save_all=True, append_images=[image.rotate(90)])
    elif kind == "truncated":
        buffer = BytesIO()
        image.save(buffer, "PNG")
        source.write_bytes(buffer.getvalue()[:-2000])
    elif kind == "text":
        source.write_text("not a picture")
    elif kind == "cmyk":
        image.convert("CMYK").save(source, "TIFF")
    elif kind == "palette":
        image.convert("P").save(source)
    else:
        image.crop((0, 0, 1, 1)).save(source)
    if kind in ("animated", "truncated", "text"):
        with pytest.raises(KdsharpError, match=r"in\.png"):
            pictures.sharpen_file(source, out, student)
        assert not out.exists()
    else:
        pictures.sharpen_file(source, out, student)
        assert data.read_image(out).shape == data.read_image(source).shape


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "I;16"])
def test_a_picture_is_enlarged_by_three_halves(
    mode: str, photo: np.ndarray, three_halves: Path, tmp_path: Path
) -> None:
    """By the command line, with odd sides, alpha, grey and 16 bits; half the strength is half of the way."""
    image = Image.fromarray(photo[:95, :119]).convert("L" if mode == "I;16" else mode)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(photo[:95, :119, 0] | 1))
    if mode == "I;16":
        image = Image.fromarray(np.array(image).astype(np.uint16) * 257)
    image.save(tmp_path / "in.png")
    command = ["sharpen", str(tmp_path / "in.png"), "--student", str(three_halves), "--engine", "onnx"]
    for name, more in (("out", []), ("half", ["--strength", "0.5"])):
        assert main([*command, *more, str(tmp_path / f"{name}.png")]) == 0
        with Image.open(tmp_path / f"{name}.png") as opened:
            assert opened.size == (179, 143) and opened.mode == mode
    found, half, before = (read(tmp_path / f"{name}.png").astype(int) for name in ("out", "half", "in"))
    even = np.pad(before.astype(np.float32), ((0, 1), (0, 1), (0, 0))[: before.ndim], mode="edge")
    larger = cv2.resize(even, (180, 144), interpolation=cv2.INTER_CUBIC)[:143, :179]
    unit = 257 if mode == "I;16" else 1
    assert np.abs(half - (found + larger) / 2).max() <= 2 * unit
    assert np.abs(found - larger).mean() < 12 * unit  # an untrained network, but the same picture
