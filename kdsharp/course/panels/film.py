"""Panel: the film of a training, played or moved by hand."""

from pathlib import Path

import ipywidgets as widgets
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kdsharp import evaluate
from kdsharp.course.figures.film import Reel, reel
from kdsharp.course.figures.style import colours_of
from kdsharp.course.panels.controls import slider
from kdsharp.course.panels.panel import Panel, Shown
from kdsharp.distill.validation import SHOWN

_WIDTH = 900  # of the picture, in pixels
_LARGEST = 288  # of one place in it
_HEAD = 44  # pixels for the name above a place
_GAP = 6
_TOLD = "dB is PSNR-Y of this place; the way is that from the input to the teacher's picture."
_PACE = 500  # milliseconds a picture


def film_panel(folders: dict[str, Path]) -> Panel:
    """Play what students made of one place while they learnt; `folders` are runs by their student's name.

    Above the input and the students at one step, below the original and the teacher of each (`distill.show_teacher`).
    Opens at the last step. Without a front end it is that picture. Raises KdsharpError where a run has no picture yet.
    """
    last = len(reel(folders).steps) - 1
    place = slider("picture", last, 0, last, tooltip="Which of the pictures that were kept while it learnt.")
    crop = slider("crop", 1, 1, SHOWN, tooltip="Which of the places that are watched.")
    # It opens at the last picture, but plays from the first: a player that stands at its end does not begin anew.
    play = widgets.Play(value=-1, min=-1, max=last, interval=_PACE)
    play.observe(lambda change: place.set_trait("value", max(0, change["new"])), names="value")
    place.observe(lambda change: play.set_trait("value", change["new"]), names="value")

    def show(picture: int, crop: int) -> Shown:
        shown = reel(folders, crop - 1)
        step = shown.steps[picture]
        return _frame(shown, step), f"Step {step} of {shown.steps[-1]}. {_TOLD}"

    return Panel("Film of the training", {"picture": place, "crop": crop}, show, [play])


def _frame(shown: Reel, step: int) -> np.ndarray:
    """One picture of the film: a column for the input and one for each student, what it learns from below."""
    colours = colours_of(shown.students)
    above = {"input": shown.given} | {name: shown.at(name, step) for name in shown.students}
    below = [("original", shown.original)] + [
        (f"{name}: its teacher", shown.teachers.get(name)) for name in shown.students
    ]
    side = min(_LARGEST, _WIDTH // len(above) - _GAP)
    page = Image.new("RGB", (len(above) * (side + _GAP), 2 * (side + _HEAD)), "white")
    for column, (name, picture) in enumerate(above.items()):
        told = name if picture is None else f"{name}\n{evaluate.psnr(picture, shown.original):.2f} dB"
        if (share := shown.share(name, step) if column else None) is not None:
            told += f", {share:.0%} of the way"
        _paste(page, column, 0, side, told, picture, colours.get(name, "black"))
    for column, (name, picture) in enumerate(below):
        _paste(page, column, 1, side, f"\n{name}", picture, "black")
    return np.array(page)


def _paste(
    page: Image.Image, column: int, row: int, side: int, told: str, picture: np.ndarray | None, colour: str
) -> None:
    if picture is None:
        return
    left, top = column * (side + _GAP), row * (side + _HEAD)
    ImageDraw.Draw(page).text((left, top), told, colour, ImageFont.load_default(size=16))
    page.paste(Image.fromarray(picture).resize((side, side), Image.Resampling.NEAREST), (left, top + _HEAD))
