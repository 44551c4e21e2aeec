"""What several tests need: real assets where they are, and a root that is not the checkout."""

import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def own_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Downloads, exports and runs of a test land in its own folder."""
    monkeypatch.setenv("KDSHARP_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture
def assets() -> Path:
    """The folder of real photographs and official weights, where the machine has it."""
    if not os.environ.get("KDSHARP_ASSETS"):
        pytest.skip("KDSHARP_ASSETS names no folder of photographs and official weights")
    return Path(os.environ["KDSHARP_ASSETS"])


@pytest.fixture
def picture() -> np.ndarray:
    """A photograph, uint8 RGB (300, 451, 3)."""
    from kdsharp import data

    return data.read_image(data.embedded_photos("train")[0])


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A published form of an untrained student, in the test's own folder."""
    import torch

    from kdsharp import checkpoints, recipes, student

    recipe = recipes.preset("video-call")
    torch.manual_seed(0)
    return checkpoints.save(tmp_path / "mine.safetensors", student.build(recipe.student), recipe, steps=7)


@pytest.fixture
def guide():
    """An untrained teacher of scale 4, small enough for any test."""
    import torch

    from kdsharp import student, teacher
    from kdsharp.recipes import Network

    torch.manual_seed(0)
    network = student.build(Network("residual", {"scale": 4, "channels": 8, "blocks": 1}))
    return teacher.Teacher("tiny", 4, network.eval().requires_grad_(False))
