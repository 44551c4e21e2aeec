"""Predict first: a guess before a result is there, and both beside each other afterwards.

Who has said what they expect looks at the result with other eyes. A notebook that runs through without a guess goes on.
"""

import re
from collections.abc import Sequence

import ipywidgets as widgets
from IPython.display import display

from kdsharp.course.exercises import record


class Guess:
    """A question with a choice, or with a field for a number; `reveal` sets the result beside what was said.

    A guess of an earlier sitting is shown again.
    """

    def __init__(self, number: str, question: str, choices: Sequence[str], unit: str) -> None:
        self.unit, self.told = unit, record.read().guesses.get(number)
        if choices:
            self.told = self.told if self.told in choices else None
            self.field = widgets.ToggleButtons(options=list(choices), value=self.told)
            self.field.style.button_width = "auto"
        else:
            self.field = widgets.Text(self.told or "", placeholder="a number", continuous_update=False)
        answer = widgets.HBox([self.field, widgets.Label(unit)])
        self.field.observe(lambda change: self._heard(number, change["new"]), names="value")
        told = re.sub(r"`(.+?)`", r"<code>\1</code>", question)
        self.box = widgets.VBox([widgets.HTML(f"<b>Your guess first.</b> {told}"), answer])

    def _heard(self, number: str, value: str) -> None:
        self.told = value
        record.guess(number, value)

    def reveal(self, found: str | float | None) -> None:
        """Print one line: the guess and what was found, a choice or a number; None where nothing could be measured."""
        if found is None:
            print("This could not be measured here.")
        elif not self.told:
            print(f"No guess this time. It is: {self._said(found)}.")
        elif isinstance(found, str):
            print(f"You said: {self.told}. It is: {found}.{' Right.' if self.told == found else ''}")
        else:
            print(f"You said: {self.told} {self.unit}. It is: {self._said(found)}.")

    def _said(self, found: str | float) -> str:
        return found if isinstance(found, str) else f"{found:.2f} {self.unit}"


def predict(number: str, question: str, choices: Sequence[str] = (), unit: str = "") -> Guess:
    """Ask for a guess, in buttons where there are `choices`, else in a field for a number in `unit`."""
    guess = Guess(number, question, choices, unit)
    display(guess.box)
    return guess
