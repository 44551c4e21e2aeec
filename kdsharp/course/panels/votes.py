"""The answers of a blind test: one JSON line each in a file, and what follows from them.

The scale is the seven-step comparison scale of ITU-T P.800 annex E (comparison category rating), -3 (the right one
is much worse) to +3 (much better). Its mean is a comparison mean opinion score.
"""

import hashlib
import itertools
import json
import logging
import os
from pathlib import Path

import numpy as np
from scipy import stats

from kdsharp.disk import files, keep
from kdsharp.errors import KdsharpError

log = logging.getLogger(__name__)

QUESTIONS = ("sharper", "natural")
Trial = tuple[int, str, str]  # scene, method on the left, method on the right


def draw_trials(methods: list[str], scenes: int, seed: int | None) -> list[Trial]:
    """(scene, left, right) of every pair on every scene, in random order and on random sides."""
    generator = np.random.default_rng(seed)
    trials = []
    for scene, pair in itertools.product(range(scenes), itertools.combinations(methods, 2)):
        trials.append((scene, *(pair if generator.random() < 0.5 else pair[::-1])))
    return [trials[index] for index in generator.permutation(len(trials))]


def fingerprint(crops: dict[str, list[np.ndarray]]) -> str:
    """What an answer is about: it does not hold for the pictures of a student that was trained again."""
    seen = hashlib.sha256()
    for name in sorted(crops):
        for crop in crops[name]:
            seen.update(f"{name} {crop.shape}".encode() + crop.tobytes())
    return seen.hexdigest()[:12]


def last_round(answers: Path, pictures: str, count: int) -> list[dict]:
    """The answers of the round of `count` pairs that was broken off, else of the last one, about these `pictures`."""
    rows = [row for row in read(answers) if row["pictures"] == pictures]
    return rows[-(len(rows) % count or count) :]


def opinions(answers: Path) -> list[dict]:
    """Comparison mean opinion score of each method, in steps from -3 to +3, with its 95 % confidence interval.

    Each answer counts for the right picture and, with the other sign, for the left. One row per method and
    question: method, question, answers, mean, low, high. The interval is Student's t; with fewer than two answers it
    is not known and left out (None). Answers of one person are not independent people: say how many you asked.
    Answers about other pictures than the last one's, as before a training, do not count.
    Raises KdsharpError if there is no answer yet.
    """
    rows = read(answers)
    if not rows:
        raise KdsharpError(f"There is no answer in {answers} yet: judge at least one pair.")
    rows = [row for row in rows if row["pictures"] == rows[-1]["pictures"]]
    methods = sorted({row[side] for row in rows for side in ("left", "right")})
    table = []
    for method, question in itertools.product(methods, QUESTIONS):
        scores = [row[question] for row in rows if row["right"] == method]
        scores += [-row[question] for row in rows if row["left"] == method]
        low, high = _interval(scores)
        table.append(
            {
                "method": method,
                "question": question,
                "answers": len(scores),
                "mean": float(np.mean(scores)),
                "low": low,
                "high": high,
            }
        )
    return table


def append(path: Path, answer: dict) -> None:
    """One line, on the disk before the next pair is shown."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+") as handle:
        handle.seek(max(0, handle.seek(0, os.SEEK_END) - 1))
        torn = handle.read() not in (b"", b"\n")  # the machine died in the middle of a line
        handle.write(b"\n" * torn + json.dumps(answer).encode() + b"\n")
        handle.flush()
        os.fsync(handle.fileno())
    keep.store(path)


def take_back(path: Path) -> None:
    """The file without its last line."""
    lines = path.read_bytes().splitlines(keepends=True)
    with files.atomic_write(path) as handle:
        handle.writelines(lines[:-1])
    keep.store(path)


def read(path: Path) -> list[dict]:
    """The answers of a file, oldest first; `pictures` is None in those of earlier versions."""
    if not Path(path).exists():
        return []
    rows = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            rows.append({key: row[key] for key in ("scene", "left", "right", *QUESTIONS)})
            rows[-1]["pictures"] = row.get("pictures")
        except (json.JSONDecodeError, KeyError, TypeError):
            log.warning("%s, line %d is no answer and is left out", path, number)
    return rows


def _interval(scores: list[int]) -> tuple[float | None, float | None]:
    if len(scores) < 2:
        return None, None
    half = float(stats.t.ppf(0.975, len(scores) - 1) * np.std(scores, ddof=1) / np.sqrt(len(scores)))
    return float(np.mean(scores)) - half, float(np.mean(scores)) + half
