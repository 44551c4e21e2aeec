"""The clamp keeps values between their neighbours'; and a student changes no frame's brightness."""

from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage

import kdsharp
from kdsharp import data, evaluate, recipes
from kdsharp.degradation import degrade
from kdsharp.deploy import sharpen
from kdsharp.deploy.clamp import clamped


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("scale", [1, 1.5, 3])
@pytest.mark.parametrize("shape", [(13, 17), (13, 17, 3)])
def test_every_value_lies_between_its_neighbours(kind: type, scale: float, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    top = 1 if kind == np.float32 else np.iinfo(kind).max
    before = (rng.random(shape) * top).astype(kind)
    sides = [recipes.enlarged(side, scale) for side in shape[:2]]
    after = (rng.random((*sides, *shape[2:])) * top).astype(kind)
    result = clamped(before, after, scale)
    size = (3, 3, 1)[: len(shape)]
    low, high = (
        rule(before, size, mode="nearest") for rule in (ndimage.minimum_filter, ndimage.maximum_filter)
    )
    rows, columns = (np.arange(side) * end // side for side, end in zip(sides, shape, strict=False))
    low, high = low[np.ix_(rows, columns)], high[np.ix_(rows, columns)]
    assert result.dtype == kind and np.array_equal(result, np.clip(after, low, high))


def test_an_edge_does_not_ring() -> None:
    """With an unsharp mask in a student's place, which rings for sure."""
    edge = np.where(np.arange(64) < 32, 60, 190).astype(np.uint8)
    frame = cv2.GaussianBlur(np.repeat(np.tile(edge, (64, 1))[..., None], 3, axis=-1), (0, 0), 1.5)
    mask = SimpleNamespace(scale=1, frame=lambda image: evaluate.unsharp(image, 2, 2), luma=evaluate.unsharp)
    free = sharpen.Sharpener(recipes.preset("call-s"), mask)
    kept = replace(free, clamp=True)
    assert free(frame).min() < 60 and free(frame).max() > 190
    assert kept(frame).min() >= 60 and kept(frame).max() <= 190
    steepest = [np.diff(picture[32, :, 0].astype(int)).max() for picture in (frame, kept(frame))]
    assert steepest[1] > 1.3 * steepest[0]  # and it is still sharper
    luma = kept.luma(frame[..., 0])
    assert luma.min() >= 60 and luma.max() <= 190


@pytest.mark.parametrize(
    ("name", "least"), [("call-xs", 0.1), ("call-s", 0.1), ("call-m", 0.1), ("call-s-perceptual", 0.6)]
)
def test_no_frame_becomes_brighter_or_darker(name: str, least: float) -> None:
    """A perceptual one had a teacher that darkens; before a loss kept that out, it was 3 of 255."""
    ready = kdsharp.load_student(name, engine="onnx")
    for path in data.embedded_photos("val"):
        hr = data.to_tensor(data.crop_to_multiple(data.read_image(path), 8))
        for call in ((1.5, 85), (2, 70), (3, 50)):
            pair = degrade(hr, recipes.fixed_call(*call), torch.Generator().manual_seed(0))
            frame = data.to_image(pair.input)
            shift = ready(frame).mean(axis=(0, 1)) - frame.mean(axis=(0, 1))
            assert np.abs(shift).max() < least, (path.name, call)
