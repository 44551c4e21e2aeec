"""What tests of applications share."""

from pathlib import Path

import pytest

from kdsharp.deploy import Sharpener, load_student


@pytest.fixture(scope="session")
def student() -> Sharpener:
    """The published student of calls, on ONNX Runtime."""
    return load_student("call-s", engine="onnx")


@pytest.fixture
def nearly_lossless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Videos are encoded so well that what the network did can be seen."""
    from kdsharp.apps.video import encoder

    monkeypatch.setattr(encoder, "QUALITY", 4)


@pytest.fixture
def three_halves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained student that enlarges by 1.5, as a file."""
    import torch

    from kdsharp import recipes, student
    from kdsharp.disk import checkpoints

    recipe = recipes.override(
        recipes.preset("call-x1.5"), ["student.options.body=0", "student.options.channels=8"]
    )
    torch.manual_seed(0)
    network = student.build(recipe.student)
    with torch.no_grad():
        network.last.weight.mul_(0.2)  # a correction of a few grey levels, as trained ones have
    path = tmp_path_factory.mktemp("three-halves") / "call-x1.5.safetensors"
    return checkpoints.save(path, network, recipe)
