"""Panel: a blind test. A person says which of two crops is sharper and which is more natural.

The scale is the seven-step comparison scale of ITU-T P.800 annex E (comparison category rating), -3 (the right one
is much worse) to +3 (much better). Its mean is a comparison mean opinion score.
"""

import itertools
import json
import logging
import os
import time
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from scipy import stats

from kdsharp.course.panels.panel import Panel, Shown, slider
from kdsharp.disk import keep
from kdsharp.errors import KdsharpError

log = logging.getLogger(__name__)

QUESTIONS = ("sharper", "natural")
_GAP = 12  # white pixels between the two crops


def preference_panel(crops: dict[str, list[np.ndarray]], answers: Path, seed: int | None = None) -> Panel:
    """Show every pair of methods on every scene once, in random order and on random sides, without names.

    Args:
        crops: for each method, one `uint8` RGB crop (H, W, 3) per scene, scenes in the same order.
        answers: a file that gets one JSON line per answer; answers of earlier sittings stay.
        seed: of the order; None draws a new one for each sitting, as a test with people should.

    Raises KdsharpError for fewer than two methods or different numbers of scenes.
    """
    if (
        len(crops) < 2
        or len({len(scenes) for scenes in crops.values()}) != 1
        or not next(iter(crops.values()))
    ):
        raise KdsharpError(
            "A preference test wants two or more methods with the same number of scenes, at least one."
        )
    trials = draw_trials(list(crops), len(next(iter(crops.values()))), seed)
    controls = {
        "sharper": slider("sharper", 0, -3, 3),
        "natural": slider("more natural", 0, -3, 3),
    }
    store = widgets.Button(description="Store and next", button_style="primary")
    place, begun = 0, time.monotonic()

    def show(**_scores: int) -> Shown:
        if place == len(trials):
            return result_picture(crops), _report(answers)
        scene, left, right = trials[place]
        pair = [_enlarged(crops[left][scene]), _enlarged(crops[right][scene])]
        gap = np.full((pair[0].shape[0], _GAP, 3), 255, np.uint8)
        return np.hstack([pair[0], gap, pair[1]]), (
            f"Pair {place + 1} of {len(trials)}. Is the <b>right</b> one sharper (+3: much sharper, 0: the same, "
            "-3: much less)? And more natural?"
        )

    panel = Panel("Which is better?", controls, show, [store])

    def next_pair(_button: widgets.Button) -> None:
        nonlocal place, begun
        with panel.errors:
            if place == len(trials):
                return
            scene, left, right = trials[place]
            answer = {"scene": scene, "left": left, "right": right} | panel.values
            _append(answers, answer | {"seconds": round(time.monotonic() - begun, 1)})
            place, begun = place + 1, time.monotonic()
            for control in controls.values():
                control.value = 0
            store.disabled = place == len(trials)
            panel.refresh()

    store.on_click(next_pair)
    return panel


def draw_trials(methods: list[str], scenes: int, seed: int | None) -> list[tuple[int, str, str]]:
    """(scene, left, right) of every pair on every scene, in random order and on random sides."""
    generator = np.random.default_rng(seed)
    trials = []
    for scene, pair in itertools.product(range(scenes), itertools.combinations(methods, 2)):
        trials.append((scene, *(pair if generator.random() < 0.5 else pair[::-1])))
    return [trials[index] for index in generator.permutation(len(trials))]


def opinions(answers: Path) -> list[dict]:
    """Comparison mean opinion score of each method, in steps from -3 to +3, with its 95 % confidence interval.

    Each answer counts for the right picture and, with the other sign, for the left. One row per method and
    question: method, question, answers, mean, low, high. The interval is Student's t; with fewer than two answers it
    is not known and left out (None). Answers of one person are not independent people: say how many you asked.
    Raises KdsharpError if there is no answer yet.
    """
    rows = _read(answers)
    if not rows:
        raise KdsharpError(f"There is no answer in {answers} yet: judge at least one pair.")
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


def result_picture(crops: dict[str, list[np.ndarray]]) -> np.ndarray:
    """The first scene by every method, side by side: the names come with the report."""
    return np.hstack([scenes[0] for scenes in crops.values()])


def _enlarged(crop: np.ndarray) -> np.ndarray:
    """A whole number of times as large, without smoothing: about 440 pixels wide."""
    factor = max(1, 440 // crop.shape[1])
    return crop.repeat(factor, axis=0).repeat(factor, axis=1)


def _interval(scores: list[int]) -> tuple[float | None, float | None]:
    if len(scores) < 2:
        return None, None
    half = float(stats.t.ppf(0.975, len(scores) - 1) * np.std(scores, ddof=1) / np.sqrt(len(scores)))
    return float(np.mean(scores)) - half, float(np.mean(scores)) + half


def _report(answers: Path) -> str:
    lines = [
        f"{row['method']}, {row['question']}: {row['mean']:+.2f}"
        + (f" [{row['low']:+.2f}, {row['high']:+.2f}]" if row["low"] is not None else "")
        + f" ({row['answers']} answers)"
        for row in opinions(answers)
    ]
    return "All pairs are judged. Mean opinion from -3 to +3, with its 95 % interval:<br>" + "<br>".join(
        lines
    )


def _append(path: Path, answer: dict) -> None:
    """One line, on the disk before the next pair is shown."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as handle:
        handle.write(json.dumps(answer) + "\n")
        handle.flush()
        os.fsync(handle.fileno())
    keep.store(path)


def _read(path: Path) -> list[dict]:
    if not Path(path).exists():
        return []
    rows = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            rows.append({key: row[key] for key in ("scene", "left", "right", *QUESTIONS)})
        except (json.JSONDecodeError, KeyError, TypeError):
            log.warning("%s, line %d is no answer and is left out", path, number)
    return rows
