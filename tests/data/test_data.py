"""Pictures of every kind come in as upright 8-bit RGB, or are named in one sentence."""

import logging
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from kdsharp import data
from kdsharp.errors import KdsharpError

RAMP = np.tile(np.arange(0, 240, 3, dtype=np.uint8), (70, 1))  # (70, 80)


def test_grey_becomes_three_equal_planes(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "grey.png")
    assert np.array_equal(data.read_image(tmp_path / "grey.png"), np.repeat(RAMP[..., None], 3, axis=2))


@pytest.mark.parametrize("colour", [False, True])
def test_16_bit_keeps_its_brightness(tmp_path: Path, colour: bool) -> None:
    values = RAMP.astype(np.uint16) * 257
    stored = np.repeat(values[..., None], 3, axis=2) if colour else values
    cv2.imwrite(str(tmp_path / "deep.png"), stored)
    assert np.abs(data.read_image(tmp_path / "deep.png").astype(int) - RAMP[..., None]).max() <= 1


def test_cmyk_jpeg_looks_as_it_did(tmp_path: Path, picture: np.ndarray) -> None:
    Image.fromarray(picture).convert("CMYK").save(tmp_path / "print.jpg", quality=98)
    read = data.read_image(tmp_path / "print.jpg")
    assert read.shape == picture.shape and np.abs(read.astype(int) - picture).mean() < 3


def test_alpha_is_laid_over_white(tmp_path: Path) -> None:
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[:, 32:, 3] = 255  # black, left half transparent
    Image.fromarray(rgba).save(tmp_path / "alpha.png")
    read = data.read_image(tmp_path / "alpha.png")
    assert (read[:, :32] == 255).all() and (read[:, 32:] == 0).all()


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter to the right when shown
    Image.fromarray(RAMP).save(tmp_path / "turned.jpg", exif=exif)
    assert data.read_image(tmp_path / "turned.jpg").shape == (80, 70, 3)


@pytest.mark.parametrize("name", ["text.png", "cut.png", "missing.png"])
def test_bad_files_are_named_in_one_sentence(tmp_path: Path, name: str) -> None:
    if name == "text.png":
        (tmp_path / name).write_text("I am no picture")
    elif name == "cut.png":
        noise = np.random.default_rng(0).integers(0, 255, (90, 90, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / name)
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:9000])
    with pytest.raises(KdsharpError) as error:
        data.read_image(tmp_path / name)
    assert name in str(error.value) and "\n" not in str(error.value)


def test_a_single_pixel_is_read(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (9, 8, 7)).save(tmp_path / "dot.png")
    assert data.read_image(tmp_path / "dot.png").tolist() == [[[9, 8, 7]]]


def test_folder_skips_and_names_what_it_cannot_use(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Image.fromarray(RAMP).save(tmp_path / "good.png")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    (tmp_path / "text.png").write_text("no")
    (tmp_path / "notes.txt").write_text("ignored")
    with caplog.at_level(logging.WARNING):
        assert [path.name for path in data.list_photos(tmp_path)] == ["good.png"]
    assert len(caplog.messages) == 2
    assert "dot.png" in caplog.text and "text.png" in caplog.text


@pytest.mark.parametrize("make", [False, True])
def test_missing_or_empty_folder(tmp_path: Path, make: bool) -> None:
    folder = tmp_path / "photos"
    if make:
        folder.mkdir()
    with pytest.raises(KdsharpError, match="photos"):
        data.list_photos(folder)


def test_tensor_round_trip_is_exact(picture: np.ndarray) -> None:
    tensor = data.to_tensor(picture)
    assert tensor.shape == (1, 3, *picture.shape[:2]) and 0 <= tensor.min() <= tensor.max() <= 1
    assert np.array_equal(data.to_image(tensor), picture)


def test_write_png_is_lossless_and_other_names_are_refused(tmp_path: Path, picture: np.ndarray) -> None:
    assert np.array_equal(data.read_image(data.write_image(tmp_path / "a.png", picture)), picture)
    with pytest.raises(KdsharpError, match=r"a\.gif"):
        data.write_image(tmp_path / "a.gif", picture)


def test_embedded_splits_share_no_photo() -> None:
    train, val = data.embedded_photos("train"), data.embedded_photos("val")
    assert train and val and not set(train) & set(val)
    assert min(data.read_image(path).shape[0] for path in train + val) >= 192


def test_div2k_from_a_zip_and_from_a_folder(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "0001.png")
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as opened:
        opened.write(tmp_path / "0001.png", "DIV2K_train_HR/0001.png")
    from_zip = data.div2k("train", tmp_path / "mine.zip")
    assert [path.name for path in from_zip] == ["0001.png"]
    assert data.div2k("train", from_zip[0].parent) == from_zip
    with pytest.raises(KdsharpError, match="no split"):
        data.div2k("test")


def test_holdout_splits_without_overlap() -> None:
    photos = [Path(f"{number}.png") for number in range(10)]
    train, val = data.holdout(photos, 3)
    assert len(val) == 3 and sorted(train + val) == sorted(photos)
    with pytest.raises(KdsharpError):
        data.holdout(photos, 10)
