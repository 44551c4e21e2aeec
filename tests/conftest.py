"""What several tests need: real assets where they are, and a root that is not the checkout."""

import base64
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("kdsharp", deadline=None)  # a busy machine is no failure
settings.load_profile("kdsharp")

DROP = """([name, text]) => {
    const carried = new DataTransfer();
    const content = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
    carried.items.add(new File([content], name, { type: "image/png" }));
    const form = document.getElementById("form");
    form.dispatchEvent(new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(autouse=True)
def own_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Downloads, exports and runs of a test land in its own folder."""
    monkeypatch.setenv("KDSHARP_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], tuple[Any, Path]]:
    """Execute a notebook with its solutions, once for all tests that look at it; it and the folder that it wrote to.

    KDSHARP_COURSE names a folder that `kdsharp course --solved` has left: what lies there, made of the same cells, is
    taken instead.
    """
    import nbformat

    from kdsharp.course import runner

    done = {}

    def run(path: Path) -> tuple[nbformat.NotebookNode, Path]:
        wanted = runner.solved(nbformat.read(path, as_version=4))
        earlier = Path(os.environ.get("KDSHARP_COURSE", "nowhere")) / path.name
        if path not in done and earlier.is_file():
            found = nbformat.read(earlier, as_version=4)
            if [cell.source for cell in found.cells] == [cell.source for cell in wanted.cells]:
                done[path] = found, earlier.parent
        if path not in done:
            root = tmp_path_factory.getbasetemp() / "course"
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("KDSHARP_ROOT", str(root))
                found, failure = runner.execute(path, "quick", with_solutions=True)
            assert failure is None
            done[path] = found, root / "build" / "course"
        return done[path]

    return run


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

    from kdsharp import recipes, student
    from kdsharp.disk import checkpoints

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


@pytest.fixture
def drop() -> Callable[[Any, Path], None]:
    """Drop a PNG on a page of Playwright's, as a hand with a mouse does."""
    return lambda page, path: page.evaluate(DROP, [path.name, base64.b64encode(path.read_bytes()).decode()])
