"""Bars, lines, and means with their deviations."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kdsharp.course.figures.style import (
    COLOURS,
    budget_lines,
    canvas,
    logarithmic_x,
    name_ends,
    points,
    styled,
    wrapped,
)
from kdsharp.errors import KdsharpError

_MARKERS = "osD^vP"  # lines stay apart without colour


def bars(
    values: dict[str, float],
    unit: str,
    lines: dict[str, float] | None = None,
    logarithmic: bool = False,
    title: str = "",
) -> Figure:
    """Horizontal bars with their values; `lines` are labelled vertical marks (60 FPS, say), each of another style."""
    size = points(9.0)
    names = [wrapped(name, 3.0, size) for name in values]
    height = 1.5 + sum(0.2 + 0.2 * len(name.splitlines()) for name in names)
    with canvas(9.0, height, title) as (figure, (axis,)):
        drawn = axis.barh(names, list(values.values()), color=COLOURS[0])
        axis.bar_label(drawn, fmt="%.4g", padding=3)
        budget_lines(axis, lines or {})
        if lines:
            figure.legend(loc="outside lower left", ncols=min(4, len(lines)))
        axis.margins(x=0.15)
        if logarithmic:
            logarithmic_x(axis)
        axis.invert_yaxis()
        axis.set_xlabel(unit)
    return figure


def lines(values: dict[str, dict[float, float]], x: str, y: str, title: str = "") -> Figure:
    """A line for each name, with a marker of its own and the name at its end; `values` are {name: {x: y}}.

    Many points, as of a formula, have no markers: their lines are dashed and dotted instead.
    """
    if not values:
        raise KdsharpError("There is nothing to show: give at least one line.")
    with canvas(9.0, 3.8, title) as (figure, (axis,)):
        for number, (name, points_) in enumerate(values.items()):
            places, heights = zip(*sorted(points_.items()), strict=True)
            few = len(places) <= 12
            look = (
                {"marker": _MARKERS[number % 6]} if few else {"linestyle": ("-", "--", ":", "-.")[number % 4]}
            )
            axis.plot(places, heights, color=COLOURS[number % len(COLOURS)], label=name, **look)
            if few:
                axis.set_xticks(places)
        axis.set(xlabel=x, ylabel=y)
        axis.grid(alpha=0.3)
        name_ends(axis)
    return figure


def ablation(rows: list[dict]) -> Figure:
    """What each variant gains over no distillation, one panel per student (rows of `ablation.run`).

    Every small dot is a seed, compared with the student of the same seed that had no teacher; the mean stands among
    them with the standard deviation. A bar that crosses the line at 0 shows no difference. The bars of no distillation
    itself are how far its seeds lie apart. Frames that arrive clean are left out.
    """
    panels: dict[str, list[dict]] = {}
    for row in rows:
        if "gain_db" in row:
            panels.setdefault(row["student"], []).append(row)
    counts = [len({row["variant"] for row in found}) for found in panels.values()]
    with styled(9.0) as size:
        figure, axes = plt.subplots(
            len(panels),
            figsize=(9.0, 1.0 + sum(0.75 + 0.62 * count for count in counts)),
            height_ratios=[1 + count for count in counts],
            squeeze=False,
            layout="constrained",
        )
        figure.suptitle("What distillation adds to the same student")
        for axis, (student, found) in zip(axes[:, 0], panels.items(), strict=True):
            _gains(axis, student, found, size)
        seeds, last = rows[0]["seeds"], axes[-1, 0]
        last.set_xlabel(
            f"gain in PSNR-Y over no distillation, dB: {seeds} seeds, mean and standard deviation"
        )
    return figure


def _gains(axis: Axes, student: str, rows: list[dict], size: float) -> None:
    """One panel: a line per variant, a colour per set of pictures, at the right what the variant cost."""
    variants, sets = (list(dict.fromkeys(row[key] for row in rows)) for key in ("variant", "measured"))
    apart = 0.5 / max(1, len(sets) - 1)
    for row in rows:
        number = sets.index(row["measured"])
        height = variants.index(row["variant"]) + apart * number - 0.25
        look = {"color": COLOURS[number], "label": row["measured"] if row["variant"] == variants[0] else None}
        each = row.get("worth_db_each", [])
        axis.plot(each, [height] * len(each), ".", color=COLOURS[number], alpha=0.6)
        deviation = row["psnr_y_sd" if row["variant"] == variants[0] else "worth_db_sd"]
        axis.errorbar(row["worth_db"], height, xerr=deviation, fmt="osD^v"[number % 5], capsize=4, **look)
    axis.axvline(0, color="0.3", linestyle="--", linewidth=1)
    costs = {row["variant"]: row for row in rows}
    for place, variant in enumerate(variants):
        axis.annotate(
            _cost(costs[variant]),
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            size=size - 1,
        )
    names = [f"{variants[0]}\n(how far its seeds lie apart)", *variants[1:]]
    axis.set_yticks(range(len(variants)), [wrapped(name, 2.2, size) for name in names])
    axis.set_ylim(len(variants) - 0.5, -0.5)
    axis.margins(x=0.08)
    axis.grid(axis="x", alpha=0.3)
    axis.set_title(f"{student}, {rows[0]['steps']:,} steps", loc="left")
    axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(sets), borderaxespad=0, handletextpad=0.3)


def _cost(row: dict) -> str:
    """What a variant cost, in words of one core's time."""
    text = f"training {row['training_seconds']:.0f} s"
    return text + (f"\ntargets {row['target_seconds']:.0f} s" if row["target_seconds"] else "")
