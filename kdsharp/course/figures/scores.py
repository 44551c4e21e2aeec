"""How far each student has come, and the score card: numbers with a winner."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.table import Table

from kdsharp.course.figures.style import COLOURS, MAX_WIDTH, NOTHING, canvas, colours_of, points, wrapped
from kdsharp.errors import KdsharpError
from kdsharp.evaluate.score_card import MEASURES

_NOT_METHODS = ("severity", "measure", "winner")
_WON, _NOBODY = "#D5E8D4", "#F6D9B0"
_ROW = 0.32  # inches


def gauge(shares: dict[str, float], title: str = "Share of the way to the teacher") -> Figure:
    """Bars from doing nothing (0 %) to the teacher (100 %), one per student (`evaluate.share_of_the_way`).

    A negative share points away from the teacher.
    """
    if not shares:
        raise KdsharpError("There is nothing to show: give at least one share.")
    colours, size = colours_of(shares), points(MAX_WIDTH)
    names = [wrapped(name, 2.5, size) for name in shares]
    with canvas(MAX_WIDTH, 1.1 + 0.45 * len(shares), title) as (figure, (axis,)):
        axis.barh(names, [1] * len(shares), color="0.92")
        bars = axis.barh(names, list(shares.values()), color=list(colours.values()), height=0.6)
        axis.bar_label(bars, [f"{share:.0%}" for share in shares.values()], padding=4, fontweight="bold")
        axis.axvline(0, color=COLOURS[6], linewidth=1)
        low = min(0.0, *shares.values())
        axis.set(xlim=(1.15 * low - 0.02 - 0.08 * (low < 0), max(1.02, 1.15 * max(shares.values()))))
        axis.set_xticks([0, 1], [NOTHING, "the teacher"])
        axis.invert_yaxis()
        axis.spines[:].set_visible(False)
        axis.tick_params(length=0)
    return figure


def score_card(rows: list[dict], title: str = "Score card: what each adds to doing nothing") -> Figure:
    """The rows of `evaluate.score_card` as a table: a row per measure, a column per method, the winners marked.

    The column of doing nothing has the measure itself, the others what they add to it, as printed. Where several are
    best as printed, all are marked; where nobody beats doing nothing, its own number is. A line below says so.
    """
    if not rows:
        raise KdsharpError("There is nothing to show: the score card has no rows.")
    methods = [name for name in rows[0] if name not in _NOT_METHODS]
    widths = [0.09, 0.15, *[0.76 / len(methods)] * len(methods)]
    size = points(MAX_WIDTH)
    heads = [wrapped(name, 0.9 * MAX_WIDTH * widths[-1], size) for name in methods]
    lines = max(len(head.splitlines()) for head in heads)
    legend = _legend(rows)
    head = 0.3 + 0.6 * lines  # in rows
    height = _ROW * (len(rows) + head) + 0.25 * len(legend) + 0.2
    with canvas(MAX_WIDTH, height, title) as (figure, (axis,)):
        axis.set_axis_off()
        starts = [
            place == 0 or rows[place - 1]["severity"] != row["severity"] for place, row in enumerate(rows)
        ]
        cells = [
            [row["severity"] * start, row["measure"], *(_cell(row, method) for method in methods)]
            for start, row in zip(starts, rows, strict=True)
        ]
        table = axis.table(
            cells, colLabels=["", "", *heads], colWidths=widths, cellLoc="right", bbox=(0, 0, 1, 1)
        )
        table.auto_set_font_size(False)
        table.set_fontsize(size)
        _dress(table, rows, methods, head)
        for place in np.flatnonzero(starts):  # a rule above each severity
            height = 1 - (head + place) / (head + len(rows))
            axis.plot([0, 1], [height, height], color="0.6", linewidth=1, transform=axis.transAxes)
        axis.text(0, -0.02, "\n".join(legend), va="top", transform=axis.transAxes)
    return figure


def _dress(table: Table, rows: list[dict], methods: list[str], head: float) -> None:
    """Names in their colours, and the winners marked; the first line is `head` times as high as the others."""
    colours = colours_of(methods)
    for (line, column), cell in table.get_celld().items():
        cell.set_height(1 if line else head)
        cell.set_linewidth(0)
        if column < 2:
            cell.set_text_props(ha="left", fontweight="bold" if column == 0 else "normal")
            continue
        method = methods[column - 2]
        if line == 0:
            cell.set_text_props(color=colours[method], fontweight="bold")
        elif method in rows[line - 1]["winner"]:
            cell.set_facecolor(_NOBODY if method == NOTHING else _WON)
            cell.set_text_props(fontweight="bold")


def _legend(rows: list[dict]) -> list[str]:
    """What the marks mean, of those that there are."""
    winners = [row["winner"] for row in rows]
    said = []
    if any(len(found) > 1 for found in winners):
        said.append("Several marked in a row: they are alike as printed.")
    if nobody := sum(NOTHING in found for found in winners):
        said.append(f"Orange ({nobody} of {len(rows)} rows): nobody beats doing nothing.")
    return said


def _cell(row: dict, method: str) -> str:
    decimals = MEASURES[row["measure"]].decimals
    value = round(row[method], decimals)
    if method == NOTHING or NOTHING not in row:
        return f"{value:.{decimals}f}"
    return f"{value - round(row[NOTHING], decimals):+.{decimals}f}"
