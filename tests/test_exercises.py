"""Every notebook runs with its exercises: left alone they fail their own check, with the solution they pass."""

import re
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from kdsharp import course, exercises

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
_SOLUTION = re.compile(r"```python\n(.*?)\n```", re.DOTALL)
_NUMBER = re.compile(r'exercises\.check\("(\d\d\.\d)"')


def exercise_cells(notebook: NotebookNode) -> list[tuple[int, str]]:
    """(index, number) of every cell tagged `exercise`."""
    return [
        (index, _NUMBER.search(cell.source)[1])
        for index, cell in enumerate(notebook.cells)
        if "exercise" in cell.metadata.get("tags", [])
    ]


def with_solutions(notebook: NotebookNode) -> NotebookNode:
    """After each folded solution, a cell that runs it with the lines that the exercise ends with (or begins with)."""
    for index, _ in reversed(exercise_cells(notebook)):
        stub, folded = notebook.cells[index], notebook.cells[index + 1]
        assert "<details>" in folded.source, "an exercise is followed by its folded solution"
        solution = _SOLUTION.search(folded.source)[1]
        check = next(line for line in stub.source.splitlines() if line.startswith("exercises.check("))
        notebook.cells.insert(index + 2, new_code_cell(f"{solution}\n{check}"))
    return notebook


def printed(notebook: NotebookNode) -> str:
    return "".join(output.get("text", "") for output in course._outputs(notebook))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of its own for what the notebooks write: the reader's build/ is left alone."""
    return tmp_path_factory.mktemp("course")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_two_or_three_exercises_each_with_a_check_of_its_number(path: Path) -> None:
    numbers = [number for _, number in exercise_cells(nbformat.read(path, as_version=4))]
    assert 2 <= len(numbers) <= 3
    assert numbers == [f"{path.stem[:2]}.{count}" for count in range(1, len(numbers) + 1)]
    assert set(numbers) <= set(exercises.CHECKS)


@pytest.mark.heavy
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_unsolved_exercises_fail_and_solutions_pass(
    path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KDSHARP_ROOT", str(root))
    notebook = nbformat.read(path, as_version=4)
    numbers = [number for _, number in exercise_cells(notebook)]
    copy = root / path.name
    nbformat.write(with_solutions(notebook), copy)
    executed, failure = course.execute(copy, "quick")
    assert failure is None
    assert not list(course.inspect(executed))
    said = printed(executed)
    for number in numbers:
        verdicts = re.findall(rf"Exercise {number}: (solved|not yet)", said)
        assert verdicts == ["not yet", "solved"], f"{number}: {verdicts}\n{said[-1500:]}"


def test_a_wrong_answer_is_not_solved(capsys: pytest.CaptureFixture) -> None:
    assert not exercises.check("04.1", 51_000)
    assert exercises.check("04.1", 51_760)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("Exercise 04.1: not yet. ") and said[1] == "Exercise 04.1: solved."


def test_code_that_raises_is_a_hint_and_not_the_end_of_the_notebook(capsys: pytest.CaptureFixture) -> None:
    assert not exercises.check("06.1", lambda first, second: 1 / 0)
    assert "ZeroDivisionError" in capsys.readouterr().out


def test_every_check_belongs_to_a_notebook() -> None:
    wanted = {number for path in NOTEBOOKS for _, number in exercise_cells(nbformat.read(path, as_version=4))}
    assert wanted == set(exercises.CHECKS)
