"""The clamp keeps values between their neighbours'; and a student changes no frame's brightness."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage

import kdsharp
from kdsharp import data, recipes
from kdsharp.degradation import degrade
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
    edge = np.where(np.arange(64) < 32, 60, 190).astype(np.uint8)
    frame = cv2.GaussianBlur(np.repeat(np.tile(edge, (64, 1))[..., None], 3, axis=-1), (0, 0), 1.5)
    ready = kdsharp.load_student("call-s", engine="onnx").unrestrained()
    free, kept = ready(frame)[16:-16], replace(ready, clamp=True)(frame)[16:-16]
    assert free.min() < 60 and free.max() > 190  # or there is nothing to keep from
    assert kept.min() >= 60 and kept.max() <= 190
    steepest = [np.diff(picture[0, :, 0].astype(int)).max() for picture in (frame[16:-16], kept)]
    assert steepest[1] > steepest[0]  # and it is still sharper
    luma = replace(ready, clamp=True).luma(frame[..., 0])
    assert luma[16:-16].min() >= 60 and luma[16:-16].max() <= 190


@pytest.mark.parametrize("name", ["call-xs", "call-s", "call-m"])
def test_no_frame_becomes_brighter_or_darker(name: str) -> None:
    ready = kdsharp.load_student(name, engine="onnx")
    for path in data.embedded_photos("val"):
        hr = data.to_tensor(data.crop_to_multiple(data.read_image(path), 8))
        for call in ((1.5, 85), (2, 70), (3, 50)):
            pair = degrade(hr, recipes.fixed_call(*call), torch.Generator().manual_seed(0))
            frame = data.to_image(pair.input)
            shift = ready(frame).mean(axis=(0, 1)) - frame.mean(axis=(0, 1))
            assert np.abs(shift).max() < 0.1, (path.name, call)
