"""In JupyterLab a reader's file, and what a camera sees, come to the kernel and back as a comparison."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import browser_lane  # noqa: E402
from lane import page as pages  # noqa: E402
from lane.kernel import Watch  # noqa: E402
from lane.server import serve  # noqa: E402

CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
CELL = """\
import numpy as np
from kdsharp.course import panels
halved = lambda original: {"halved": original // 2, "original": original}
mine = panels.own_picture(halved, np.full((80, 80, 3), 90, np.uint8))
mine"""
TOLD = ".jp-OutputArea .widget-html"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A notebook with the panel, run, in a browser with a camera that shows a test pattern."""
    if reason := browser_lane.missing():
        give_up = pytest.fail if os.environ.get("KDSHARP_BROWSER") == "required" else pytest.skip
        give_up(f"JupyterLab cannot be driven: {reason}")
    from playwright.sync_api import sync_playwright

    path, watch = tmp_path_factory.mktemp("own") / "00_own.ipynb", Watch()
    nbformat.write(new_notebook(cells=[new_code_cell(CELL)]), path)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch,
        serve(Path(scratch), [path]) as server,
        sync_playwright() as playwright,
        contextlib.closing(
            playwright.chromium.launch(executable_path=browser_lane.chromium(), args=CAMERA)
        ) as browser,
    ):
        opened = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        watch.attach(opened)
        pages.open_notebook(opened, server, path.name)
        assert pages.run_cells(opened, watch, 120) == []
        opened.wait_for_selector(f"{TOLD}:has-text('the sample, 80x80')")
        yield opened
        assert watch.take() == []


@pytest.mark.heavy
def test_a_file_is_shrunk_in_the_page_and_compared(page: Any, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1500, 2400, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")
    assert (tmp_path / "large.png").stat().st_size > 10 * 2**20, "more than Jupyter's channel takes"
    page.set_input_files(".kdsharp-own input[name=file]", tmp_path / "large.png")
    page.wait_for_selector(f"{TOLD}:has-text('large.png, 1024x640')")
    page.wait_for_selector(".kdsharp-viewer.live .about:has-text('whole picture (1024x640)')")
    assert page.locator(".kdsharp-viewer").count() == 1, "the sample's gives way"
    assert page.locator(".widget-upload:visible").count() == 0, (
        "the upload widget is for pages without scripts"
    )
    page.wait_for_function("document.querySelector('.kdsharp-own [role=status]').textContent === ''")


@pytest.mark.heavy
def test_a_file_that_is_no_picture_gets_a_sentence(page: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    page.set_input_files(".kdsharp-own input[name=file]", tmp_path / "notes.txt")
    page.wait_for_selector(".kdsharp-own [role=status]:has-text('notes.txt is not a picture')")


@pytest.mark.heavy
def test_the_cameras_picture_is_compared_and_the_camera_closed(page: Any) -> None:
    page.click(".kdsharp-own [name=camera]")
    page.wait_for_selector(".kdsharp-own [role=status]:has-text('Look into the camera')")
    page.click(".kdsharp-own [name=take]")
    page.wait_for_selector(f"{TOLD}:has-text('picture, 1024x576')")
    page.wait_for_selector(".kdsharp-viewer.live .about:has-text('whole picture (1024x576)')")
    assert page.is_hidden(".kdsharp-own video") and page.is_visible(".kdsharp-own [name=camera]")
    page.wait_for_function("document.querySelector('.kdsharp-own [role=status]').textContent === ''")
