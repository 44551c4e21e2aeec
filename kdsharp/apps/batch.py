"""Many files through a student: a folder of pictures, or pictures and videos that a manifest names; on many machines a
shard each.

A run goes on past files that fail, and the next one does what is not there yet: an output appears whole or not at all.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from kdsharp import data
from kdsharp.apps import manifest, video
from kdsharp.apps.journal import Journal
from kdsharp.apps.manifest import Listed, Shard
from kdsharp.apps.pictures import named, sharpened
from kdsharp.data.reading import read
from kdsharp.data.writing import check, write
from kdsharp.deploy.sharpen import Sharpener, check_strength
from kdsharp.disk import files
from kdsharp.errors import KdsharpError

log = logging.getLogger(__name__)

MOST_JOBS = 64
ALL = Shard()

Work = Callable[[Path, Path], dict[str, Any]]  # source and output: what the log tells of it


def sharpen_folder(
    source: Path,
    destination: Path,
    student: Sharpener,
    strength: float = 1.0,
    force: bool = False,
    jobs: int = 2,
    part: Shard = ALL,
) -> list[str]:
    """Sharpen every picture under a folder into another with the same names; what is there already is skipped.

    While one picture goes through the network, `jobs` (1 to 64) others are decoded and encoded. Hidden files are passed
    over; pictures and videos of other kinds are named in a warning. Returns what went wrong, one sentence a picture; of
    a `part` it is also logged (`Journal`). Raises KdsharpError if there is no picture, if `destination` lies inside
    `source`, if another run writes there, and for numbers out of range.
    """
    source, destination = Path(source), Path(destination)
    _check(strength, jobs)
    if destination.resolve().is_relative_to(source.resolve()):
        raise KdsharpError(f"{destination} lies inside {source}: choose a folder outside it.")
    listed, left_out = manifest.of_folder(source, part)
    if left_out:
        more = f" and {len(left_out) - 10} more" if len(left_out) > 10 else ""
        log.warning("%s: left out, as they are of other kinds: %s%s", source, ", ".join(left_out[:10]), more)
    if not listed.lines:
        raise KdsharpError(f"{source} holds no picture ({', '.join(data.SUFFIXES)}).")
    return _Run(listed, destination, _pictures(student, strength), force, jobs).go(part, part != ALL)


def sharpen_manifest(
    source: Path,
    destination: Path,
    student: Sharpener,
    videos: Callable[[Path, Path], int],
    strength: float = 1.0,
    force: bool = False,
    jobs: int = 2,
    part: Shard = ALL,
) -> list[str]:
    """Sharpen the pictures and videos that a manifest names (`manifest.of_manifest`), or a part of them.

    As `sharpen_folder`, but videos go through `videos` (source, output: the number of frames). Each file gets a line of
    JSON in `destination`/kdsharp.jsonl, or kdsharp-3-of-100.jsonl for a part: path, status (done or failed), output,
    seconds (null where an earlier run made it), bytes in and out, pixels (width, height) or frames, error.
    """
    source, destination = Path(source), Path(destination)
    _check(strength, jobs)
    listed, picture = manifest.of_manifest(source, part), _pictures(student, strength)

    def work(given: Path, output: Path) -> dict[str, Any]:
        return {"frames": videos(given, output)} if video.is_video(given, output) else picture(given, output)

    return _Run(listed, destination, work, force, jobs).go(part, logged=True)


def _check(strength: float, jobs: int) -> None:
    check_strength(strength)
    if not 1 <= jobs <= MOST_JOBS:
        raise KdsharpError(f"The number of jobs lies between 1 and {MOST_JOBS}, not at {jobs}.")


def _pictures(student: Sharpener, strength: float) -> Work:
    one_at_a_time = threading.Lock()  # the network has all cores to itself

    def work(source: Path, output: Path) -> dict[str, Any]:
        picture = read(source)
        check(picture, output, student.scale)
        with one_at_a_time:
            result = sharpened(picture, student, strength)
        write(output, result)
        return {"pixels": result.colours.shape[1::-1]}

    return work


@dataclass
class _Run:
    """One run through a list, and what it has to tell."""

    listed: Listed
    destination: Path
    work: Work
    force: bool
    jobs: int
    problems: list[str] = field(default_factory=list)
    journal: Journal | None = None
    there: int = 0

    def go(self, part: Shard, logged: bool) -> list[str]:
        name = f"kdsharp-{part}" if part != ALL else "kdsharp"
        with files.only_one(self.destination, f".{name}" if part != ALL else None):
            self.journal = Journal(self.destination / f"{name}.jsonl") if logged else None
            for line, problem in self.listed.problems.items():
                self._note(line, problem)
            sources = self.listed.sources
            with ThreadPoolExecutor(self.jobs) as pool, tqdm(total=len(sources), unit="file") as progress:
                for noted in _as_they_end(pool, self._one, self._todo(progress), 2 * self.jobs):
                    self._note(*noted)
                    progress.update()
        made = len(sources) + len(self.listed.problems) - len(self.problems) - self.there
        log.info("%d sharpened, %d there already, %d could not be", made, self.there, len(self.problems))
        return self.problems

    def _todo(self, progress: tqdm) -> Iterator[tuple[str, str]]:
        """The pictures that are not there yet; videos are made here, and what a killed run did not note is noted."""
        for place, given in self.listed.sources.items():
            try:
                there = self._is_there(given, place)
            except KdsharpError as error:
                self._note(given, str(error))
            else:
                if not there and not video.is_video(Path(given), Path(place)):
                    yield place, given
                    continue
                if not there:
                    self._note(*self._one(place, given))  # here, where Ctrl-C ends it
                else:
                    self.there += 1
                    if self.journal and given not in self.journal.done:
                        self._note(given, "", self._facts(given, place))
            progress.update()

    def _is_there(self, given: str, place: str) -> bool:
        source, output = self.listed.root / given, self.destination / place
        if not os.path.exists(output):
            return False
        with contextlib.suppress(OSError):  # a source that is gone is no reason to make its picture again
            if os.path.samefile(source, output):
                raise KdsharpError(f"{output} is the source itself: choose another folder.")
        return not self.force

    def _one(self, place: str, given: str) -> tuple[str, str, dict[str, Any]]:
        source, began = self.listed.root / given, time.monotonic()
        try:
            with named(source):
                told = self.work(source, self.destination / place)
                return given, "", self._facts(given, place, round(time.monotonic() - began, 3)) | told
        except KdsharpError as error:
            return given, str(error), {"seconds": round(time.monotonic() - began, 3)}

    def _facts(self, given: str, place: str, seconds: float | None = None) -> dict[str, Any]:
        paths = (self.listed.root / given, self.destination / place)
        sizes = [path.stat().st_size if path.exists() else None for path in paths]
        return {"output": place, "seconds": seconds, "bytes": sizes}

    def _note(self, given: str, problem: str, facts: dict[str, Any] | None = None) -> None:
        if problem:
            self.problems.append(problem)
            log.warning("%s", problem)
        if self.journal:
            error = {"error": problem} if problem else {}
            self.journal.write(given, "failed" if problem else "done", **(facts or {}), **error)


def _as_they_end(
    pool: ThreadPoolExecutor, work: Callable, items: Iterator[tuple], most: int
) -> Iterator[Any]:
    """What `work` gives, in the order in which it ends; at most `most` items wait, however many there are."""
    waiting: set = set()
    for item in items:
        waiting.add(pool.submit(work, *item))
        if len(waiting) >= most:
            ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in ended)
    while waiting:
        ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        yield from (future.result() for future in ended)
