"""bfloat16 is taken where it is faster, by a measurement that is quick, said and not repeated."""

import dataclasses
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from kdsharp import recipes, teacher
from kdsharp.distill import pipeline, precision
from kdsharp.recipes import Losses

PROGRAM = "from kdsharp.distill import precision; print(precision.bfloat16_pays())"


@pytest.fixture(autouse=True)
def unmeasured() -> None:
    precision.bfloat16_pays.cache_clear()


def test_it_is_measured_once_said_once_and_leaves_randomness_alone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    start = time.perf_counter()
    first = precision.bfloat16_pays()
    assert time.perf_counter() - start < 2  # 0.1 s on a quiet machine
    assert torch.equal(torch.random.get_rng_state(), before)
    monkeypatch.setattr(time, "perf_counter", lambda: pytest.fail("measured again"))
    assert precision.bfloat16_pays() is first
    said = [record.getMessage() for record in caplog.records if "bfloat16" in record.getMessage()]
    assert len(said) == 1 and ("it is used" in said[0]) is first


@pytest.mark.parametrize("slower", [torch.bfloat16, torch.float32])
def test_the_faster_one_wins(slower: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the two takes 0.3 s more."""
    original = torch.nn.functional.conv2d

    def conv2d(planes: torch.Tensor, *arguments: object) -> torch.Tensor:
        half = torch.is_autocast_enabled("cpu")
        if half is (slower is torch.bfloat16):
            time.sleep(0.3)
        return original(planes, *arguments)

    monkeypatch.setattr(torch.nn.functional, "conv2d", conv2d)
    assert precision.bfloat16_pays() is (slower is torch.float32)


def test_a_processor_without_bfloat16_computes_in_float32() -> None:
    """oneDNN, told to use AVX2 only, has no instructions for it."""
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(("allowed", "pays"), [(True, True), (True, False), (False, True)])
def test_a_teacher_computes_in_bfloat16_where_the_recipe_allows_it_and_it_pays(
    allowed: bool, pays: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(precision, "bfloat16_pays", lambda: pays)
    recipe = recipes.preset("video-call")
    training = dataclasses.replace(recipe.training, half_on_cpu=allowed)
    recipe = dataclasses.replace(recipe, teacher=teacher.OWN, training=training, losses=Losses(teacher=1.0))
    guide = pipeline.teacher_of(recipe, pipeline.Photos([], []), tmp_path, "quick")
    assert guide.half is (allowed and pays)
