"""Curves of a training: the loss, its terms, and the validation; and of several students beside each other."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kdsharp.course.figures.style import (
    COLOURS,
    MAX_WIDTH,
    NOTHING,
    canvas,
    colours_of,
    name_ends,
    nothing_line,
    plain_numbers,
)
from kdsharp.errors import KdsharpError

# The whole loss and its terms (the settings of `recipes.Losses`): each looks alike in every figure.
_TERMS = {
    "loss": (COLOURS[6], "-"),
    "hr": (COLOURS[0], "--"),
    "teacher": (COLOURS[3], "-."),
    "soft": (COLOURS[4], "-."),
    "structure": (COLOURS[2], "--"),
    "ms_ssim": (COLOURS[2], ":"),
    "frequency": (COLOURS[5], "--"),
    "edge": (COLOURS[5], ":"),
    "contrast": (COLOURS[5], "-."),
    "perceptual": (COLOURS[1], ":"),
    "features": (COLOURS[1], "--"),
}
_HATCHES = ("", "//", "..", "xx")
_NO_TERMS = ("step", "lr", "val_psnr")  # what else stands in a row


def curves(history: list[dict], title: str = "", nothing: float | None = None) -> Figure:
    """Training loss and all its terms, named at their ends, and validation PSNR (dB) over the steps.

    `history` is what training returns: at least one row with `step`, `loss`, `val_psnr`, and the terms it used. The
    axis of the loss is logarithmic where its terms differ much: the share of one may be a hundredth. `nothing` is the
    validation of doing nothing (`distill.doing_nothing`), a line to be above.
    """
    if not history:
        raise KdsharpError("The history is empty: train for at least one validation first.")
    with canvas(MAX_WIDTH, 3.7, title, columns=2) as (figure, (left, right)):
        steps = [row["step"] for row in history]
        for name, (colour, style) in _looks(history[0]).items():
            values = [row[name] for row in history]
            left.plot(steps, values, linestyle=style, color=colour, marker="o", markersize=4, label=name)
        left.set(xlabel="step", ylabel="weighted loss", title="training")
        seen = np.concatenate([line.get_ydata() for line in left.lines])
        if 0 < 4 * seen.min() < seen.max():
            left.set_yscale("log")
            plain_numbers(left.yaxis)
        else:
            left.set_ylim(0, None)
        right.plot(steps, [row["val_psnr"] for row in history], color=COLOURS[0], marker="o", markersize=4)
        right.set(xlabel="step", ylabel="PSNR in dB", title="validation (held-out crops)")
        if nothing is not None:
            nothing_line(right, nothing)
        for axis in (left, right):
            axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            axis.grid(alpha=0.3)
        name_ends(left)
    return figure


def learning(
    histories: dict[str, list[dict]],
    nothing: float,
    teachers: dict[str, float] | None = None,
    title: str = "",
) -> Figure:
    """How several students learn: what each gains over doing nothing in its validations, dB over the steps.

    `histories` are what training returns, by the student's name; `nothing` (`distill.doing_nothing`) and `teachers`, by
    the name of their student, are PSNR in dB on the same crops. A teacher's line is dashed, in its student's colour.
    """
    if not all(histories.values()) or not histories:
        raise KdsharpError("A history is empty: train each student for at least one validation first.")
    teachers = teachers or {}
    colours = colours_of([*histories, *teachers])
    with canvas(MAX_WIDTH, 4.2, title) as (figure, (axis,)):
        last = max(rows[-1]["step"] for rows in histories.values())
        axis.plot([0, last], [0, 0], color=COLOURS[6], linewidth=1, label=NOTHING)
        for name, rows in histories.items():
            steps, gains = zip(*((row["step"], row["val_psnr"] - nothing) for row in rows), strict=True)
            axis.plot(steps, gains, color=colours[name], marker="o", markersize=4, label=name)
        for name, value in teachers.items():
            gain = [value - nothing] * 2
            axis.plot(
                [0, last],
                gain,
                "--",
                color=colours[name],
                linewidth=1.2,
                label=f"{name}: its teacher",
            )
        axis.set(xlabel="step", ylabel="gain over doing nothing, dB (PSNR)", xlim=(0, last))
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axis.grid(alpha=0.3)
        name_ends(axis)
    return figure


def terms(answers: dict[str, dict[str, dict[str, float]]], title: str = "") -> Figure:
    """How much each term weighs in the loss of several answers to one batch: a panel of stacked bars per student.

    `answers` are what `distill.losses.distillation_loss` returns, by the answer's name, by the student's name. Hatched
    as well as coloured, to be told apart in print. Raises KdsharpError without an answer.
    """
    if not answers or not all(answers.values()):
        raise KdsharpError("There is nothing to show: give the terms of at least one answer.")
    with canvas(MAX_WIDTH, 3.0, title, columns=len(answers)) as (_, axes):
        for axis, (student, rows) in zip(axes, answers.items(), strict=True):
            left = np.zeros(len(rows))
            names = [name for name in next(iter(rows.values())) if name != "loss"]
            for place, name in enumerate(names):
                sizes = np.array([float(row[name]) for row in rows.values()])
                look = {"color": _TERMS.get(name, (COLOURS[place % 6],))[0], "hatch": _HATCHES[place % 4]}
                axis.barh(list(rows), sizes, 0.6, left, edgecolor="white", label=name, **look)
                left += sizes
            axis.invert_yaxis()
            axis.set(xlabel="weighted loss", title=student, xlim=(0, 1.4 * left.max()))
            axis.legend(loc="center right")
    return axes[0].figure


def _looks(row: dict) -> dict[str, tuple[str, str]]:
    """Colour and line style of each term in a row of the history; terms from elsewhere have whole lines in colour."""
    others = [name for name in row if name not in (*_TERMS, *_NO_TERMS)]
    free = {name: (COLOURS[number % 6], "-") for number, name in enumerate(others)}
    return {name: look for name, look in _TERMS.items() if name in row} | free
