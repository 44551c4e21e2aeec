"""What no processor can tell: stores and training on a GPU, against the same on the processor."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from kdsharp import data, distill, teacher
from kdsharp.distill import batches, targets
from kdsharp.recipes import Losses, Recipe, Store, Training

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU at hand"),
]


@pytest.fixture
def recipe(small_call: Recipe) -> Recipe:
    return dataclasses.replace(
        small_call,
        losses=Losses(hr=0.5, teacher=0.5, structure=0.5),
        training=Training(steps=60, batch=4, patch=32, validate_every=30, learning_rate=2e-3),
        store=Store(crop=48, crops_per_photo=8, group=4),
    )


@pytest.fixture
def store(tmp_path: Path, recipe: Recipe) -> targets.TargetStore:
    return _store(tmp_path / "cuda", recipe, "cuda")


def _store(folder: Path, recipe: Recipe, device: str) -> targets.TargetStore:
    guide = teacher.load_teacher("call-ceiling", device)
    return targets.build(
        folder, data.embedded_photos("train")[:2], recipe.degradation, recipe.store, guide, device
    )


def test_a_store_of_a_gpu_shows_what_a_processors_does(
    tmp_path: Path, recipe: Recipe, store: targets.TargetStore
) -> None:
    """The same crops, damaged alike but for rounding, and answered alike but for half precision."""
    other = _store(tmp_path / "cpu", recipe, "cpu")
    assert np.array_equal(np.asarray(store.hr), np.asarray(other.hr))
    for one, two in ((store.input, other.input), (store.target, other.target)):
        assert np.abs(np.asarray(one).astype(int) - np.asarray(two).astype(int)).mean() < 0.5


def test_batches_from_a_gpus_memory_are_those_from_the_disk(
    recipe: Recipe, store: targets.TargetStore
) -> None:
    there = batches.on_device(store, "cuda")
    assert isinstance(there.hr, torch.Tensor) and there.hr.is_cuda
    for step in range(4):
        one = batches.draw_batch(there, recipe.training, step, "luma", "cuda")
        two = batches.draw_batch(store, recipe.training, step, "luma", "cpu")
        for here, other in zip(one, two, strict=True):
            torch.testing.assert_close(here.cpu(), other, rtol=0, atol=1e-6)


def test_training_is_taken_up_and_learns(tmp_path: Path, recipe: Recipe, store: targets.TargetStore) -> None:
    def stop(row: dict) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distill.train(recipe, store, store, tmp_path / "run", "cuda", on_progress=stop)
    made = distill.train(recipe, store, store, tmp_path / "run", "cuda")
    assert [row["step"] for row in made.history] == [30, 60]
    assert made.history[-1]["loss"] < made.history[0]["loss"]
    assert all(value.isfinite().all() for value in made.network.state_dict().values())
