"""Receivers' enlargements against the libraries that they are named after, and calls that draw one of several."""

import itertools

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from kdsharp import data, recipes
from kdsharp.degradation import degrade, enlarge, resize
from kdsharp.degradation.jpeg import jpeg
from kdsharp.degradation.receivers import cubic, lanczos
from kdsharp.errors import KdsharpError
from kdsharp.recipes.degradations import VideoCall

SIZES = [(120, 150), (160, 200), (240, 300), (171, 203)]  # of 80x100: by 1.5, 2, 3, and as it comes
BORDER = 14  # pixels of the result: there, libraries repeat or leave out what lies beyond


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def small(picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture[100:180, 200:300])


def inside(image: np.ndarray) -> np.ndarray:
    return image[BORDER:-BORDER, BORDER:-BORDER].astype(int)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("receiver", "flag"),
    [
        ("bilinear", cv2.INTER_LINEAR),
        ("bicubic-opencv", cv2.INTER_CUBIC),
        ("lanczos-opencv", cv2.INTER_LANCZOS4),
        ("nearest", cv2.INTER_NEAREST),
    ],
)
def test_as_opencv(small: np.ndarray, receiver: str, flag: int, size: tuple[int, int]) -> None:
    ours = data.to_image(enlarge(data.to_tensor(small), size, receiver))
    theirs = cv2.resize(small, size[::-1], interpolation=flag)
    assert np.abs(inside(ours) - inside(theirs)).max() <= 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("receiver", "flag"),
    [
        ("bilinear", Image.Resampling.BILINEAR),
        ("bicubic", Image.Resampling.BICUBIC),
        ("lanczos", Image.Resampling.LANCZOS),
    ],
)
def test_as_pillow(small: np.ndarray, receiver: str, flag: int, size: tuple[int, int]) -> None:
    ours = data.to_image(enlarge(data.to_tensor(small), size, receiver))
    theirs = np.asarray(Image.fromarray(small).resize(size[::-1], flag))
    assert np.abs(inside(ours) - inside(theirs)).max() <= 1


def test_the_filters_differ() -> None:
    """By more than the libraries' rounding: a name that stands for another filter would be seen."""
    rough = torch.rand(1, 3, 40, 50, generator=seeded())
    shown = {one: enlarge(rough, (120, 150), one) * 255 for one in recipes.RECEIVERS}
    for (name, one), (other_name, other) in itertools.combinations(shown.items(), 2):
        assert (one - other)[..., BORDER:-BORDER, BORDER:-BORDER].abs().max() >= 5, f"{name} is {other_name}"


def test_nearest_smoothed_is_bilinear_at_a_factor_of_2(small: np.ndarray) -> None:
    """Three quarters of a pixel and a quarter of its neighbour, either way."""
    one, other = (enlarge(data.to_tensor(small), (160, 200), name) for name in ("nearest-smooth", "bilinear"))
    torch.testing.assert_close(one, other)


def test_mitchell_is_the_published_kernel() -> None:
    """Mitchell and Netravali (1988) at B = C = 1/3: 16/18 in the middle, 1/18 at 1, and whole at any phase."""
    at = cubic(torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0], dtype=torch.float64), 1 / 3, 1 / 3)
    expected = [
        16 / 18,
        (7 / 8 - 2 * 6 / 4 + 16 / 3) / 6,
        1 / 18,
        (-7 / 3 * 27 / 8 + 27 - 30 + 32 / 3) / 6,
        0,
        0,
    ]
    torch.testing.assert_close(at, torch.tensor(expected, dtype=torch.float64))
    phases = torch.linspace(0, 1, 33, dtype=torch.float64)[:, None] + torch.arange(-3, 4)
    torch.testing.assert_close(cubic(phases, 1 / 3, 1 / 3).sum(1), torch.ones(33, dtype=torch.float64))


def test_keys_and_lanczos_keep_what_is_there() -> None:
    """Interpolating kernels are 1 at their own pixel and 0 at every other; smoothing ones are not."""
    pixels = torch.arange(-4.0, 5.0, dtype=torch.float64)
    own = (pixels == 0).double()
    for values in (cubic(pixels, 0.0, 0.5), cubic(pixels, 0.0, 0.75), lanczos(pixels, 3), lanczos(pixels, 4)):
        torch.testing.assert_close(values, own)
    assert cubic(torch.tensor([0.0]), 1 / 3, 1 / 3).item() < 0.9


