"""The small frame of a call: what is sent is what a call decodes, and every share is of frames."""

from functools import partial

import cv2
import numpy as np
import pytest
import torch

from kdsharp import data, recipes
from kdsharp.degradation import degrade
from kdsharp.errors import KdsharpError
from kdsharp.recipes import SmallFrame

QUIET = {"filters": ("area",), "noise": (0.0, 0.0)}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def hr(picture: np.ndarray) -> torch.Tensor:
    return data.to_tensor(picture[:288, :432])


@pytest.mark.parametrize("scale", [1.5, 2, 3])
def test_it_is_the_frame_that_a_call_decodes(hr: torch.Tensor, scale: float) -> None:
    made = degrade(hr, recipes.fixed_small_frame(scale, 60), seeded())
    assert torch.equal(made.input, degrade(hr, recipes.fixed_call(scale, 60), seeded()).small)
    assert torch.equal(made.input, made.small) and torch.equal(made.stages["original"], hr)
    assert made.input.shape == (1, 3, round(288 / scale), round(432 / scale))


def by_triangle(image: np.ndarray, scale: float) -> np.ndarray:
    """Antialiased bilinear shrinking, written out: each pixel a mean under a triangle of 2 `scale` pixels."""
    for axis in (0, 1):
        places = (np.arange(round(image.shape[axis] / scale)) + 0.5) * scale - 0.5
        weights = np.maximum(0, 1 - np.abs(np.arange(image.shape[axis]) - places[:, None]) / scale)
        image = np.moveaxis(np.tensordot(weights / weights.sum(1, keepdims=True), image, (1, axis)), 0, axis)
    return image


@pytest.mark.parametrize(
    ("scale", "mode"),
    [(2, "area"), (3, "area"), (1.5, "box"), (3, "box"), (1.5, "bilinear"), (2, "bilinear"), (3, "bilinear")],
)
def test_a_clean_soft_frame_is_blurred_and_shrunk_as_opencv_does(
    hr: torch.Tensor, scale: float, mode: str
) -> None:
    settings = SmallFrame(scale, (mode,), soft=(1.0, 1.0), soft_share=1.0, clean_share=1.0)
    soft = cv2.GaussianBlur(data.to_image(hr).astype(np.float64), (0, 0), 1.0)
    by_area = partial(cv2.resize, dsize=None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)
    expected = by_triangle(soft, scale) if mode == "bilinear" else by_area(soft)
    made = data.to_image(degrade(hr, settings, seeded()).input)
    assert made.shape == expected.shape
    assert np.abs(made[4:-4, 4:-4] - expected[4:-4, 4:-4]).max() <= 1


def test_jpeg_is_the_codecs(hr: torch.Tensor) -> None:
    small = data.to_image(degrade(hr, SmallFrame(2, **QUIET, clean_share=1.0), seeded()).input)
    made = data.to_image(degrade(hr, recipes.fixed_small_frame(2, 50), seeded()).input)
    coded = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 50])[1]
    expected = cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2GRAY).astype(float)
    luma = cv2.cvtColor(made, cv2.COLOR_RGB2GRAY).astype(float)
    before = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(float)
    assert np.abs(luma - expected).mean() < 0.3 * np.abs(before - expected).mean()


@pytest.mark.parametrize("share", ["soft_share", "noise_share", "clean_share"])
def test_shares_are_of_frames(share: str, hr: torch.Tensor) -> None:
    """Of 200 equal frames a third, within four standard deviations, are not what they are at a share of 0."""
    shares = {"soft_share": 0.0, "noise_share": 0.0, "clean_share": 0.0}
    some, none = (
        SmallFrame(1.5, ("area",), (8.0, 8.0), (60.0, 60.0), (1.0, 2.0), **shares | {share: value})
        for value in (1 / 3, 0.0)
    )
    cut = hr[..., 100:124, 100:124]
    others = degrade(cut, none, seeded()).input
    made = degrade(cut.expand(200, -1, -1, -1), some, seeded(1)).input
    touched = (made != others).flatten(1).any(1).sum().item()
    assert abs(touched - 200 / 3) < 27


def test_the_same_seed_gives_the_same_frames_and_another_does_not(hr: torch.Tensor) -> None:
    settings = SmallFrame(3, soft=(0.2, 0.8), soft_share=0.5, noise_share=0.5, clean_share=0.2)
    one, same, other = (degrade(hr, settings, seeded(seed)).input for seed in (5, 5, 6))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal((one * 255).round() / 255, one)


def test_sides_that_give_no_whole_pixels_are_named() -> None:
    with pytest.raises(KdsharpError, match=r"100x99 cannot shrink by 1.5: crop it to a multiple of 3 first"):
        degrade(torch.rand(1, 3, 99, 100), SmallFrame(1.5), seeded())
