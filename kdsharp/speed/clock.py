"""The time that calls take: in turns, so that a slow moment of the machine meets them all, and after a warm-up."""

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

from kdsharp.errors import KdsharpError

ENOUGH_MS = 10_000  # a job that has taken this long is not repeated further ...
FEWEST = 3  # ... once it was timed so often


def time_call(function: Callable[[], object], repeats: int = 10, warmup: int = 2) -> float:
    """Median milliseconds of one call; on a GPU the call must wait for its result.

    Raises KdsharpError for less than one repeat.
    """
    return statistics.median(in_turns({"": function}, repeats, warmup)[""])


def in_turns(jobs: dict, repeats: int, warmup: int) -> dict[Any, list[float]]:
    """Milliseconds of each job's runs; all are run once per round, slow ones in fewer rounds."""
    if repeats < 1:
        raise KdsharpError(f"Cannot take the median of {repeats} repeats: ask for at least 1.")
    times: dict[Any, list[float]] = {key: [] for key in jobs}
    warm: set = set()
    for turn in range(warmup + repeats):
        for key, job in jobs.items():
            known = times[key]
            if (turn < warmup and key in warm) or (len(known) >= FEWEST and sum(known) > ENOUGH_MS):
                continue
            start = time.perf_counter()
            job()
            taken = (time.perf_counter() - start) * 1000
            if turn >= warmup:
                known.append(taken)
            elif taken > ENOUGH_MS / 10:
                warm.add(key)
    return times


def percentile(values: list[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(percent / 100 * len(ranked)) - 1)]