@pytest.mark.parametrize("receiver", recipes.RECEIVERS)
def test_flat_stays_flat_and_a_factor_of_1_changes_nothing(receiver: str) -> None:
    flat = torch.full((2, 3, 20, 30), 0.7)
    assert (enlarge(flat, (45, 61), receiver) - 0.7).abs().max() < 1e-6
    frame = torch.rand(1, 3, 20, 30, generator=seeded())
    assert torch.equal(enlarge(frame, (20, 30), receiver), frame)


def test_a_smooth_ramp_is_not_moved() -> None:
    """The middle of the frame stays its middle, whatever the filter: a shift would blur what a student learns."""
    ramp = torch.linspace(0.1, 0.9, 40).expand(1, 3, 40, 40)
    expected = resize(ramp, (120, 120), "bilinear")[..., 20:-20, 20:-20]
    for receiver in recipes.RECEIVERS:
        shift = (enlarge(ramp, (120, 120), receiver)[..., 20:-20, 20:-20] - expected).mean().abs()
        assert shift < 0.1 * 0.8 / 40, f"{receiver} moves by a tenth of a pixel"


def test_what_there_is_not_is_named() -> None:
    with pytest.raises(KdsharpError, match=r"no receiver 'sinc'; choose one of bilinear, .*nearest-smooth"):
        enlarge(torch.rand(1, 3, 8, 8), (16, 16), "sinc")


def test_each_batch_has_one_of_the_receivers(picture: np.ndarray) -> None:
    hr = data.to_tensor(picture[:96, :96])
    settings = VideoCall((2, 2), ("area",), (0, 0), (70, 70), enlarge=recipes.RECEIVERS)
    drawn = [degrade(hr, settings, seeded(seed)) for seed in range(80)]
    assert {one.receiver for one in drawn} == set(recipes.RECEIVERS)
    for one in drawn[:8]:
        expected = (enlarge(one.small, (96, 96), one.receiver).clamp(0, 1) * 255).round() / 255
        assert torch.equal(one.input, expected)


def test_one_receiver_draws_nothing(picture: np.ndarray) -> None:
    """Seeds of before give the pictures of before: also those of a call after it."""
    hr = data.to_tensor(picture[:96, :96]).repeat(2, 1, 1, 1)
    pictures, states = [], []
    alike = VideoCall(enlarge=("bilinear",)), VideoCall(enlarge="mitchell"), VideoCall(soft=(0.3, 0.6))
    for settings in (VideoCall(), *alike):
        generator = seeded(3)
        pictures.append(degrade(hr, settings, generator))
        states.append(generator.get_state())
    assert all(torch.equal(states[0], state) for state in states)
    for same in (1, 3):
        assert torch.equal(pictures[0].input, pictures[same].input)
    assert torch.equal(pictures[0].small, pictures[2].small)
    assert not torch.equal(pictures[0].input, pictures[2].input)


def test_a_call_that_is_not_shrunk_only_loses_by_jpeg(picture: np.ndarray) -> None:
    hr = data.to_tensor(picture[:128, :160])
    settings = VideoCall((1, 1), ("area",), (0, 0), (90, 90), enlarge=("lanczos", "nearest-smooth"))
    coded = (jpeg(hr, torch.tensor([90.0])) * 255).round() / 255
    for seed in range(4):
        made = degrade(hr, settings, seeded(seed))
        assert torch.equal(made.input, coded) and torch.equal(made.small, coded)


def test_a_share_of_the_frames_is_soft_and_the_original_stays(picture: np.ndarray) -> None:
    hr = data.to_tensor(picture[:96, :96]).repeat(100, 1, 1, 1)
    soft = {"soft": (0.6, 0.6), "soft_share": 0.4}
    made = degrade(hr, VideoCall(clean_share=1.0, **soft), seeded())
    assert next(iter(made.stages.values())) is hr
    blurred = cv2.GaussianBlur(picture[:96, :96], (9, 9), 0.6, borderType=cv2.BORDER_REFLECT_101)
    distances = [(made.input[k] - data.to_tensor(blurred)[0]).abs().max().item() for k in range(100)]
    kept = [torch.equal(made.input[k], hr[k]) for k in range(100)]
    assert all(one != (distance < 1.6 / 255) for one, distance in zip(kept, distances, strict=True))
    assert 0.25 < 1 - sum(kept) / 100 < 0.55
    sharp, dull = (
        degrade(hr[:1], VideoCall((2, 2), ("area",), (0, 0), (90, 90), **one), seeded()).small.var()
        for one in ({}, {"soft": (1.5, 1.5), "soft_share": 1.0})
    )
    assert dull < 0.98 * sharp
