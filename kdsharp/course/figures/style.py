"""What all figures share: colours, type that can be read at a notebook's width, and the canvas they are drawn on.

A notebook shows a figure about 900 pixels wide, whatever its width in inches, so the size of the type follows from the
width: no label is shown smaller than 9 points.
"""

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

# Those of Okabe and Ito (2008), which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
# A colour for each character of student, everywhere: grey, blue and orange stay apart in print and for every eye.
CHARACTERS = {"alone": "#7F7F7F", "fidelity": COLOURS[0], "perceptual": COLOURS[1]}
NOTHING = "doing nothing"
MAX_WIDTH = 10.0  # inches; what is wider only gets smaller type in a notebook
MAX_HEIGHT = 6.0  # inches, of which a notebook makes 100 pixels each: a laptop shows 620 below its bars
# What a budget of time looks like: one colour everywhere, the tighter one with the shorter strokes.
BUDGETS = {"30 FPS": 1000 / 30, "60 FPS": 1000 / 60}  # milliseconds for a frame
BUDGET_COLOUR, BUDGET_STYLES = COLOURS[3], ("--", ":", "-.")
SHOWN_WIDTH = 900 / 96  # inches: 900 pixels of a notebook's page
MIN_POINTS = 9.0  # the smallest type, as shown
# Ties a name to a point that it could not stand beside.
THREAD = {"arrowstyle": "-", "color": "0.5", "linewidth": 0.8, "shrinkA": 0, "shrinkB": 4}


def points(width: float) -> float:
    """The size of type, in points, that a figure of `width` inches needs to be read at a notebook's width."""
    return max(10.0, 1.05 * MIN_POINTS * width / SHOWN_WIDTH)


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """A colour for each name: its character's where it has one in it ("student-fidelity"), else a free one.

    The first of several counts: "alone, to the fidelity teacher" is the student that is alone. Doing nothing is black.
    """
    known, free = CHARACTERS | {NOTHING: COLOURS[6]}, itertools.cycle(COLOURS[2:6])

    def colour(name: str) -> str:
        found = [(name.find(key), key) for key in known if key in name]
        return known[min(found)[1]] if found else next(free)

    return {name: colour(name) for name in names}


@contextmanager
def styled(width: float) -> Iterator[float]:
    """The look of every figure here, for one of `width` inches; gives the size of its type in points."""
    size = points(width)
    look = {
        "font.size": size,
        "axes.titlesize": size + 1,
        "axes.labelsize": size,
        "xtick.labelsize": size,
        "ytick.labelsize": size,
        "legend.fontsize": size,
        "figure.titlesize": size + 2,
        "figure.titleweight": "bold",
        "figure.facecolor": "white",
        "axes.facecolor": "white",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.formatter.useoffset": False,
        "lines.linewidth": 1.8,
        "figure.constrained_layout.h_pad": 0.06,
        "figure.constrained_layout.w_pad": 0.06,
        "legend.frameon": False,
    }
    with plt.rc_context(look):
        yield size
        # A notebook's backend is loaded with the first figure and switches this on: leaving the style would undo it,
        # and later figures would no longer show by themselves.
        interactive = plt.isinteractive()
    matplotlib.interactive(interactive)


@contextmanager
def canvas(width: float, height: float, title: str, columns: int = 1) -> Iterator[tuple[Figure, np.ndarray]]:
    """A figure in our style (inches) and its axes in one row, to be drawn on inside the `with`."""
    with styled(width) as size:
        title = wrapped(title, 0.95 * width, size + 2, "bold")
        height += (size + 2) / 50 * bool(title) * len(title.splitlines())
        figure, axes = plt.subplots(1, columns, figsize=(width, height), squeeze=False, layout="constrained")
        if title:
            figure.suptitle(title)
        yield figure, axes[0]
        for axis in axes[0]:  # ticks are made when drawn, which is outside this style
            axis.tick_params(labelsize=size)


