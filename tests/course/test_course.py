"""The course runner fails what must fail, whichever way a notebook hides it."""

import logging
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from kdsharp.apps.cli import main
from kdsharp.course import runner
from kdsharp.disk import files
from kdsharp.errors import KdsharpError

GOOD = "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2]);"
BLANK = (
    "from IPython.display import display\nfrom PIL import Image\ndisplay(Image.new('RGB', (64, 64), 'white'))"
)
RAISES = "raise ValueError('the sky fell\\nand more')"
# What `interact` does with a callback's exception: it lands in the Output widget, and the cell goes on.
SWALLOWED = """\
import ipywidgets
def callback(amount):
    raise ValueError("hidden in a widget")
slider = ipywidgets.IntSlider()
output = ipywidgets.interactive_output(callback, {"amount": slider})
output"""
THREAD = "import threading\nthread = threading.Thread(target=lambda: 1 / 0)\nthread.start(); thread.join()"


def write(folder: Path, name: str, *cells: str) -> Path:
    path = folder / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in cells]), path)
    return path


@pytest.mark.heavy
def test_states_of_all_kinds_of_notebooks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(runner.TIMEOUT_SECONDS, "quick", 120)  # nbclient may notice a dead kernel only then
    folder, out = tmp_path / "notebooks", tmp_path / "build" / "course"
    write(folder, "00_good", "import os, sys", GOOD, "print(os.environ['KDSHARP_PROFILE'], sys.executable)")
    write(folder, "01_raises", "1", RAISES, "2")
    write(folder, "02_blank", BLANK)
    write(folder, "03_swallowed", GOOD, SWALLOWED)
    write(folder, "04_thread", GOOD, THREAD)
    write(folder, "05_dies", "import os\nos._exit(1)")
    (folder / "06_unreadable.ipynb").write_text("not json")
    write(folder, "07_draws_nothing", "import matplotlib.pyplot as plt", "figure = plt.figure(); plt.close()")
    write(folder, "08_only_text", "print('hello')")
    write(folder, "not_numbered", RAISES)
    stale = [out / "results" / "evaluate.json", out / "figures" / "99-01.png", out / "99_gone.ipynb"]
    for path in stale:
        files.write_json(path, [])
    with caplog.at_level(logging.INFO, logger="kdsharp.course"):
        rows = runner.run_course(folder, out)
    states = {row["notebook"]: row["state"] for row in rows}
    assert states["00_good"] == "ok"
    assert states["01_raises"] == "raised ValueError: the sky fell"
    assert states["02_blank"] == "figure 1 is blank"
    assert states["03_swallowed"] == "an output shows ValueError: hidden in a widget"
    assert "ZeroDivisionError" in states["04_thread"]
    assert "kernel died" in states["05_dies"]
    assert states["06_unreadable"].startswith("could not be run, NotJSONError")
    assert states["07_draws_nothing"] == "cell 2 drew no figure"
    assert states["08_only_text"] == "ok"
    assert "not_numbered" not in states

    assert not any(path.exists() for path in stale)
    executed = nbformat.read(out / "00_good.ipynb", as_version=4)
    printed = executed.cells[2].outputs[0].text.split()
    assert printed[0] == "quick"
    assert Path(printed[1]) == Path(sys.executable), "the kernel must be this interpreter"
    with Image.open(out / "figures" / "00_good-01.png") as figure:
        assert figure.width > 100
    assert (out / "01_raises.ipynb").exists()
    assert "01_raises" in caplog.messages[-1] and "total" in caplog.messages[-1]


def test_a_cell_that_was_not_executed_shows() -> None:
    notebook = new_notebook(cells=[new_code_cell("1", execution_count=1), new_code_cell("2")])
    assert list(runner.inspect(notebook)) == ["1 cells were not executed"]


def test_an_error_output_that_was_allowed_shows() -> None:
    error = new_output("error", ename="KeyError", evalue="'x'", traceback=[])
    notebook = new_notebook(cells=[new_code_cell("1", execution_count=1, outputs=[error])])
    assert list(runner.inspect(notebook)) == ["an output shows KeyError: 'x'"]


@pytest.mark.parametrize(
    ("pixels", "blank"),
    [
        (np.full((32, 32, 3), 255, np.uint8), True),
        (np.full((32, 32, 3), (10, 200, 30), np.uint8), True),
        (np.zeros((32, 32, 4), np.uint8), True),
        (np.concatenate([np.full((32, 32, 3), c, np.uint8) for c in ((255, 0, 0), (0, 130, 0))]), False),
        (np.arange(1024, dtype=np.uint8).reshape(32, 32), False),
    ],
    ids=["white", "green", "transparent", "two colours", "ramp"],
)
def test_blank_figures(tmp_path: Path, pixels: np.ndarray, blank: bool) -> None:
    Image.fromarray(pixels).save(tmp_path / "x.png")
    assert runner.is_blank((tmp_path / "x.png").read_bytes()) is blank


def test_the_closing_table(tmp_path: Path) -> None:
    quality = {"method": "student", "psnr_y": 31.234, "ssim_y": 0.91234, "psnr_rgb": 30.0, "ssim_rgb": 0.9}
    speed = {
        "network": "call",
        "engine": "onnx",
        "device": "cpu",
        "what": "end to end",
        "ms": 40.0,
        "fps": 25.0,
    }
    files.write_json(tmp_path / "results" / "evaluate.json", [quality])
    files.write_json(tmp_path / "results" / "speed.json", [speed])
    table = runner.format_report([{"notebook": "00_setup", "seconds": 1.5, "state": "ok"}], tmp_path)
    position = -1
    for expected in ("00_setup", "1.5  ok", "total", "31.23", "0.9123", "call", "onnx", "25.0"):
        assert (position := table.find(expected, position + 1)) >= 0, expected


def test_a_folder_without_notebooks_is_named(tmp_path: Path) -> None:
    with pytest.raises(KdsharpError, match="no notebooks in"):
        runner.run_course(tmp_path, tmp_path / "out")


def test_the_command_fails_when_a_notebook_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    for state, status in (("ok", 0), ("raised ValueError: x", 1)):
        states = {"00": "ok", "01": state}
        rows = [{"notebook": name, "seconds": 0.0, "state": found} for name, found in states.items()]
        monkeypatch.setattr(runner, "run_course", lambda *_, rows=rows: rows)
        assert main(["course"]) == status
