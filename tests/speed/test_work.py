"""Arithmetic is counted by the formula of notebook 07, and a photograph goes up the ladder with one result."""

import numpy as np
import pytest

import kdsharp
from kdsharp import speed
from kdsharp.recipes import Network
from kdsharp.speed import rivals


def test_multiply_adds_by_hand() -> None:
    """3x3 convolutions of a student that folds by 2: planes of half the size, 4 in, 8, 8 and 4 out."""
    options = {"scale": 1, "unshuffle": 2, "channels": 8, "body": 1, "colour": "luma"}
    pixels = 540 * 960
    assert speed.multiply_adds(Network("student", options)) == pytest.approx(
        9 * pixels * (4 * 8 + 8 * 8 + 8 * 4) / 1e9, abs=1e-3
    )


def test_the_size_is_that_of_what_comes_out() -> None:
    settings = kdsharp.preset("real-esrgan").student
    assert settings.options["scale"] == 4
    whole = speed.multiply_adds(settings, (1080, 1920))
    assert speed.multiply_adds(settings, (540, 960)) == pytest.approx(whole / 4, abs=1e-3)


def test_networks_by_name_ours_and_others() -> None:
    published = speed.multiply_adds("call-s")
    assert published == speed.multiply_adds(kdsharp.load_student("call-s", engine="onnx").recipe.student)
    assert all(speed.multiply_adds(name) > 0 for name in rivals.RIVALS)


def test_settings_are_timed_without_training() -> None:
    settings = kdsharp.preset("video-call").student
    assert speed.predict(settings) > 0


@pytest.mark.heavy
def test_every_step_of_the_ladder_gives_the_same_picture() -> None:
    _, received = kdsharp.degrade(kdsharp.read_image(kdsharp.embedded_photos("val")[0]), "video-call")
    steps = speed.ladder("call-s")
    assert list(steps)[:3] == ["naive PyTorch", "bytes outside", "ONNX Runtime"]
    first = steps["naive PyTorch"](received)
    for title, sharpen in steps.items():
        made = sharpen(received)
        assert kdsharp.psnr(made, first) > kdsharp.psnr(received, first) + 10, title
        assert np.abs(made.astype(int) - first).mean() < 1, title  # of 255
