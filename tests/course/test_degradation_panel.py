"""The panel that spoils a photograph: its presets, its code, a photograph of one's own, and what is pinned."""

import dataclasses
import re
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import cv2
import ipywidgets as widgets
import numpy as np
import pytest
import torch
from driving import drive
from PIL import Image

import kdsharp
from kdsharp import data, degradation, evaluate
from kdsharp.course import panels
from kdsharp.course.panels.degradation import spectrum
from kdsharp.course.panels.panel import Panel
from kdsharp.course.panels.spoiling import blur_kernel, spoil
from kdsharp.degradation import codecs
from kdsharp.errors import KdsharpError
from kdsharp.evaluate.score_card import CALLS

SIDE = 96


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return data.read_image(data.embedded_photos("val")[0])[:256, :256]


@pytest.fixture
def panel() -> Panel:
    return panels.degradation_panel(data.embedded_photos("val")[:2], side=SIDE)


def press(panel: Panel, name: str) -> None:
    (button,) = (one for one in panel.buttons if one.description == name)
    button.click()


def upload(panel: Panel, name: str, content: bytes) -> None:
    (field,) = (one for one in panel.buttons if isinstance(one, widgets.FileUpload))
    given = {"name": name, "type": "", "size": len(content), "content": content}
    field.set_trait("value", (given | {"last_modified": datetime.now(UTC)},))


def holds(page: np.ndarray, picture: np.ndarray) -> bool:
    """Whether a picture is to be seen on a page, pixel by pixel."""
    height, width = picture.shape[:2]
    places = np.lib.stride_tricks.sliding_window_view(page, (1, width, 3))[:, :, 0, 0]
    tops, lefts = np.nonzero((places == picture[0]).all(axis=(-2, -1)))
    return any(
        np.array_equal(page[top : top + height, left : left + width], picture)
        for top, left in zip(tops, lefts, strict=True)
    )


def coded(image: np.ndarray, form: str = "PNG", **options) -> bytes:
    written = BytesIO()
    Image.fromarray(image).save(written, form, **options)
    return written.getvalue()


@pytest.mark.heavy
def test_it_follows_every_slider(panel: Panel) -> None:
    panel.choose(blur="gaussian")
    drive(panel)
    panel.controls["codec"].value = "none"
    assert "coded size -" in panel.text.value


@pytest.mark.parametrize("name", CALLS)
def test_presets_are_the_calls_of_the_score_card(panel: Panel, name: str) -> None:
    panel.choose(blur="motion", noise=9, mode="bicubic", quality=10)
    press(panel, name)
    assert eval(panel.code, {"kdsharp": kdsharp}) == CALLS[name]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"shrink": 1.0, "quality": 20},
        {"blur": "gaussian", "amount": 1.5, "noise": 4, "mode": "bicubic"},
        {"blur": "motion", "amount": 3.0},
        {"codec": "WebP (VP8)", "quality": 30},
        {"codec": "none", "shrink": 3.0},
    ],
)
def test_its_code_makes_the_picture_that_it_shows(panel: Panel, settings: dict) -> None:
    panel.choose(down=50, **settings)
    original = data.centre(data.read_image(data.embedded_photos("val")[0]), SIDE)
    names = {"kdsharp": kdsharp, "dataclasses": dataclasses, "panels": panels, "photo": original}
    made = eval(panel.code, names)
    if not isinstance(made, np.ndarray):
        made = degradation.degrade_picture(original, made)[1]
    told = re.search(r"PSNR-Y ([\d.]+) dB, SSIM ([\d.]+)", panel.text.value).groups()
    assert told == (f"{evaluate.psnr(made, original):.2f}", f"{evaluate.ssim(made, original):.4f}")


def test_a_pinned_picture_stays_beside_the_next(panel: Panel) -> None:
    panel.choose(down=50)
    press(panel, "severe")
    before = panel.text.value
    original = data.centre(data.read_image(data.embedded_photos("val")[0]), SIDE)
    severe = spoil(original, "none", 1.0, 3.0, "area", 0, "JPEG", 50)[0]
    panel.pin_button.value = True
    press(panel, "mild")
    assert panel.text.value.endswith(f"pinned: {before}") and not panel.text.value.startswith(before)
    page = np.array(Image.open(BytesIO(panel.picture.value)).convert("RGB"))
    assert holds(page, severe)


