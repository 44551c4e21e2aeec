"""Every notebook runs with its exercises: left alone they wait, with the solution they pass; progress is kept."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_five_questions_with_folded_answers_stand_between_checkpoint_and_reading(path: Path) -> None:
    sources = [cell.source for cell in nbformat.read(path, as_version=4).cells]
    (place,) = (index for index, source in enumerate(sources) if source.startswith("## Five questions"))
    folded = re.findall(r"<details><summary>(\d)\. .+\?</summary>\n\n(.+)\n\n</details>", sources[place])
    assert [number for number, _ in folded] == ["1", "2", "3", "4", "5"]
    assert any(f'exercises.progress("{path.stem[:2]}")' in source for source in sources[:place])
    assert "## Further reading" in sources[place + 1]


@pytest.mark.heavy
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_unsolved_exercises_wait_and_solutions_pass(path: Path, executed) -> None:
    notebook, _ = executed(path)
    assert not list(runner.inspect(notebook))
    said = printed(notebook)
    numbers = [number for _, number in exercise_cells(nbformat.read(path, as_version=4))]
    for number in numbers:
        verdicts = re.findall(rf"Exercise {number}:? (waits|solved|not yet)", said)
        assert verdicts == ["waits", "solved"], f"{number}: {verdicts}\n{said[-1500:]}"
    assert f"exercises: {len(numbers)} of {len(numbers)} here" in said


@pytest.mark.heavy
def test_what_a_program_solves_is_not_the_readers_progress(own_root: Path) -> None:
    assert not exercises.check("04.1", 51_000)
    path = own_root / "build" / "course" / "exercises.json"
    before = path.read_text()
    source = "from kdsharp.course import exercises\nexercises.check('04.1', 51_760)"
    nbformat.write(new_notebook(cells=[new_code_cell(source)]), own_root / "00_one.ipynb")
    notebook, failure = runner.execute(own_root / "00_one.ipynb", "quick")
    assert failure is None and "solved (1 of 2 here" in printed(notebook)
    assert path.read_text() == before


def test_every_check_belongs_to_a_notebook() -> None:
    wanted = {number for path in NOTEBOOKS for _, number in exercise_cells(nbformat.read(path, as_version=4))}
    assert wanted == set(exercises.CHECKS)


@pytest.fixture
def tried(capsys: pytest.CaptureFixture) -> Callable[[object], list[str]]:
    """Check an answer to exercise 04.1, whose right one is 51,760; returns the printed lines."""

    def answer(count: object) -> list[str]:
        exercises.check("04.1", count)
        return capsys.readouterr().out.splitlines()

    return answer


def test_a_hint_comes_after_the_second_wrong_try(tried: Callable[[object], list[str]]) -> None:
    hint = f"Hint: {exercises.CHECKS['04.1'].hint}"
    for _ in range(2):  # nothing was tried yet
        assert tried(None) == ["Exercise 04.1 waits: replace the None, and run the cell."]
    assert tried(51_000) == ["Exercise 04.1: not yet. It is too low, by less than 1000."]
    assert tried(None) == ["Exercise 04.1 waits: replace the None, and run the cell."]
    assert tried(52_000) == ["Exercise 04.1: not yet. It is too high, by less than 1000.", hint]
    assert tried("51 760")[1:] == [hint, "The solution is folded below."]
    assert tried(51_760) == ["Exercise 04.1: solved (1 of 2 here, 1 of 23 in the course)."]
    assert tried(0)[1:] == [hint, "The solution is folded below."]


def test_code_that_raises_is_a_wrong_answer_and_not_the_end_of_the_notebook(
    capsys: pytest.CaptureFixture,
) -> None:
    assert not exercises.check("06.1", lambda first, second: 1 / 0)
    assert "It raised ZeroDivisionError" in capsys.readouterr().out


def restarted(program: str) -> str:
    """What a new process prints that works in the same folder."""
    program = f"from kdsharp.course import exercises\n{program}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


@pytest.mark.heavy
def test_progress_and_tries_outlive_the_kernel_and_the_machine(
    own_root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path_factory.mktemp("drive")
    monkeypatch.setenv("KDSHARP_KEEP", str(kept))
    exercises.check("04.1", 51_760)
    exercises.check("01.1", 5, [1, 9])
    said = restarted("exercises.progress('04'); exercises.check('01.1', 5, [1, 9])").splitlines()
    assert said[0] == "exercises: 1 of 2 here, 1 of 23 in the course"
    assert said[2].startswith("Hint: ")
    monkeypatch.setenv("KDSHARP_ROOT", str(tmp_path_factory.mktemp("another machine")))
    assert "1 of 2 here" in restarted("exercises.progress('04')")


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"solved": 3}', '{"tries": {"04.1": "often"}}', '{"guesses": []}']
)
def test_a_damaged_record_loses_nothing_but_itself(
    damage: str, own_root: Path, caplog: pytest.LogCaptureFixture, tried: Callable[[object], list[str]]
) -> None:
    path = own_root / "build" / "course" / "exercises.json"
    tried(51_760)
    assert json.loads(path.read_text())["solved"] == ["04.1"]
    beside = path.with_name("06.json")
    beside.write_text("mine")
    path.write_text(damage)
    assert tried(51_000) == ["Exercise 04.1: not yet. It is too low, by less than 1000."]
    assert "begins anew" in caplog.text and beside.read_text() == "mine"
    assert tried(51_760) == ["Exercise 04.1: solved (1 of 2 here, 1 of 23 in the course)."]


def test_a_folder_that_cannot_be_written_is_a_warning(
    own_root: Path, caplog: pytest.LogCaptureFixture, tried: Callable[[object], list[str]]
) -> None:
    (own_root / "build").write_text("a file where the folder should be")
    assert tried(51_760)[0].startswith("Exercise 04.1: solved")
    assert "not kept" in caplog.text


def test_a_guess_stands_beside_the_result(capsys: pytest.CaptureFixture) -> None:
    choices = ("shrinking", "JPEG")
    guess = exercises.predict("02.a", "What costs more?", choices)
    guess.reveal("shrinking")
    guess.field.value = "JPEG"
    guess.reveal("shrinking")
    again = exercises.predict("02.a", "What costs more?", choices)  # after a restart
    assert again.field.value == "JPEG"
    again.reveal("JPEG")
    said = [line for line in capsys.readouterr().out.splitlines() if "It is" in line]
    assert said == [
        "No guess this time. It is: shrinking.",
        "You said: JPEG. It is: shrinking.",
        "You said: JPEG. It is: JPEG. Right.",
    ]
    assert exercises.predict("02.a", "What costs more?", ("noise", "blur")).field.value is None


def test_a_guessed_number_stands_beside_the_measured_one(capsys: pytest.CaptureFixture) -> None:
    guess = exercises.predict("07.a", "How many times as fast?", unit="times")
    guess.reveal(1.7)
    guess.field.value = "4"
    for found in (1.7, None):
        guess.reveal(found)
    said = capsys.readouterr().out.splitlines()
    assert said[-3:] == [
        "No guess this time. It is: 1.70 times.",
        "You said: 4 times. It is: 1.70 times.",
        "This could not be measured here.",
    ]
