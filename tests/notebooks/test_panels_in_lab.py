"""Panels in a real JupyterLab, by keyboard alone: keys answer the blind test, and reach every control in order."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import browser_lane  # noqa: E402
from lane import page as pages  # noqa: E402
from lane.kernel import Watch  # noqa: E402
from lane.server import serve  # noqa: E402

CELL = """\
from pathlib import Path
import numpy as np
from kdsharp.course import panels

crops = {name: [np.full((64, 64, 3), value, np.uint8)] for name, value in {"a": 50, "b": 150, "c": 250}.items()}
panels.preference_panel(crops, Path("answers.jsonl"))"""
SLIDERS = """\
import numpy as np
from kdsharp.course.panels import Panel, choice, slider

def show(first, second, third, pinned):
    return np.full((64, 64, 3), 9 * first, np.uint8), f"first is {first}, second is {second}"

controls = {name: slider(name, 3, 0, 9) for name in ("first", "third")} | {"second": choice("second", ["x", "y"])}
Panel("Knobs", controls, show, pins=True, code=lambda first, **_others: f"call({first}, 'x')")"""
SHARPER, NATURAL = "Which one is sharper?", "Which one looks more natural?"
ORDER = ["Pin", "Reset", "first", "third", "second", "these settings as code", "Copy"]
_FOCUSED = """() => {
    const node = document.activeElement;
    return node.getAttribute("aria-label") ?? node.closest(".jupyter-widgets")?.innerText.split("\\n")[0] ?? "";
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Watch, Path]]:
    """A page that shows both panels, what its kernel says, and the kernel's folder."""
    if reason := browser_lane.missing():
        give_up = pytest.fail if os.environ.get("KDSHARP_BROWSER") == "required" else pytest.skip
        give_up(f"the browser lane cannot run: {reason}")
    from playwright.sync_api import sync_playwright

    folder = tmp_path_factory.mktemp("lab")
    path = folder / "00_panels.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(SLIDERS), new_code_cell(CELL)]), path)
    with (
        serve(folder / "server", [path]) as server,
        sync_playwright() as playwright,
        contextlib.closing(playwright.chromium.launch(executable_path=browser_lane.chromium())) as browser,
    ):
        page, watch = browser.new_page(viewport={"width": 1280, "height": 720}), Watch()
        watch.attach(page)
        pages.open_notebook(page, server, path.name)
        assert pages.run_cells(page, watch, 120) == []
        yield page, watch, folder / "server" / "notebooks"


@pytest.mark.heavy
def test_keys_answer_and_take_back(lab) -> None:
    page, watch, folder = lab
    panel = page.locator(".kdsharp-panel").last
    panel.locator("input").click()
    for key, said in {
        "7": f"1 of 3. {NATURAL}",
        "2": f"2 of 3. {SHARPER}",
        "5": f"2 of 3. {NATURAL}",
    }.items():
        page.keyboard.press(key)
        panel.get_by_text(said).wait_for(timeout=10_000)
    for said in (f"2 of 3. {SHARPER}", f"1 of 3. {NATURAL}"):
        page.keyboard.press("Backspace")
        panel.get_by_text(said).wait_for(timeout=10_000)
    page.keyboard.press("1")
    panel.get_by_text(f"2 of 3. {SHARPER}").wait_for(timeout=10_000)
    (answer,) = (json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines())
    assert (answer["sharper"], answer["natural"]) == (3, -3)
    kinds = page.evaluate(
        "window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.type)"
    )
    assert set(kinds) == {"code"}, "JupyterLab took a digit for a heading"
    assert watch.take() == []


@pytest.mark.heavy
def test_the_keyboard_reaches_every_control_in_order(lab) -> None:
    page, watch, _ = lab
    panel = page.locator(".kdsharp-panel").first
    panel.get_by_role("button", name="Pin").focus()
    reached = []
    for _ in range(9):
        reached.append(page.evaluate(_FOCUSED))
        page.keyboard.press("Tab")
    assert [name for name in dict.fromkeys(reached) if name in ORDER] == ORDER, reached
    panel.locator(".noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    panel.get_by_text("first is 4, second is x").wait_for(timeout=10_000)
    assert panel.locator("input[aria-label='these settings as code']").input_value() == "call(4, 'x')"
    assert watch.take() == []