def test_a_photograph_of_ones_own_is_shown_upright_and_no_larger_than_a_frame(panel: Panel) -> None:
    large = np.zeros((2400, 3000, 3), np.uint8)
    large[:, 1500:] = 200
    upload(panel, "mine.jpg", coded(large, "JPEG"))
    assert panel.values["photo"] == Path("mine.jpg") and "PSNR-Y" in panel.text.value
    panel.choose(across=100, down=0, codec="none", shrink=1.0)
    page = np.array(Image.open(BytesIO(panel.picture.value)).convert("RGB"))
    assert (
        cv2.matchTemplate(page, np.full((SIDE, SIDE, 3), 200, np.uint8), cv2.TM_SQDIFF).min()
        < SIDE * SIDE * 3 * 4
    )
    panel.reset()
    assert panel.values["photo"] == data.embedded_photos("val")[0]
    names = [name for name, _ in panel.controls["photo"].options]
    assert names[-1] == "mine.jpg"


def test_odd_files_are_one_sentence_and_the_picture_stays(panel: Panel) -> None:
    seen, tiny = panel.picture.value, np.zeros((8, 8, 3), np.uint8)
    film = BytesIO()
    Image.new("L", (64, 64)).save(film, "GIF", save_all=True, append_images=[Image.new("L", (64, 64), 9)])
    for name, content, said in [
        ("notes.txt", b"no picture", "notes.txt is not a picture that can be read"),
        ("cut.png", coded(np.zeros((64, 64, 3), np.uint8))[:60], "cut.png"),
        ("<b>.png", coded(tiny), "&lt;b&gt;.png has 8x8 pixels: give a photograph of at least 32x32."),
        ("film.gif", film.getvalue(), "film.gif holds several pictures"),
    ]:
        upload(panel, name, content)
        assert said in panel.text.value and panel.text.value.count(". ") == 0
        assert panel.picture.value == seen and panel.values["photo"] == data.embedded_photos("val")[0]


def test_an_uploaded_file_can_be_replaced_by_another_of_its_name(panel: Panel) -> None:
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(2):
        upload(panel, "mine.png", coded(rng.integers(0, 256, (200, 200, 3), np.uint8)))
        seen.add(panel.picture.value)
    assert len(seen) == 2


def test_nothing_spoilt_is_the_photograph_itself(photo: np.ndarray) -> None:
    spoilt, kernel, size = spoil(photo, "none", 1.0, 1.0, "area", 0, "none", 50)
    assert np.array_equal(spoilt, photo) and size == 0 and kernel.sum() == 1


@pytest.mark.parametrize("blur", ["gaussian", "motion", "defocus", "sinc"])
def test_stronger_blur_passes_fewer_high_frequencies(blur: str) -> None:
    shares = []
    for amount in (1.5, 3.0, 6.0):
        response = torch.fft.fft2(blur_kernel(blur, amount)[0], s=(64, 64)).abs()
        assert response[0, 0] == pytest.approx(1, abs=1e-4)  # brightness stays
        shares.append(response.mean().item())
    assert shares[0] > shares[1] > shares[2]


def test_spectrum_finds_a_wave_where_it_is() -> None:
    wave = 128 + 100 * np.sin(2 * np.pi * 8 * np.arange(64) / 64)
    picture = np.repeat(np.tile(wave, (64, 1))[..., None], 3, axis=2).astype(np.uint8)
    row, column = np.unravel_index(spectrum(picture).argmax(), (64, 64))
    assert row == 32 and abs(column - 32) == 8


@pytest.mark.parametrize("codec", codecs.available())
def test_codecs_cost_more_bytes_and_lose_less_at_higher_quality(photo: np.ndarray, codec: str) -> None:
    low, few = codecs.code(photo, codec, 10)
    high, many = codecs.code(photo, codec, 90)
    assert few < many and low.shape == high.shape == photo.shape
    errors = [np.abs(coded.astype(int) - photo).mean() for coded in (low, high)]
    assert errors[1] < errors[0] < 30


def test_unknown_codec_is_one_sentence(photo: np.ndarray) -> None:
    with pytest.raises(KdsharpError, match="There is no codec 'HEIC' here; choose one of JPEG"):
        codecs.code(photo, "HEIC", 50)
