"""Bars, and means with their deviations."""

from matplotlib.figure import Figure

from kdsharp.course.figures.style import COLOURS, canvas, logarithmic_x, points, wrapped


def bars(
    values: dict[str, float],
    unit: str,
    lines: dict[str, float] | None = None,
    logarithmic: bool = False,
    title: str = "",
) -> Figure:
    """Horizontal bars with their values; `lines` are labelled vertical marks (60 FPS, say)."""
    size = points(9.0)
    names = [wrapped(name, 3.0, size) for name in values]
    height = 1.5 + sum(0.2 + 0.2 * len(name.splitlines()) for name in names)
    with canvas(9.0, height, title) as (figure, (axis,)):
        drawn = axis.barh(names, list(values.values()), color=COLOURS[0])
        axis.bar_label(drawn, fmt="%.4g", padding=3)
        for number, (name, value) in enumerate((lines or {}).items()):
            axis.axvline(
                value, color=COLOURS[1 + number % 6], linestyle=("--", ":", "-.")[number % 3], label=name
            )
        if lines:
            figure.legend(loc="outside lower left", ncols=min(4, len(lines)))
        axis.margins(x=0.15)
        if logarithmic:
            logarithmic_x(axis)
        axis.invert_yaxis()
        axis.set_xlabel(unit)
    return figure


def ablation(rows: list[dict]) -> Figure:
    """Mean PSNR on Y with its standard deviation over seeds, one line per variant (rows of `ablation.run`).

    The dashed line is the first variant's mean: a bar of deviation that crosses it shows no difference.
    """
    size = points(9.0)
    names = [wrapped(row["variant"], 3.0, size) for row in rows]
    title = "What each term of the loss is worth"
    with canvas(9.0, 1.2 + 0.42 * len(rows), title) as (figure, (axis,)):
        means, deviations = ([row[key] for row in rows] for key in ("psnr_y", "psnr_y_sd"))
        axis.errorbar(means, names, xerr=deviations, fmt="o", color=COLOURS[0], capsize=4)
        axis.axvline(means[0], color=COLOURS[3], linestyle="--", linewidth=1)
        axis.invert_yaxis()
        axis.margins(x=0.1, y=0.1)
        axis.grid(alpha=0.3)
        seeds = rows[0]["seeds"]
        axis.set_xlabel(f"PSNR-Y in dB, mean and standard deviation over {seeds} seeds (right is better)")
    return figure
