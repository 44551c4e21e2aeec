"""How an exercise is judged: a wrong answer is named, a hint comes after the second one, and what is solved is kept."""

from collections.abc import Callable
from dataclasses import dataclass

from kdsharp.course.exercises import record

# Gets the answer and what it takes to compute the right one; returns what is wrong with it, None where it is right.
Judge = Callable[..., str | None]


@dataclass(frozen=True)
class Exercise:
    """What judges an answer, and what helps after the second wrong one."""

    judge: Judge
    hint: str


CHECKS: dict[str, Exercise] = {}


def exercise(number: str, hint: str) -> Callable[[Judge], Judge]:
    """Register a judge under the number of its exercise: notebook, point, place in it."""

    def register(judge: Judge) -> Judge:
        CHECKS[number] = Exercise(judge, hint)
        return judge

    return register


def check(number: str, *answers: object) -> bool:
    """Judge an answer; prints what is right or wrong with it, and returns whether it is right.

    A wrong kind of answer, or code of the reader's that raises, is a wrong answer and not an error of the notebook.
    With None among the answers the exercise waits: nothing is judged, and no try is counted.
    """
    if any(answer is None for answer in answers):
        print(f"Exercise {number} waits: replace the None, and run the cell.")
        return False
    try:
        wrong = CHECKS[number].judge(*answers)
    except Exception as error:  # it is the reader's code that runs here: any mistake is possible
        wrong = f"It raised {type(error).__name__}: {error}"
    if wrong is None:
        record.solve(number)
        print(f"Exercise {number}: solved ({how_far(number[:2])}).")
        return True
    tries = record.count_try(number)
    print(f"Exercise {number}: not yet. {wrong}")
    if tries > 1:
        print(f"Hint: {CHECKS[number].hint}")
    if tries > 2:
        print("The solution is folded below.")
    return False


def how_far(notebook: str) -> str:
    """How many exercises of a notebook, and of the course, are solved."""
    solved = set(record.read().solved) & CHECKS.keys()
    here = [number for number in CHECKS if number.startswith(f"{notebook}.")]
    return f"{len(solved & set(here))} of {len(here)} here, {len(solved)} of {len(CHECKS)} in the course"


def progress(notebook: str) -> None:
    """Print one line: the solved exercises of a notebook (`05`) and of the course."""
    print(f"exercises: {how_far(notebook)}")
