"""The rows that pictures stand in: as large as a notebook's page is wide, and never taller than a screen."""

from typing import NamedTuple

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kdsharp.course.figures.style import MAX_HEIGHT, MAX_WIDTH, points, styled, wrapped

_PICTURE_INCHES = 4.0
_GAP = 0.1  # inches beside a picture
_LEAST = 0.5  # of its full width: no grid gets narrower to be less tall


def picture_grid(
    names: list[str], aspects: list[float], doubled: bool, title: str, most: int = 5
) -> tuple[Figure, list[Axes], list[Axes]]:
    """Empty axes for named pictures of `aspects` (height by width) in rows of at most `most`, and what is below.

    `doubled` adds square axes below each picture (for its enlargement); the second list is empty without. Pictures
    that would be taller than a screen are made smaller.
    """
    columns = _columns(len(names), most)
    full = width = min(MAX_WIDTH, _PICTURE_INCHES * columns)
    while (
        sizes := _sizes(names, aspects, doubled, title, columns, width)
    ).inches > MAX_HEIGHT and width > _LEAST * full:
        width *= 0.95
    with styled(width):
        figure, axes = plt.subplots(
            len(sizes.ratios),
            columns,
            figsize=(width, sizes.inches),
            height_ratios=sizes.ratios,
            squeeze=False,
            layout="compressed",
        )
        step = 1 + doubled
        above = list(axes[::step].flat)
        below = list(axes[1::step].flat) if doubled else []
        for axis in axes.flat:
            axis.set(xticks=[], yticks=[], anchor="N")  # names of a row on one line, whatever the shapes
            axis.spines[:].set_visible(False)
        for axis in [*above[len(names) :], *below[len(names) :]]:
            axis.remove()
        for axis, name in zip(above, sizes.names, strict=False):
            axis.set_title(name)
        if title:
            figure.suptitle(sizes.title)
    return figure, above[: len(names)], below[: len(names)]


class _Sizes(NamedTuple):
    """A grid's height in inches, how its rows share it, and its lettering in lines that fit."""

    inches: float
    ratios: list[float]
    names: list[str]
    title: str


def _sizes(
    names: list[str], aspects: list[float], doubled: bool, title: str, columns: int, width: float
) -> _Sizes:
    """What a grid of `width` inches comes to."""
    panel, size = width / columns - _GAP, points(width)
    names = [wrapped(name, panel, size + 1) for name in names]
    title = wrapped(title, 0.95 * width, size + 2, "bold")
    ratios, inches = [], (size + 2) / 50 * len(title.splitlines())
    for start in range(0, len(names), columns):
        # The tallest picture of a row sets its height; one taller than 1.5 times its width shrinks instead.
        tallest = min(1.5, max(aspects[start : start + columns]))
        lines = max(len(name.splitlines()) for name in names[start : start + columns])
        ratios += [tallest] + [1.0] * doubled
        inches += panel * (tallest + doubled) + (size + 1) / 50 * lines + 0.15 * (1 + doubled)
    return _Sizes(inches, ratios, names, title)


def _columns(count: int, most: int) -> int:
    """Columns for `count` pictures in as few rows of at most `most` as hold them, each as full as can be."""
    return -(-count // -(-count // most))
