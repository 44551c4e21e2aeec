"""How far each student has come, and the score card: numbers with a winner."""

from matplotlib.figure import Figure

from kdsharp.course.figures.style import COLOURS, MAX_WIDTH, NOTHING, canvas, colours_of, points, wrapped
from kdsharp.errors import KdsharpError

_NOT_METHODS = ("severity", "measure", "winner")
_DECIMALS = {"PSNR-Y": 2, "SSIM-Y": 4, "JOD": 2, "SSIMULACRA2": 1}
_WON = "#D5E8D4"


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


def score_card(rows: list[dict], title: str = "Score card") -> Figure:
    """The rows of `evaluate.score_card` as a table: per severity and measure the winner is marked, gains over nothing.

    The column of doing nothing has the measure itself, the others what they add to it, as printed. Where several are
    best as printed, all are marked; a row that nobody wins but doing nothing says so.
    """
    if not rows:
        raise KdsharpError("There is nothing to show: the score card has no rows.")
    methods = [name for name in rows[0] if name not in _NOT_METHODS]
    heads = [wrapped(name, 1.2, points(MAX_WIDTH)) for name in methods]
    height = 0.32 * len(rows) + 0.25 * max(len(head.splitlines()) for head in heads) + 0.4
    with canvas(MAX_WIDTH, height, title) as (figure, (axis,)):
        axis.set_axis_off()
        first = [row["severity"] if place == 0 or rows[place - 1]["severity"] != row["severity"] else ""
                 for place, row in enumerate(rows)]  # fmt: skip
        cells = [
            [severity, row["measure"], *(_cell(row, method) for method in methods)]
            for severity, row in zip(first, rows, strict=True)
        ]
        table = axis.table(
            cells, colLabels=["", "", *heads], loc="center", cellLoc="right", bbox=[0, 0, 1, 1]
        )
        for (line, column), cell in table.get_celld().items():
            cell.set_linewidth(0)
            if column >= 2 and line > 0 and methods[column - 2] in rows[line - 1]["winner"]:
                cell.set_facecolor(_WON)
                cell.set_text_props(fontweight="bold")
    return figure


def _cell(row: dict, method: str) -> str:
    decimals = _DECIMALS.get(row["measure"], 3)
    value = round(row[method], decimals)
    if method == NOTHING or NOTHING not in row:
        return f"{value:.{decimals}f}"
    return f"{value - round(row[NOTHING], decimals):+.{decimals}f}"
