"""The course's text says what its cells print; and the tool that compares them sees what it should."""

import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import ranges  # noqa: E402

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PATTERN = r"gain ([+-][\d.]+) dB"
NOTE = f"<!-- range: gain ; 0.2 .. 1.5 ; {PATTERN} -->"
TOLD = f"You should see a gain of 0.2 to 1.5 dB (notebook 06). {NOTE}"
PRINTED = "mild gain +0.31 dB\npoor gain +1.50 dB\n"


def ran(text: str, *printed: str) -> nbformat.NotebookNode:
    """A notebook whose cells printed something, with a text below them."""
    outputs = [new_output("stream", text=one) for one in printed]
    cells = [new_code_cell("print()", outputs=[output]) for output in outputs]
    return new_notebook(cells=[new_markdown_cell("# Title"), *cells, new_markdown_cell(text)])


def problems(notebook: nbformat.NotebookNode) -> list[str]:
    return [*ranges.problems_of_text(notebook), *ranges.problems_of_run(notebook)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_told_has_a_note(path: Path) -> None:
    assert list(ranges.problems_of_text(nbformat.read(path, as_version=4))) == []


@pytest.mark.heavy
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_told_is_what_was_printed(path: Path, executed) -> None:
    notebook = nbformat.read(path, as_version=4)
    if any(ranges.notes_of(cell.source)[0] for cell in notebook.cells):
        assert list(ranges.problems_of_run(executed(path)[0])) == []


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        (TOLD, PRINTED),
        (TOLD, "\x1b[1mgain +1.0 dB\x1b[0m"),
        ("Above 1,000 it is slow. <!-- range: ms ; 1,000 .. ; ^ms ([\\d,.]+)$ -->", "fps 3\nms 1,234.5"),
        (
            "At most -3 dB. <!-- range: loss ; .. -3 ; loss (.*) dB -->",
            "loss -3.5 dB\nloss \N{MINUS SIGN}4 dB",
        ),
        (
            "Look at `30 FPS`, x4 and 32x32: $r^2 = 4$, notebooks 05 to 08, [more](a_5.md), 8-bit, 1080p, H.264.",
            "",
        ),
        ("## 3. Speed\n\nLook at the bars.\n\nThere are 7 of them.", ""),
    ],
)
def test_text_that_is_true(text: str, printed: str) -> None:
    assert problems(ran(text, printed)) == []


@pytest.mark.parametrize(
    ("text", "printed", "sentence"),
    [
        (TOLD, "gain +1.51 dB", "does not hold: +1.51 was printed"),
        (TOLD, PRINTED + "third gain -0.20 dB", "does not hold: -0.20 was printed"),
        (TOLD, "gain 0.31 dB", "nothing printed above fits"),
        (TOLD, "", "nothing printed above fits"),
        (TOLD, "gain +1.3.1 dB", "'+1.3.1', which is no number"),
        (f"You should see a gain. {NOTE}", PRINTED, "0.2 and 1.5 is not in the text"),
        (f"You should see a gain of 0.2 to 1.55 dB. {NOTE}", PRINTED, "1.5 is not in the text"),
        (f"It gains 0.2 to <!-- 1.5 --> something. {NOTE}", PRINTED, "1.5 is not in the text"),
        ("You should see a gain of 0.2 dB.", PRINTED, "told 0.2, which is no bound"),
        ("You should see 0.2-1.5 dB.", PRINTED, "told 1.5, which is no bound"),
        ("*Look at the gain*: some 2 dB.", PRINTED, "told 2, which is no bound"),
        (f"{TOLD} It has 12 bars.", PRINTED, "told 12, which is no bound"),
        (TOLD.replace(";", ","), PRINTED, "a note that is not"),
        (TOLD.replace("0.2 ..", "1.6 .."), PRINTED, "a note that is not"),
        (TOLD.replace("0.2 .. 1.5", ".."), PRINTED, "a note that is not"),
        (TOLD.replace("([+-][", "(?:[+-]["), PRINTED, "a note that is not"),
        (TOLD.replace(" dB -->", " ) -->"), PRINTED, "a note that is not"),
    ],
)
def test_each_fault_is_named(text: str, printed: str, sentence: str) -> None:
    assert any(sentence in problem for problem in problems(ran(text, printed)))


def test_all_code_cells_directly_above_count_and_no_others() -> None:
    notebook = ran(TOLD, "gain +0.50 dB", "gain +9.00 dB")
    assert len(problems(notebook)) == 1
    notebook.cells.insert(2, new_markdown_cell("Between them."))
    assert len(problems(notebook)) == 1
    notebook.cells[1], notebook.cells[3] = notebook.cells[3], notebook.cells[1]
    assert problems(notebook) == []


def test_what_a_cell_returns_counts() -> None:
    notebook = ran(TOLD, "")
    result = new_output("execute_result", data={"text/plain": "gain +3.00 dB", "text/html": "gain +1.00 dB"})
    notebook.cells[1].outputs = [result]
    assert any("+3.00 was printed" in problem for problem in problems(notebook))


@pytest.mark.parametrize(("printed", "status"), [(PRINTED, 0), ("gain +9.00 dB", 1)])
def test_the_command(tmp_path: Path, capsys, printed: str, status: int) -> None:
    assert ranges.main([str(tmp_path)]) == 1
    assert "make course" in capsys.readouterr().out
    nbformat.write(ran(TOLD, printed), tmp_path / "06_x.ipynb")
    assert ranges.main([str(tmp_path)]) == status
    assert ("06_x.ipynb: cell 2: the range of 'gain'" in capsys.readouterr().out) == bool(status)
