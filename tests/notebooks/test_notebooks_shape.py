"""The notebooks keep their shape, and the tool that says so sees what it should."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import notebooks  # noqa: E402

URL = notebooks.repository()
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def well_shaped() -> nbformat.NotebookNode:
    return new_notebook(
        cells=[
            new_markdown_cell("# Title\n\n" + notebooks.badge("05_x.ipynb", URL)),
            new_code_cell(notebooks.bootstrap(URL)),
            new_code_cell(f"{notebooks.PROFILE}\n{notebooks.KEEP_IN}", metadata={"tags": ["parameters"]}),
            new_code_cell(
                "import kdsharp\nfrom kdsharp.course import begin, figures\n\nhere = begin(profile, keep_in)"
            ),
        ],
        metadata=notebooks.GPU,
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_in_shape(path: Path) -> None:
    assert notebooks.problems(nbformat.read(path, as_version=4), path.name, URL) == []


def test_the_course_is_complete() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{number:02d}" for number in range(11)]


def test_a_good_notebook_has_no_problems() -> None:
    assert notebooks.problems(well_shaped(), "05_x.ipynb", URL) == []


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda cells: cells.pop(0), "title"),
        (lambda cells: cells.__setitem__(0, new_markdown_cell("# No badge")), "badge"),
        (lambda cells: cells.pop(1), "bootstrap"),
        (lambda cells: cells.pop(2), "0 cells are tagged"),
        (lambda cells: cells.pop(3), "here = begin"),
        (lambda cells: cells[3].update(source=cells[3].source + "\nprint(here.status)"), "here = begin"),
        (lambda cells: cells[2].update(source=notebooks.PROFILE), "lacks the line: keep_in"),
        (lambda cells: cells[2].update(source=notebooks.KEEP_IN), "lacks the line: profile"),
        (lambda cells: cells.append(cells[2]), "2 cells are tagged"),
        (lambda cells: cells.extend(new_code_cell("1") for _ in range(23)), "26 code cells"),
        (lambda cells: cells.append(new_code_cell("1\n" * 15 + "1")), "16 lines"),
        (lambda cells: cells.append(new_code_cell("")), "empty"),
        (lambda cells: cells.append(new_code_cell("#" * 89)), "cell 4 has a line of 89 columns"),
        (lambda cells: cells.append(solution("#" * 89)), "cell 4 has a line of 89 columns"),
        (lambda cells: cells.append(new_markdown_cell("word " * 4000)), "twenty minutes of reading"),
        (lambda cells: cells.append(new_code_cell("%matplotlib inline")), "not Python"),
        (
            lambda cells: cells.append(new_code_cell("1", outputs=[new_output("stream", text="x")])),
            "outputs",
        ),
    ],
)
def test_each_fault_is_named(spoil, sentence: str) -> None:
    notebook = well_shaped()
    spoil(notebook.cells)
    assert any(sentence in problem for problem in notebooks.problems(notebook, "05_x.ipynb", URL))


def test_code_and_comments_are_not_read() -> None:
    notebook = well_shaped()
    before = notebooks.words_of(notebook)
    notebook.cells += [solution("x = 1\n" * 4000), new_markdown_cell(f"two words <!-- {'word ' * 4000} -->")]
    assert (
        notebooks.words_of(notebook) == before + 4
    )  # two, and the solution's <details><summary> and its end
    assert notebooks.problems(notebook, "05_x.ipynb", URL) == []


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        ("from kdsharp import distill", "from kdsharp.distill import losses, targets", None),
        ("from kdsharp.distill.targets import build", "import kdsharp\nkdsharp.psnr", None),
        ("from kdsharp.speed import roofline", "from kdsharp.course import exercises", None),
        ("from kdsharp import distill, data", "1", "data, distill"),
        ("from kdsharp import distill", "from kdsharp.data import photos", "data, distill"),
        ("import kdsharp.distill.losses", "import kdsharp.data", "data, distill"),
        ("from kdsharp import distill", "kdsharp.data.read_image(path)", "data, distill"),
        ("from kdsharp import distill", "kdsharp.preset('call').student.options", None),
        ("from kdsharp import psnr", "1", "write kdsharp.psnr"),
    ],
)
def test_the_face_the_toolbox_and_one_wing(first: str, second: str, sentence: str | None) -> None:
    """In cells and solutions together, however it is written."""
    notebook = well_shaped()
    notebook.cells += [new_code_cell(first), solution(second)]
    found = notebooks.problems(notebook, "05_x.ipynb", URL)
    assert any(sentence in problem for problem in found) if sentence else not found


def solution(code: str) -> nbformat.NotebookNode:
    return new_markdown_cell(f"<details><summary>Solution</summary>\n\n```python\n{code}\n```\n\n</details>")


def test_every_notebook_asks_colab_for_a_gpu() -> None:
    notebook = well_shaped()
    del notebook.metadata["accelerator"]
    assert any("GPU" in problem for problem in notebooks.problems(notebook, "05_x.ipynb", URL))
    assert notebooks.problems(notebooks.fixed(notebook, URL), "05_x.ipynb", URL) == []


def test_the_bootstrap_installs_on_lent_machines_only(tmp_path: Path) -> None:
    """Run by an interpreter without kdsharp and with a pip that writes down what it is asked for."""
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__init__.py").touch()  # or the real pip comes first
    (tmp_path / "pip" / "__main__.py").write_text(
        "import pathlib, sys\npathlib.Path(__file__).with_name('asked').write_text(sys.argv[-1])"
    )
    asked = tmp_path / "pip" / "asked"
    clean = {"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"]}
    for lent in ({}, {"COLAB_RELEASE_TAG": "1"}, {"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}):
        asked.unlink(missing_ok=True)
        command = [sys.executable, "-S", "-c", notebooks.bootstrap(URL)]
        subprocess.run(command, env=clean | lent, cwd=tmp_path, check=True)
        assert asked.exists() == bool(lent)
    extra = re.fullmatch(r"kdsharp\[(.*)\] @ git\+" + re.escape(URL), asked.read_text()).group(1)
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (brought,) = known["optional-dependencies"][extra]
    assert {"train", "openvino", "restormer"} <= set(re.search(r"\[(.*)\]", brought)[1].split(","))


def test_another_owner_reaches_badge_and_bootstrap() -> None:
    other = "https://github.com/somebody/sharper"
    notebook = well_shaped()
    assert notebooks.problems(notebook, "05_x.ipynb", other)
    notebook.cells[2].metadata["jupyter"] = {"source_hidden": True}
    notebook.metadata["widgets"] = {}
    mended = notebooks.fixed(notebook, other)
    assert notebooks.problems(mended, "05_x.ipynb", other) == []
    assert mended.cells[2].metadata["jupyter"] == {"source_hidden": True}
    assert "kdsharp/kdsharp" not in nbformat.writes(mended)


def test_the_readme_has_the_right_badge() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert notebooks.badge("00_setup.ipynb", URL) in text
    assert notebooks.fix_readme(text, URL) == text
