"""Panel: a blind test. A person says which of two crops is sharper and which is more natural, by seven keys."""

import time
from pathlib import Path

import ipywidgets as widgets
import numpy as np

from kdsharp.course.panels import votes
from kdsharp.course.panels.controls import button, said
from kdsharp.course.panels.opinion_figure import opinion_figure, opinion_table, rulers
from kdsharp.course.panels.panel import Panel, Shown
from kdsharp.errors import KdsharpError

ANSWERS = {  # by key, what it says of the picture on the right
    1: "1 left, much",
    2: "2 left",
    3: "3 left, a bit",
    4: "4 the same",
    5: "5 right, a bit",
    6: "6 right",
    7: "7 right, much",
}
_ASKED = {"sharper": "Which one is <b>sharper</b>?", "natural": "Which one looks more <b>natural</b>?"}
_WRAPPED = {"flex_flow": "row wrap"}
_GAP = 12  # white pixels between the two crops
# A field of its own, because ipywidgets tell a kernel of no keys. A key in it presses the button of its name. It is a
# field to write in, although nothing is written: elsewhere JupyterLab takes digits for headings.
_KEYS = """<input aria-label="Answer by the keys 1 to 7; Backspace takes back" style="width: 350px; padding: 2px 6px"
 placeholder="click here, then press 1 to 7 (Backspace: undo)"
 onkeydown="const name = event.key === 'Backspace' ? 'kdsharp-undo' : /^[1-7]$/.test(event.key) ?
 'kdsharp-answer-' + event.key : null; if (event.key !== 'Tab' && event.key !== 'Enter') event.preventDefault();
 if (name && !event.repeat) this.closest('.kdsharp-panel').querySelector('.' + name).click()">"""


class PreferencePanel(Panel):
    """A blind test of pairs; `answer(1)` to `answer(7)`, `undo()` and `again()` are what its buttons and keys do."""

    def __init__(
        self,
        crops: dict[str, list[np.ndarray]],
        answers: Path,
        seed: int | None,
        originals: list[np.ndarray] | None,
    ) -> None:
        self._crops, self._answers, self._seed, self._originals = crops, Path(answers), seed, originals
        self._pictures = votes.fingerprint(crops)
        self._begin(votes.last_round(self._answers, self._pictures, len(self._draw())))
        self.answer_buttons = [self._button(key, told) for key, told in ANSWERS.items()]
        self.undo_button = button("Undo", self.undo, "Take the last answer back.", width="80px")
        self.undo_button.add_class("kdsharp-undo")
        told = "All pairs once more, in another order: for the next person."
        self.again_button = button("Another round", self.again, told)
        keys = [said(_KEYS), self.undo_button, self.again_button]
        rows = [widgets.HBox(row, layout=_WRAPPED) for row in (self.answer_buttons, keys)]
        super().__init__("Which is better?", {}, self._view, below=rows)

    def answer(self, key: int) -> None:
        """Give an answer from 1 (the left one, by far) to 7 (the right one, by far) to the question that is shown.

        The answer to the second question of a pair stores both, and shows the next pair; after the last pair, nothing
        happens.
        """
        if len(self._done) == len(self._trials):
            return
        self._given[votes.QUESTIONS[len(self._given)]] = key - 4
        if len(self._given) == len(votes.QUESTIONS):
            answer = dict(zip(("scene", "left", "right"), self._trials[len(self._done)], strict=True))
            answer |= self._given
            seconds = round(time.monotonic() - self._shown, 1)
            votes.append(self._answers, answer | {"seconds": seconds, "pictures": self._pictures})
            self._done, self._given, self._shown = [*self._done, answer], {}, time.monotonic()
        self.changed()

    def undo(self) -> None:
        """Take the last answer back, from the file too, and ask again."""
        if not self._given and self._done:
            *self._done, last = self._done
            votes.take_back(self._answers)
            self._given = {name: last[name] for name in votes.QUESTIONS}
        if self._given:
            self._given.popitem()
        self.changed()

    def again(self) -> None:
        """Begin another round, whose answers are added."""
        self._begin([])
        self.changed()

    def _begin(self, done: list[dict]) -> None:
        """Go on after these answers: what they judged comes first, and is not shown."""
        judged = [(row["scene"], row["left"], row["right"]) for row in done]
        known = {(scene, frozenset(pair)) for scene, *pair in judged}
        rest = [trial for trial in self._draw() if (trial[0], frozenset(trial[1:])) not in known]
        self._done, self._trials, self._given, self._shown = done, judged + rest, {}, time.monotonic()

    def _draw(self) -> list[votes.Trial]:
        return votes.draw_trials(list(self._crops), len(next(iter(self._crops.values()))), self._seed)

    def _button(self, key: int, told: str) -> widgets.Button:
        made = button(told, lambda: self.answer(key), f"Key {key} in the field below.", width="116px")
        made.add_class(f"kdsharp-answer-{key}")
        return made

    def _view(self) -> Shown:
        over = len(self._done) == len(self._trials)
        self.undo_button.disabled = not (self._done or self._given)
        self.again_button.layout.display = None if over else "none"
        for one in self.answer_buttons:
            one.disabled = over
        if over:
            rows, measured = votes.opinions(self._answers), rulers(self._crops, self._originals)
            return opinion_figure(rows, measured), f"All pairs are judged.{opinion_table(rows, measured)}"
        scene, *sides = self._trials[len(self._done)]
        left, right = (_enlarged(self._crops[name][scene]) for name in sides)
        gap = np.full((left.shape[0], _GAP, 3), 255, np.uint8)
        question = _ASKED[votes.QUESTIONS[len(self._given)]]
        return np.hstack([left, gap, right]), f"Pair {len(self._done) + 1} of {len(self._trials)}. {question}"


def preference_panel(
    crops: dict[str, list[np.ndarray]],
    answers: Path,
    seed: int | None = None,
    originals: list[np.ndarray] | None = None,
) -> PreferencePanel:
    """Show every pair of methods on every scene once, in random order and on random sides, without names.

    A round that was broken off, or whose cell is run again, goes on where it was.

    Args:
        crops: for each method, one `uint8` RGB crop (H, W, 3) per scene, scenes in the same order.
        answers: a file that gets one JSON line per answer; answers of earlier rounds stay.
        seed: of the order; None draws a new one each time, as a test with people should.
        originals: one crop per scene; where they are given, PSNR and JOD stand beside the opinions at the end.

    Raises KdsharpError for fewer than two methods or different numbers of scenes.
    """
    counts = {len(scenes) for scenes in (*crops.values(), *([] if originals is None else [originals]))}
    if len(crops) < 2 or len(counts) != 1 or 0 in counts:
        raise KdsharpError(
            "A preference test wants two or more methods with the same number of scenes, at least one."
        )
    return PreferencePanel(crops, answers, seed, originals)


def _enlarged(crop: np.ndarray) -> np.ndarray:
    """A whole number of times as large, without smoothing: about 400 pixels wide."""
    factor = max(1, round(400 / crop.shape[1]))
    return crop.repeat(factor, axis=0).repeat(factor, axis=1)
