"""The browser lane passes a notebook that works, and names the one whose slider, cell or picture does not."""

import json
import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from kdsharp.errors import KdsharpError

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import browser_lane  # noqa: E402
from lane.kernel import Watch, tracebacks  # noqa: E402

PANEL = """\
import io
import ipywidgets as widgets
from PIL import Image

def png(value):
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40), (value, 90, 30)).save(buffer, "PNG")
    return buffer.getvalue()

slider = widgets.IntSlider(value=50, max=200, continuous_update=False)
picture, output = widgets.Image(value=png(50)), widgets.Output()
panel = widgets.VBox([slider, picture, output])
_ = panel.add_class("kdsharp-panel")"""
SHOW = "slider.observe(callback, names='value')\npanel"
CHANGES = "def callback(change):\n    picture.value = png(change['new'])\n"
SHOWN_ERROR = "def callback(change):\n    with output:\n        raise ValueError('shown in the panel')\n"
BARE_ERROR = CHANGES + "    raise ValueError('raised after the picture')\n"
STILL = "def callback(change):\n    picture.value = png(50)\n"
# A button that changes a text, beside a slider that changes nothing.
BUTTON = """\
text, button = widgets.Label("before"), widgets.Button(description="go")
button.on_click(lambda _: setattr(text, "value", "after"))
widgets.VBox([widgets.IntSlider(), text, button]).add_class("kdsharp-panel")"""
# A training view: it changes by itself, and when it is done it has no control left.
ALONE = """\
own = widgets.Image(value=png(1))
widgets.VBox([own, widgets.Button(disabled=True)]).add_class("kdsharp-panel")"""
GOES_ON = "import time\nfor value in (60, 120, 180):\n    time.sleep(1); own.value = png(value)"
VIEWER = """\
import numpy as np
from kdsharp.course import panels
rows, columns = np.mgrid[:64, :64]
original = np.dstack([4 * rows, 4 * columns, rows + columns]).astype(np.uint8)
panels.comparison_viewer({"upside down": original[::-1], "turned": original[:, ::-1], "original": original})"""
# Its pictures are there, and what the notebook's page needs to run is not.
NO_SCRIPT = """\
from IPython.display import HTML
HTML(viewer.html.partition("<script>")[0].replace('id="', 'id="mute-'))"""
DEAF = """\
HTML(viewer.html.replace('addEventListener("wheel"', 'addEventListener("never"'))"""
# What a healthy notebook writes to stderr.
NOISE = """\
import logging, sys
from tqdm import tqdm
logging.warning("a warning")
for _ in tqdm(range(3)): pass
print("a line", file=sys.stderr)"""
CASES = {
    "00_good": (PANEL, CHANGES + SHOW, BUTTON, ALONE, GOES_ON, NOISE, VIEWER, VIEWER, ""),
    "01_shown": (PANEL, SHOWN_ERROR + SHOW),
    "02_bare": (PANEL, BARE_ERROR + SHOW),
    "03_still": (PANEL, STILL + SHOW, ALONE),
    "04_raises": ("raise KeyError('a cell')", "2"),
    "05_broken": (PANEL, "widgets.VBox([widgets.Image(value=b'no picture')])"),
    "06_thread": ("import threading\nthreading.Thread(target=lambda: 1 / 0).start()",),
    "07_dies": ("import os\nos._exit(1)",),
    "08_viewers": (VIEWER.replace("panels.comp", "viewer = panels.comp"), NO_SCRIPT, DEAF),
}


def write(folder: Path, name: str, *cells: str) -> None:
    nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in cells]), folder / f"{name}.ipynb")


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, dict], Path]:
    """Rows of one run over all cases, by notebook, and the folder of pictures."""
    if reason := browser_lane.missing():
        give_up = pytest.fail if os.environ.get("KDSHARP_BROWSER") == "required" else pytest.skip
        give_up(f"the browser lane cannot run: {reason}")
    folder = tmp_path_factory.mktemp("lane")
    for name, cells in CASES.items():
        write(folder, name, *cells)
    rows = browser_lane.run_lane(folder, folder / "out")
    return {row["notebook"]: row for row in rows}, folder / "out"


@pytest.mark.heavy
def test_panels_that_work_pass_and_ordinary_stderr_is_no_problem(lane) -> None:
    row = lane[0]["00_good"]
    assert row["problems"] == []
    assert row["panels"] == 5


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("01_shown", "panel 1: ValueError: shown in the panel"),
        ("02_bare", "panel 1: ValueError: raised after the picture"),
        ("03_still", "panel 1: no control changed its picture"),
        ("03_still", "panel 2: its picture never changed, and it has no control to change it"),
        ("04_raises", "cell 1 raised KeyError: 'a cell'"),
        ("04_raises", "1 cells were not executed, the first is cell 2"),
        ("05_broken", "1 pictures are broken"),
        ("06_thread", "while its cells ran: ZeroDivisionError: division by zero"),
        ("07_dies", "its kernel died (out of memory?)"),
        ("08_viewers", "panel 1: its script did not run: the pictures stand side by side"),
        ("08_viewers", "panel 2: the wheel did not change its picture"),
    ],
)
def test_each_fault_is_named(lane, name: str, sentence: str) -> None:
    assert sentence in lane[0][name]["problems"]


