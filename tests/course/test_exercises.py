"""Every notebook runs with its exercises: left alone they fail their own check, with the solution they pass."""

import re
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

import kdsharp
from kdsharp.course import exercises, runner

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
_NUMBER = re.compile(r'exercises\.check\("(\d\d\.\d)"')


def exercise_cells(notebook: NotebookNode) -> list[tuple[int, str]]:
    """(index, number) of every cell tagged `exercise`."""
    return [
        (index, _NUMBER.search(cell.source)[1])
        for index, cell in enumerate(notebook.cells)
        if "exercise" in cell.metadata.get("tags", [])
    ]


def printed(notebook: NotebookNode) -> str:
    return "".join(output.get("text", "") for output in runner.outputs_of(notebook))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_two_or_three_exercises_each_with_a_check_of_its_number(path: Path) -> None:
    numbers = [number for _, number in exercise_cells(nbformat.read(path, as_version=4))]
    assert 2 <= len(numbers) <= 3
    assert numbers == [f"{path.stem[:2]}.{count}" for count in range(1, len(numbers) + 1)]
    assert set(numbers) <= set(exercises.CHECKS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_solution_follows_each_exercise(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    for index, _ in exercise_cells(notebook):
        assert "<details>" in notebook.cells[index + 1].source, (
            "an exercise is followed by its folded solution"
        )
    added = len(runner.solved(nbformat.read(path, as_version=4)).cells) - len(notebook.cells)
    assert added == len(exercise_cells(notebook))


@pytest.mark.heavy
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_unsolved_exercises_fail_and_solutions_pass(path: Path, executed) -> None:
    notebook, _ = executed(path)
    assert not list(runner.inspect(notebook))
    said = printed(notebook)
    for _, number in exercise_cells(nbformat.read(path, as_version=4)):
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


def test_what_a_teacher_added_is_measured_and_not_made_up() -> None:
    photo = kdsharp.read_image(kdsharp.embedded_photos("val")[0])[:96, 160:256]
    networks = {"alone": lambda picture: picture, "fidelity": kdsharp.unsharp}
    calls = {"mild": (1.5, 85), "medium": (2, 70), "severe": (3, 50)}
    received = {name: kdsharp.degrade(photo, kdsharp.fixed_call(*call))[1] for name, call in calls.items()}
    scores = {
        name: [kdsharp.psnr(method(picture), photo) for method in networks.values()]
        for name, picture in received.items()
    }
    ahead = {name: taught - alone for name, (alone, taught) in scores.items()}
    assert exercises.check("05.1", ahead, networks, photo)
    for wrong in (
        {"mild": 0.1, "medium": 0.2, "severe": 0.3},
        {"mild": ahead["mild"]},
        ahead | {"mild": 9.0},
    ):
        assert not exercises.check("05.1", wrong, networks, photo)
