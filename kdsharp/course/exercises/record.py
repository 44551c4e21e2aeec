"""What the reader has tried, solved and guessed: one small file in the course's folder, which outlives a kernel.

Where a kept folder is set, a copy lies there, so that it outlives the machine as well.
"""

import logging
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from kdsharp.disk import files, keep
from kdsharp.errors import KdsharpError

log = logging.getLogger(__name__)

# Whoever runs notebooks unattended names another file here: what a program solves is not the reader's progress.
ELSEWHERE = "KDSHARP_EXERCISES"


@dataclass
class Record:
    """Solved exercises, wrong tries of each, and the guesses that were made, all by number."""

    solved: list[str] = field(default_factory=list)
    tries: dict[str, int] = field(default_factory=dict)
    guesses: dict[str, str] = field(default_factory=dict)


def place() -> Path:
    """The file of the record."""
    return files.work_dir() / "course" / os.environ.get(ELSEWHERE, "exercises.json")


def read() -> Record:
    """The record as it is. One that is damaged, or cannot be brought back, begins anew, with a warning."""
    try:
        keep.fetch(place())
        found = files.read_json(place()) if place().exists() else {}
        return Record(
            [str(number) for number in found.get("solved", [])],
            {number: int(tries) for number, tries in found.get("tries", {}).items()},
            {number: str(guess) for number, guess in found.get("guesses", {}).items()},
        )
    except (KdsharpError, AttributeError, TypeError, ValueError) as error:
        log.warning("the progress of the exercises cannot be read, and begins anew: %s", error)
        return Record()


def write(record: Record) -> None:
    """Write the record, and keep a copy; a folder that cannot be written is a warning."""
    try:
        files.write_json(place(), asdict(record))
        keep.store(place())
    except (OSError, KdsharpError) as error:
        log.warning("the progress of the exercises is not kept: %s", error)


def solve(number: str) -> None:
    """Write down that an exercise is solved."""
    record = read()
    if number not in record.solved:
        record.solved.append(number)
        write(record)


def count_try(number: str) -> int:
    """Write down a wrong try; returns how many there were."""
    record = read()
    record.tries[number] = record.tries.get(number, 0) + 1
    write(record)
    return record.tries[number]


def guess(number: str, value: str) -> None:
    """Write down what the reader expects."""
    record = read()
    record.guesses[number] = value
    write(record)