@pytest.mark.heavy
def test_one_fault_is_told_once(lane) -> None:
    assert lane[0]["02_bare"]["problems"] == ["panel 1: ValueError: raised after the picture"]
    assert len(lane[0]["03_still"]["problems"]) == 2
    assert len(lane[0]["04_raises"]["problems"]) == 2


@pytest.mark.heavy
def test_pictures_and_report_are_kept(lane) -> None:
    rows, out = lane
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert [row["notebook"] for row in report] == list(CASES)
    for row in report:
        assert row == rows[row["notebook"]]
    assert report[0]["pictures"] == ["00-1280.png", "00-800.png"]
    for name, width in zip(report[0]["pictures"], (1280, 800), strict=True):
        with Image.open(out / name) as picture:
            assert picture.width == width
            assert picture.height > 900, "the notebook is longer than the window"
    assert (out / "03-panel-1.png").exists()


def test_the_command_fails_when_a_notebook_has_problems(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    row = {"notebook": "02_x", "seconds": 1.0, "panels": 1, "pictures": []}
    for problems, status in (([], 0), (["panel 1: ValueError: x"], 1)):
        rows = [row | {"problems": problems}]
        monkeypatch.setattr(browser_lane, "run_lane", lambda *_, rows=rows: rows)
        assert browser_lane.main([]) == status
    assert "02_x" in capsys.readouterr().out


def test_a_folder_without_such_notebooks_is_named(tmp_path: Path) -> None:
    write(tmp_path, "00_x", "1")
    with pytest.raises(KdsharpError, match="no such notebooks"):
        browser_lane.run_lane(tmp_path, tmp_path / "out", only=["01"])


def test_a_machine_without_chromium_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_lane, "find_spec", lambda _: object())
    monkeypatch.setattr(browser_lane, "chromium", lambda: None)
    assert "chromium" in browser_lane.missing()
    monkeypatch.setattr(browser_lane, "find_spec", lambda _: None)
    assert "playwright" in browser_lane.missing()


def frame(kind: str, content: dict, request: str = "r1") -> bytes:
    """A kernel message as jupyter_server sends it: see `serialize_msg_to_ws_v1` there."""
    parts = [b"iopub", *(json.dumps(part).encode() for part in ({"msg_type": kind}, {"msg_id": request}, {}))]
    parts += [json.dumps(content).encode(), b"a buffer"]
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    numbers = [len(offsets), *offsets]
    return b"".join([*(number.to_bytes(8, "little") for number in numbers), *parts])


def test_messages_of_the_kernel_are_understood() -> None:
    watch = Watch()
    watch.hear(frame("error", {"ename": "ValueError", "evalue": "x\nand more"}))
    watch.hear(
        json.dumps({"header": {"msg_type": "stream"}, "parent_header": {}, "content": {"text": "Tra"}})
    )
    watch.hear(frame("stream", {"text": "ceback (most recent call last):\n  File ...\nKeyError: 1\nthen\n"}))
    assert watch.take() == ["ValueError: x", "KeyError: 1"]
    assert watch.take() == []
    for request in ("r1", "r2"):
        watch.hear(frame("status", {"execution_state": "busy"}, request))
    watch.hear(frame("status", {"execution_state": "idle"}, "r2"))
    assert not watch.rests, "the other request is still worked on"
    watch.hear(frame("status", {"execution_state": "idle"}, "r1"))
    assert watch.rests and not watch.died
    watch.hear(frame("status", {"execution_state": "restarting"}))
    assert watch.died


@pytest.mark.parametrize(
    ("text", "raised"),
    [
        ("WARNING:root:Traceback is a word\n100%|###| 3/3\n", []),
        ("Traceback (most recent call last):\n  File 'x', line 1, in f\nKeyError: 'a'\n", ["KeyError: 'a'"]),
        (
            "ValueError      Traceback (most recent call last)\nCell In[2], line 1, in f(x)\n----> 1 g()\n\n"
            "File ~/g.py:3, in g()\n      3 raise\n\nValueError: b",
            ["ValueError: b"],
        ),
        (
            "Traceback (most recent call last):\n  f()\nKeyError\n\nDuring handling of the above exception, another "
            "exception occurred:\n\nTraceback (most recent call last):\n  g()\nx.Failed: c\n",
            ["KeyError", "x.Failed: c"],
        ),
        ("Traceback (most recent call last):\n  cut off", ["a traceback"]),
    ],
    ids=["none", "Python's", "IPython's", "two", "cut off"],
)
def test_what_was_raised_is_read_from_a_traceback(text: str, raised: list[str]) -> None:
    assert tracebacks(text) == raised
