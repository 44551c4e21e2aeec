"""Cost against quality: named points, and the names where they cover nothing."""

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kdsharp.course.figures.style import (
    BUDGET_COLOUR,
    COLOURS,
    THREAD,
    budget_lines,
    canvas,
    logarithmic_x,
)
from kdsharp.errors import KdsharpError


def tradeoff(
    points: dict[str, tuple[float, float]],
    x: str,
    y: str,
    title: str = "",
    budgets: dict[str, float] | None = None,
    logarithmic: bool = True,
) -> Figure:
    """Named points of cost (above 0, logarithmic; left is better) against quality (up is better).

    `logarithmic=False` draws any two measures against each other, on plain axes.

    `budgets` are vertical lines in the unit of the cost: {"30 FPS": 33.3} in milliseconds. Names stand where they
    cover neither each other nor a point; one that had to move away from its point is tied to it by a thin line.
    Raises KdsharpError without points, or for a cost that a logarithmic axis cannot show.
    """
    if not points:
        raise KdsharpError("There is nothing to show: give at least one point.")
    for name, (cost, _) in points.items():
        if logarithmic and not cost > 0:
            raise KdsharpError(
                f"The cost of '{name}' is {cost}: a logarithmic axis shows costs above 0 only."
            )
    with canvas(9.0, 5.0, title) as (figure, (axis,)):
        for number, (cost, quality) in enumerate(points.values()):
            look = {"color": COLOURS[number % len(COLOURS)], "marker": "osD^vPX"[number % 7]}
            axis.scatter(cost, quality, s=45, zorder=3, **look)
        axis.margins(0.15)
        if logarithmic:
            logarithmic_x(axis)
        axis.grid(alpha=0.3)
        axis.set(xlabel=x, ylabel=y)
        if budgets:  # their names stand above the points
            low, high = axis.get_ylim()
            axis.set_ylim(low, high + 0.12 * (high - low))
        budget_lines(axis, budgets or {})
        marks = [*axis.lines, *(_named(axis, name, value) for name, value in (budgets or {}).items())]
        _place(axis, points, marks)
    return figure


def _named(axis: Axes, name: str, value: float) -> Artist:
    """The name of the budget at `value`, beside the upper end of its line."""
    return axis.annotate(
        name,
        (value, 1),
        xycoords=axis.get_xaxis_transform(),
        xytext=(-3, -3),
        textcoords="offset points",
        rotation=90,
        ha="right",
        va="top",
        color=BUDGET_COLOUR,
        in_layout=False,
    )


def _place(axis: Axes, points: dict[str, tuple[float, float]], marks: list[Artist]) -> None:
    """Names beside their points: each at the nearest place inside the axes that nothing has taken yet."""
    axis.figure.draw_without_rendering()  # settles the layout, which the names must not change
    pixel = 72 / axis.figure.dpi
    room = axis.get_window_extent()
    dot = 5 / pixel
    places = {name: axis.transData.transform(point) for name, point in points.items()}
    taken = [mark.get_window_extent().padded(3).extents for mark in marks]  # a line has no width of its own
    taken += [np.concatenate([place - dot, place + dot]) for place in places.values()]
    for name, place in places.items():
        label = axis.annotate(
            name,
            points[name],
            xytext=(0, 0),
            textcoords="offset points",
            va="bottom",
            in_layout=False,
        )
        size = label.get_window_extent().size + 4
        others = np.array([other for key, other in places.items() if key != name]).reshape(-1, 2)
        corner = _free_corner(place, size, room.extents, np.array(taken), others)
        box = np.concatenate([corner, corner + size])
        taken.append(box)
        label.set_position((corner + 2 - place) * pixel)
        nearest = np.clip(place, box[:2], box[2:])
        away = np.hypot(*(nearest - place))
        if away > 2.5 * dot or (_distances(box[:2], box[2:], others) < away + dot).any():
            axis.annotate(
                "",
                points[name],
                xytext=(nearest - place) * pixel,
                textcoords="offset points",
                arrowprops=THREAD,
                in_layout=False,
            )


def _free_corner(
    place: np.ndarray, size: np.ndarray, room: np.ndarray, taken: np.ndarray, others: np.ndarray
) -> np.ndarray:
    """The lower left corner, in pixels, of a free box of `size` inside `room` that is nearest to `place`.

    `room` and the rows of `taken` are boxes (left, bottom, right, top). Where nothing is free, the least covered.
    A box beside one of the `others` (N, 2) and not nearer to `place` would name the wrong point: a last resort.
    """
    steps = [np.arange(room[side], max(room[side] + 1, room[side + 2] - size[side]), 3.0) for side in (0, 1)]
    corners = np.stack(np.meshgrid(*steps), axis=-1).reshape(-1, 1, 2)
    common = np.minimum(corners + size, taken[:, 2:]) - np.maximum(corners, taken[:, :2])
    covered = common.clip(min=0).prod(axis=-1).sum(axis=-1)
    corners = corners[:, 0]
    away = _distances(corners, corners + size, place)
    beside = _distances(corners[:, None], corners[:, None] + size, others)
    wrong = (beside < np.minimum(away[:, None] + 5, size[1])).any(axis=1)
    middle = corners + size / 2 - place
    # Among equally near boxes, one level with the point reads best, and rather to its right.
    cost = away + 120 * wrong + 0.1 * np.abs(middle[:, 1]) + 6 * (middle[:, 0] < 0)
    return corners[np.lexsort((cost, covered))[0]]


def _distances(low: np.ndarray, high: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How far points (..., 2) are from boxes with corners `low` and `high`; 0 inside."""
    return np.linalg.norm(np.clip(points, low, high) - points, axis=-1)
