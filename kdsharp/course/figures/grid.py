"""A table of pictures: places down, methods across."""

import numpy as np
from matplotlib.figure import Figure

from kdsharp.course.figures.style import MAX_HEIGHT, MAX_WIDTH, canvas_grid, points
from kdsharp.errors import KdsharpError

MIN_WIDTH = 5.0  # inches


def grid(
    rows: dict[str, dict[str, np.ndarray]],
    captions: dict[str, dict[str, str]] | None = None,
    title: str = "",
    width: float = MAX_WIDTH,
) -> Figure:
    """One row of square pictures, `uint8` RGB (H, W, 3), per place, and one column per method, without smoothing.

    `rows` are pictures by method, by the place's name; all rows have the methods of the first. `captions`, likewise by
    place and method, stand above their pictures (PSNR, say). `width` is in inches, and less where all rows would not
    fit a screen. Raises KdsharpError without a picture, or where a row lacks a method.
    """
    methods = list(next(iter(rows.values()), {}))
    if not methods:
        raise KdsharpError("There is nothing to show: give at least one row with a picture.")
    if lacking := [place for place, row in rows.items() if not row.keys() >= set(methods)]:
        raise KdsharpError(f"The row '{lacking[0]}' lacks a picture: give all rows the same methods.")
    captions = captions or {}
    side = (MAX_HEIGHT - 1.0) / len(rows) - 0.35  # what a screen leaves for a picture, in inches
    width = min(width, max(MIN_WIDTH, side * len(methods) + 0.4))
    with canvas_grid(width, (len(rows), len(methods)), title) as (figure, axes):
        if captions:  # the first row has a line more above it
            figure.set_figheight(figure.get_figheight() + points(width) / 50)
        for number, (line, (place, row)) in enumerate(zip(axes, rows.items(), strict=True)):
            for axis, method in zip(line, methods, strict=True):
                axis.imshow(row[method], interpolation="nearest")
                said = [method] * (number == 0) + [captions.get(place, {}).get(method, "")] * bool(captions)
                axis.set_title("\n".join(said))
            line[0].set_ylabel(place, fontweight="bold")
    return figure
