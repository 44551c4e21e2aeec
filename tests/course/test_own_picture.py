"""The reader's own picture: whatever is given, it is compared or one sentence says why not, and nothing is lost."""

import base64
import json
from io import BytesIO

import cv2
import numpy as np
import pytest
from IPython import display
from PIL import Image

import kdsharp
from kdsharp.course import panels
from kdsharp.course.panels.own_picture import OwnPicture
from kdsharp.errors import KdsharpError

NOISE = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return kdsharp.read_image(kdsharp.embedded_photos("val")[0])


def halved(original: np.ndarray) -> dict[str, np.ndarray]:
    return {"halved": original // 2, "original": original}


@pytest.fixture
def panel(photo: np.ndarray) -> OwnPicture:
    return panels.own_picture(halved, photo[:128, :128])


def png(image: np.ndarray, **options) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG", **options)
    return buffer.getvalue()


def hand_over(panel: OwnPicture, content: bytes, name: str = "mine.png") -> None:
    """As the page does."""
    panel.text.value = json.dumps({"name": name, "png": base64.b64encode(content).decode()})


def test_without_anything_given_it_is_the_samples_comparison(panel, photo: np.ndarray) -> None:
    assert np.array_equal(panel.pictures["original"], photo[:128, :128]) and "the sample" in panel.said.value
    plain = panels.comparison_viewer(halved(photo[:128, :128]))
    assert panel.viewer.png == plain.png


def test_what_is_shown_is_replaced_when_a_picture_is_given(
    panel, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, handle = [], display.DisplayHandle("mine")

    def keep(made: object, display_id: bool = False, **_options: object) -> display.DisplayHandle | None:
        shown.append(made)
        return handle if display_id else None

    monkeypatch.setattr(display, "display", keep)
    monkeypatch.setattr(handle, "update", shown.append)
    panel._ipython_display_()
    page, box, viewer = shown
    assert "Use the camera" in page["text/html"] and page["text/plain"] == ""
    assert box is panel.box and viewer is panel.viewer
    panel.give(png(photo[:90, :80]), "mine.png")
    assert shown[3:] == [panel.viewer] and shown[3] is not viewer


def test_what_the_page_hands_over_is_compared_and_the_text_is_empty_again(panel, photo: np.ndarray) -> None:
    hand_over(panel, png(photo[100:300, 100:401]))
    assert np.array_equal(panel.pictures["original"], photo[100:300, 100:401])
    assert panel.text.value == "" and "mine.png, 301x200" in panel.said.value
    hand_over(panel, png(photo[100:300, 100:401]))
    assert panel.text.value == ""


@pytest.mark.parametrize("seven", [False, True])
def test_the_upload_widget_of_both_versions(panel, photo: np.ndarray, seven: bool) -> None:
    content = png(photo[:100, :90])
    held = {"a.png": {"content": content}} if seven else ({"name": "a.png", "content": memoryview(content)},)
    panel._uploaded({"new": held})
    assert np.array_equal(panel.pictures["original"], photo[:100, :90])


def test_a_turned_picture_is_upright(panel, photo: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees, clockwise
    panel.give(png(photo[:100, :160], exif=exif), "phone.png")
    assert np.array_equal(panel.pictures["original"], np.rot90(photo[:100, :160], -1))


def test_alpha_lies_over_white_and_sixteen_bits_are_rounded(panel, photo: np.ndarray) -> None:
    part = photo[:100, :100]
    clear = np.dstack([part, np.repeat(np.repeat(np.array([[0, 255]], np.uint8), 100, 0), 50, 1)])
    panel.give(png(clear), "alpha.png")
    assert panel.pictures["original"][:, :50].min() == 255
    assert np.array_equal(panel.pictures["original"][:, 50:], part[:, 50:])
    deep = cv2.imencode(".png", part[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    panel.give(deep, "deep.png")
    assert np.array_equal(panel.pictures["original"], part)


@pytest.mark.heavy
def test_fifty_megapixels_are_shrunk(panel) -> None:
    buffer = BytesIO()
    Image.new("RGB", (8660, 5774), (200, 30, 60)).save(buffer, "JPEG")
    panel.give(buffer.getvalue(), "large.jpg")
    assert panel.pictures["original"].shape == (683, 1024, 3)
    assert np.abs(panel.pictures["original"].astype(int) - (200, 30, 60)).max() <= 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"Dear diary,\n", "not a picture that can be read"),
        (b"", "not a picture that can be read"),
        (png(np.zeros((9, 200, 3), np.uint8)), "has 200x9 pixels: give a picture of 64 or more a side"),
        (png(NOISE)[:-9000], "damaged"),
    ],
)
def test_what_is_no_picture_gets_a_sentence_and_the_last_stays(panel, content: bytes, said: str) -> None:
    before = panel.pictures["original"]
    panel.give(content, "<notes>.txt")
    assert said in panel.said.value and "&lt;notes&gt;.txt" in panel.said.value
    assert panel.pictures["original"] is before
    hand_over(panel, png(np.full((80, 80, 3), 9, np.uint8)))
    assert panel.pictures["original"].shape == (80, 80, 3)


@pytest.mark.parametrize("text", ["{", "[]", '{"png": "???", "name": "x"}', '{"png": ""}'])
def test_what_arrives_in_pieces_is_said(panel, text: str) -> None:
    before = panel.pictures["original"]
    panel.text.value = text
    assert "did not arrive whole" in panel.said.value and panel.text.value == ""
    assert panel.pictures["original"] is before


def test_a_mistake_in_the_notebooks_code_is_said(photo: np.ndarray) -> None:
    def only_small(original: np.ndarray) -> dict[str, np.ndarray]:
        if original.shape[0] > 64:
            raise ValueError("planted")
        return halved(original)

    panel = panels.own_picture(only_small, photo[:64, :64])
    hand_over(panel, png(photo[:80, :80]))
    assert panel.said.value == "<b>ValueError: planted</b>" and panel.text.value == ""


def test_a_mistake_in_the_sample_is_raised(photo: np.ndarray) -> None:
    with pytest.raises(KdsharpError, match="64 or more"):
        panels.own_picture(halved, photo[:10, :10])


@pytest.mark.parametrize("size", [(64, 64), (300, 360), (1024, 70), (512, 512)])
def test_a_pan_goes_round_in_frames_of_one_size(photo: np.ndarray, size: tuple[int, int]) -> None:
    frames = list(panels.pan(cv2.resize(photo, size), frames=8))
    assert {(frame.shape, frame.dtype.name) for frame in frames} == {((360, 300, 3), "uint8")}
    pairs = zip(frames, frames[1:] + frames[:1], strict=True)
    steps = [np.abs(one.astype(int) - two).mean() for one, two in pairs]
    assert min(steps) > 1 and max(steps) < 5 * min(steps), "the last frame leads to the first"