@contextmanager
def canvas_grid(width: float, size: tuple[int, int], title: str) -> Iterator[tuple[Figure, np.ndarray]]:
    """A figure of `width` inches with rows and columns (`size`) of square axes for pictures, without ticks."""
    rows, columns = size
    with styled(width) as points_:
        title = wrapped(title, 0.95 * width, points_ + 2, "bold")
        height = rows * (width - 0.4) / columns + 0.35 * rows + (points_ + 2) / 50 * len(title.splitlines())
        figure, axes = plt.subplots(
            rows, columns, figsize=(width, height), squeeze=False, layout="compressed"
        )
        if title:
            figure.suptitle(title)
        for axis in axes.flat:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        yield figure, axes


def wrapped(text: str, inches: float, size: float, weight: str = "normal") -> str:
    """`text` broken into lines of at most `inches` in type of `size` points, at spaces where there are any."""

    def fits(part: str) -> bool:
        font = FontProperties(size=size, weight=weight)
        return TextToPath().get_text_width_height_descent(part, font, ismath=False)[0] / 72 <= inches

    lines = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if line and not fits(longer):
                lines.append(line)
                longer = word
            while len(longer) > 1 and not fits(longer):  # a word longer than the line
                end = next(end for end in range(len(longer) - 1, 0, -1) if end == 1 or fits(longer[:end]))
                lines.append(longer[:end])
                longer = longer[end:]
            line = longer
        lines.append(line)
    return "\n".join(lines)


def logarithmic_x(axis: Axes) -> None:
    """A logarithmic x axis, with plain numbers (1, 2, 5, 10 ...) instead of powers of ten."""
    axis.set_xscale("log")
    low, high = axis.get_xlim()
    plain_numbers(axis.xaxis, (1, 2, 5) if high / low < 200 else (1,))


def plain_numbers(axis: Axis, marks: tuple[int, ...] = (1, 2, 5)) -> None:
    """Label the `marks` of each decade of a logarithmic axis, with plain numbers."""
    axis.set_major_locator(LogLocator(subs=marks))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, making its folder."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path


def nothing_line(axis: Axes, value: float) -> None:
    """What doing nothing scores, as a thin black line across a plot, named at its right end."""
    axis.axhline(value, color=COLOURS[6], linewidth=1)
    place = {"xycoords": axis.get_yaxis_transform(), "textcoords": "offset points"}
    axis.annotate(NOTHING, (1, value), (-2, 3), ha="right", **place)


def budget_lines(axis: Axes, budgets: dict[str, float] = BUDGETS, across: bool = False) -> None:
    """A line for each budget (milliseconds, say) at its place on the x axis (or the y axis: `across`), for a legend."""
    draw = axis.axhline if across else axis.axvline
    for (name, value), style in zip(budgets.items(), itertools.cycle(BUDGET_STYLES)):
        draw(value, color=BUDGET_COLOUR, linestyle=style, linewidth=1.4, zorder=2, label=name)


def name_ends(axis: Axes) -> None:
    """Names right of the axes, each tied to the last point of its line, as near to it as the others allow."""
    axis.figure.draw_without_rendering()  # settles the layout, of which only the width changes by the names
    pixels = axis.get_window_extent().height
    gap = 1.3 * matplotlib.rcParams["font.size"] * axis.figure.dpi / 72 / pixels
    ends = {line: axis.transData.transform(line.get_xydata()[-1])[1] for line in axis.lines}
    lines = sorted(ends, key=ends.get)
    heights = [(ends[line] - axis.get_window_extent().y0) / pixels for line in lines]
    for place in range(1, len(lines)):
        heights[place] = max(heights[place], heights[place - 1] + gap)
    highest = 1.0
    for place in reversed(range(len(lines))):
        heights[place] = min(heights[place], highest)
        highest = heights[place] - gap
    for line, height in zip(lines, heights, strict=True):
        axis.text(1.07, height, line.get_label(), transform=axis.transAxes, va="center")
        axis.annotate(
            "",
            line.get_xydata()[-1],
            xytext=(1.06, height),
            textcoords="axes fraction",
            annotation_clip=False,
            arrowprops=THREAD | {"color": line.get_color(), "linewidth": 1},
        )
