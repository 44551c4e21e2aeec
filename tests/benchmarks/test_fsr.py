"""EASU and RCAS do what their description says."""

import cv2
import numpy as np
import pytest

from benchmarks import fsr


def test_flat_and_slanted_planes_stay_what_they_are() -> None:
    flat = np.full((12, 16), 0.3, np.float32)
    assert np.allclose(fsr.easu(flat, (18, 24)), 0.3, atol=1e-6) and np.allclose(
        fsr.rcas(flat), 0.3, atol=1e-6
    )
    across, down = np.meshgrid(np.arange(24), np.arange(20))
    ramp = (0.01 * across + 0.02 * down).astype(np.float32)
    large = fsr.easu(ramp, (40, 48))[8:-8, 8:-8]
    exact = cv2.resize(ramp, (48, 40), interpolation=cv2.INTER_LINEAR)[8:-8, 8:-8]
    assert np.abs(large - exact).max() < 0.006  # a third of a step


@pytest.mark.parametrize("size", [(40, 48), (30, 36), (60, 72)])
def test_the_answer_lies_between_the_four_nearest(size: tuple[int, int]) -> None:
    plane = np.random.default_rng(0).random((20, 24), np.float32)
    large = fsr.easu(plane, size)
    rows, columns = (
        (np.arange(new) + 0.5) * old / new - 0.5 for new, old in zip(size, plane.shape, strict=True)
    )
    edged = np.pad(plane, 2, mode="edge")
    near = [
        edged[np.ix_(np.floor(rows).astype(int) + 2 + y, np.floor(columns).astype(int) + 2 + x)]
        for x in (0, 1)
        for y in (0, 1)
    ]
    assert (large >= np.min(near, axis=0) - 1e-6).all() and (large <= np.max(near, axis=0) + 1e-6).all()


def test_a_slanted_edge_is_smoother_than_by_bicubic() -> None:
    """What EASU is for: a kernel that is turned along an edge draws it without stairs."""
    across, down = np.meshgrid(np.arange(192), np.arange(192))
    hr = np.clip((across - 96 - 0.4 * (down - 96)) / 3 + 0.5, 0, 1).astype(np.float32)
    small = cv2.resize(hr, (64, 64), interpolation=cv2.INTER_AREA)
    errors = [
        np.abs(picture - hr)[16:-16, 16:-16].mean()
        for picture in (
            fsr.easu(small, (192, 192)),
            cv2.resize(small, (192, 192), interpolation=cv2.INTER_CUBIC),
        )
    ]
    assert errors[0] < errors[1]


def test_rcas_sharpens_and_never_leaves_the_range() -> None:
    plane = np.random.default_rng(0).random((40, 40), np.float32)
    soft = cv2.GaussianBlur(plane, (0, 0), 1)
    sharp, less = fsr.rcas(soft, 0), fsr.rcas(soft, 2)
    assert sharp.std() > less.std() > soft.std()
    assert sharp.min() >= -1e-6 and sharp.max() <= 1 + 1e-6
    extreme = np.tile([[0.0, 1.0], [1.0, 0.0]], (8, 8)).astype(np.float32)
    assert np.isfinite(fsr.rcas(extreme)).all()
