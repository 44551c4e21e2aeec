"""The course's figures: pictures side by side with what to look at enlarged, curves, bars, and trade-offs.

Every function returns a matplotlib Figure; pictures are `uint8` RGB (H, W, 3). Colours are those of Okabe and Ito
(2008), which colour-blind readers can tell apart. A notebook shows a figure about 900 pixels wide, whatever its
width in inches, so the size of the type follows from the width: no label is shown smaller than 9 points.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.textpath import TextToPath
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from kdsharp import data
from kdsharp.degradation import Degraded
from kdsharp.errors import KdsharpError

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
MAX_WIDTH = 10.0  # inches; what is wider only gets smaller type in a notebook
SHOWN_WIDTH = 900 / 96  # inches: 900 pixels of a notebook's page
MIN_POINTS = 9.0  # the smallest type, as shown
_PICTURE_INCHES = 4.0
_GAP = 0.1  # inches beside a picture
_SQUARE = COLOURS[1]
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
    "perceptual": (COLOURS[1], ":"),
    "features": (COLOURS[1], "--"),
}


def side_by_side(
    images: dict[str, np.ndarray],
    zoom: tuple[int, int, int] | None = None,
    captions: dict[str, str] | None = None,
    title: str = "",
) -> Figure:
    """Pictures in rows of at most four, and below each the square `zoom` = (top, left, side) of it, enlarged.

    `zoom` is in pixels of the last picture; smaller pictures are zoomed at the same relative place. `captions`
    add a line (PSNR, say) under a picture's name.
    """
    _need_pictures(images)
    names = [_named(name, captions) for name in images]
    figure, above, below = _picture_grid(
        names, [picture.shape[0] / picture.shape[1] for picture in images.values()], bool(zoom), title
    )
    reference = list(images.values())[-1]
    for axis, image in zip(above, images.values(), strict=True):
        axis.imshow(image, interpolation="nearest")
        if zoom:
            _mark(axis, _scaled(zoom, image, reference))
    for axis, image in zip(below, images.values(), strict=False):
        axis.imshow(_cut(image, _scaled(zoom, image, reference)), interpolation="nearest")
        _edge(axis)
    return figure


def close_up(
    images: dict[str, np.ndarray],
    zoom: tuple[int, int, int],
    captions: dict[str, str] | None = None,
    title: str = "",
    whole: str = "the whole picture",
) -> Figure:
    """The last picture whole, named `whole`, with the square `zoom` marked; then that square of each, large.

    For differences too fine for `side_by_side`: the enlarged squares take all the room. Arguments as there.
    """
    _need_pictures(images)
    names = [whole] + [_named(name, captions) for name in images]
    reference = list(images.values())[-1]
    aspects = [reference.shape[0] / reference.shape[1]] + [1.0] * len(images)
    figure, axes, _ = _picture_grid(names, aspects, False, title)
    axes[0].imshow(reference, interpolation="nearest")
    _mark(axes[0], zoom)
    for axis, image in zip(axes[1:], images.values(), strict=True):
        axis.imshow(_cut(image, _scaled(zoom, image, reference)), interpolation="nearest")
        _edge(axis)
    return figure


def stages(degraded: Degraded, index: int = 0, side: int | None = None, title: str = "") -> Figure:
    """Every stage of a degradation of one picture of the batch, in order; `side` shows only its centre."""
    pictures = {name: data.to_image(batch[index]) for name, batch in degraded.stages.items()}
    largest = max(picture.shape[0] for picture in pictures.values())
    shown = []
    for picture in pictures.values():
        height, width = picture.shape[:2]
        part = max(1, round(side * height / largest)) if side else max(height, width)
        top, left = max(0, (height - part) // 2), max(0, (width - part) // 2)
        shown.append(picture[top : top + part, left : left + part])
    names = [f"{name}\n{picture.shape[1]}x{picture.shape[0]}" for name, picture in pictures.items()]
    figure, axes, _ = _picture_grid(names, [part.shape[0] / part.shape[1] for part in shown], False, title)
    for axis, part in zip(axes, shown, strict=True):
        axis.imshow(part, interpolation="nearest")
    return figure


def kernels_grid(kernels: torch.Tensor, names: list[str] | None = None, spectra: bool = True) -> Figure:
    """Blur kernels (N, K, K) above their frequency responses (dark blue keeps nothing, yellow everything)."""
    names = names or [f"kernel {number}" for number in range(1, len(kernels) + 1)]
    figure, above, below = _picture_grid(names, [1.0] * len(kernels), spectra, "", most=6)
    for axis, kernel in zip(above, kernels, strict=True):
        axis.imshow(kernel, cmap="magma")
    for axis, kernel in zip(below, kernels, strict=False):
        response = torch.fft.fftshift(torch.fft.fft2(kernel, s=(64, 64)).abs())
        axis.imshow(response, cmap="viridis", vmin=0, vmax=1)
        axis.set_xlabel("its spectrum")
    return figure


def curves(history: list[dict], title: str = "") -> Figure:
    """Training loss and all its terms, named at their ends, and validation PSNR (dB) over the steps.

    `history` is what training returns: at least one row with `step`, `loss`, `val_psnr`, and the terms it used. The
    axis of the loss is logarithmic where its terms differ much: the share of one may be a hundredth.
    """
    if not history:
        raise KdsharpError("The history is empty: train for at least one validation first.")
    with _canvas(MAX_WIDTH, 3.7, title, columns=2) as (figure, (left, right)):
        steps = [row["step"] for row in history]
        for name, (colour, style) in _TERMS.items():
            if name in history[0]:
                values = [row[name] for row in history]
                left.plot(steps, values, style, color=colour, marker="o", markersize=4, label=name)
        left.set(xlabel="step", ylabel="weighted loss", title="training")
        seen = np.concatenate([line.get_ydata() for line in left.lines])
        if 0 < 4 * seen.min() < seen.max():
            left.set_yscale("log")
            left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            left.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            left.yaxis.set_minor_formatter(NullFormatter())
        else:
            left.set_ylim(0, None)
        right.plot(steps, [row["val_psnr"] for row in history], color=COLOURS[0], marker="o", markersize=4)
        right.set(xlabel="step", ylabel="PSNR in dB", title="validation (held-out crops)")
        for axis in (left, right):
            axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            axis.grid(alpha=0.3)
        _name_ends(left)
    return figure


def bars(
    values: dict[str, float],
    unit: str,
    lines: dict[str, float] | None = None,
    logarithmic: bool = False,
    title: str = "",
) -> Figure:
    """Horizontal bars with their values; `lines` are labelled vertical marks (60 FPS, say)."""
    size = _points(9.0)
    names = [_wrapped(name, 3.0, size) for name in values]
    height = 1.5 + sum(0.2 + 0.2 * len(name.splitlines()) for name in names)
    with _canvas(9.0, height, title) as (figure, (axis,)):
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
            _logarithmic(axis)
        axis.invert_yaxis()
        axis.set_xlabel(unit)
    return figure


def tradeoff(
    points: dict[str, tuple[float, float]],
    x: str,
    y: str,
    title: str = "",
    budgets: dict[str, float] | None = None,
) -> Figure:
    """Named points of cost (above 0, logarithmic; left is better) against quality (up is better).

    `budgets` are vertical lines in the unit of the cost: {"30 FPS": 33.3} in milliseconds. Names stand where they
    cover neither each other nor a point; one that had to move away from its point is tied to it by a thin line.
    Raises KdsharpError without points, or for a cost that a logarithmic axis cannot show.
    """
    if not points:
        raise KdsharpError("There is nothing to show: give at least one point.")
    for name, (cost, _) in points.items():
        if not cost > 0:
            raise KdsharpError(
                f"The cost of '{name}' is {cost}: a logarithmic axis shows costs above 0 only."
            )
    with _canvas(9.0, 5.0, title) as (figure, (axis,)):
        for number, (cost, quality) in enumerate(points.values()):
            axis.scatter(cost, quality, s=45, color=COLOURS[number % len(COLOURS)], zorder=3)
        axis.margins(0.15)
        _logarithmic(axis)
        axis.grid(alpha=0.3)
        axis.set(xlabel=x, ylabel=y)
        if budgets:  # their names stand above the points
            low, high = axis.get_ylim()
            axis.set_ylim(low, high + 0.12 * (high - low))
        marks = [_budget(axis, name, value) for name, value in (budgets or {}).items()]
        _place(axis, points, [artist for pair in marks for artist in pair])
    return figure


def ablation(rows: list[dict], title: str = "What each term of the loss is worth") -> Figure:
    """Mean PSNR on Y with its standard deviation over seeds, one line per variant (rows of `ablation.run`).

    The dashed line is the first variant's mean: a bar of deviation that crosses it shows no difference.
    """
    size = _points(9.0)
    names = [_wrapped(row["variant"], 3.0, size) for row in rows]
    with _canvas(9.0, 1.2 + 0.42 * len(rows), title) as (figure, (axis,)):
        means, deviations = ([row[key] for row in rows] for key in ("psnr_y", "psnr_y_sd"))
        axis.errorbar(means, names, xerr=deviations, fmt="o", color=COLOURS[0], capsize=4)
        axis.axvline(means[0], color=COLOURS[3], linestyle="--", linewidth=1)
        axis.invert_yaxis()
        axis.margins(x=0.1, y=0.1)
        axis.grid(alpha=0.3)
        seeds = rows[0]["seeds"]
        axis.set_xlabel(f"PSNR-Y in dB, mean and standard deviation over {seeds} seeds (right is better)")
    return figure


def save(figure: Figure, path: Path, dpi: int = 110) -> Path:
    """Write a figure as PNG, `dpi` dots per inch, making its folder."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=dpi)
    return path


def _points(width: float) -> float:
    """The size of type, in points, that a figure of `width` inches needs to be read at a notebook's width."""
    return max(10.0, 1.05 * MIN_POINTS * width / SHOWN_WIDTH)


@contextmanager
def _style(width: float) -> Iterator[float]:
    """The look of every figure here, for one of `width` inches; gives the size of its type in points."""
    size = _points(width)
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
def _canvas(width: float, height: float, title: str, columns: int = 1) -> Iterator[tuple[Figure, np.ndarray]]:
    """A figure in our style (inches) and its axes in one row, to be drawn on inside the `with`."""
    with _style(width) as size:
        title = _wrapped(title, 0.95 * width, size + 2, "bold")
        height += (size + 2) / 50 * bool(title) * len(title.splitlines())
        figure, axes = plt.subplots(1, columns, figsize=(width, height), squeeze=False, layout="constrained")
        if title:
            figure.suptitle(title)
        yield figure, axes[0]
        for axis in axes[0]:  # ticks are made when drawn, which is outside this style
            axis.tick_params(labelsize=size)


def _picture_grid(
    names: list[str], aspects: list[float], doubled: bool, title: str, most: int = 4
) -> tuple[Figure, list[Axes], list[Axes]]:
    """Empty axes for named pictures of `aspects` (height by width) in rows of at most `most`, and what is below.

    `doubled` adds square axes below each picture (for its enlargement); the second list is empty without.
    """
    columns = _columns(len(names), most)
    width = min(MAX_WIDTH, _PICTURE_INCHES * columns)
    panel = width / columns - _GAP
    with _style(width) as size:
        names = [_wrapped(name, panel, size + 1) for name in names]
        title = _wrapped(title, 0.95 * width, size + 2, "bold")
        heights, inches = [], (size + 2) / 50 * len(title.splitlines())
        for start in range(0, len(names), columns):
            # The tallest picture of a row sets its height; one taller than 1.5 times its width shrinks instead.
            tallest = min(1.5, max(aspects[start : start + columns]))
            lines = max(len(name.splitlines()) for name in names[start : start + columns])
            heights += [tallest] + [1.0] * doubled
            inches += panel * (tallest + doubled) + (size + 1) / 50 * lines + 0.15 * (1 + doubled)
        figure, axes = plt.subplots(
            len(heights),
            columns,
            figsize=(width, inches),
            height_ratios=heights,
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
        for axis, name in zip(above, names, strict=False):
            axis.set_title(name)
        if title:
            figure.suptitle(title)
    return figure, above[: len(names)], below[: len(names)]


def _columns(count: int, most: int) -> int:
    """Columns for `count` pictures: `most` or one less, whichever fills the last row better without another row."""
    if count <= most:
        return count
    return most - 1 if -(-count // (most - 1)) == -(-count // most) else most


def _named(name: str, captions: dict[str, str] | None) -> str:
    caption = (captions or {}).get(name, "")
    return f"{name}\n{caption}" if caption else name


def _need_pictures(images: dict[str, np.ndarray]) -> None:
    if not images:
        raise KdsharpError("There is nothing to show: give at least one picture.")


def _wrapped(text: str, inches: float, size: float, weight: str = "normal") -> str:
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


def _scaled(zoom: tuple[int, int, int], image: np.ndarray, reference: np.ndarray) -> tuple[int, int, int]:
    """(top, left, side) in pixels of `image` of a square given in pixels of `reference`."""
    top, left, side = (round(value * image.shape[0] / reference.shape[0]) for value in zoom)
    return top, left, max(1, side)


def _cut(image: np.ndarray, square: tuple[int, int, int]) -> np.ndarray:
    top, left, side = square
    return image[top : top + side, left : left + side]


def _mark(axis: Axes, square: tuple[int, int, int]) -> None:
    top, left, side = square
    # Pixel centres lie at whole numbers, so the outline of the pixels begins half a pixel earlier.
    mark = Rectangle((left - 0.5, top - 0.5), side, side, fill=False, edgecolor=_SQUARE, linewidth=1.8)
    mark.set_path_effects([withStroke(linewidth=3.4, foreground="black")])  # to be seen on orange too
    axis.add_patch(mark)


def _edge(axis: Axes) -> None:
    """An enlarged square has the colour of the mark that says where it comes from."""
    for spine in axis.spines.values():
        spine.set(visible=True, edgecolor=_SQUARE, linewidth=1.8)


def _logarithmic(axis: Axes) -> None:
    """A logarithmic x axis with plain numbers (1, 2, 5, 10 ...) instead of powers of ten."""
    axis.set_xscale("log")
    low, high = axis.get_xlim()
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 200 else (1,)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())


def _budget(axis: Axes, name: str, value: float) -> list[Artist]:
    """A dashed line at `value` and its name beside the upper end."""
    line = axis.axvline(value, color=COLOURS[3], linestyle="--", linewidth=1.2, zorder=1)
    text = axis.annotate(
        name,
        (value, 1),
        xycoords=axis.get_xaxis_transform(),
        xytext=(-3, -3),
        textcoords="offset points",
        rotation=90,
        ha="right",
        va="top",
        color=COLOURS[3],
        in_layout=False,
    )
    return [line, text]


def _name_ends(axis: Axes) -> None:
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
            arrowprops={
                "arrowstyle": "-",
                "color": line.get_color(),
                "linewidth": 1,
                "shrinkA": 0,
                "shrinkB": 4,
            },
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
            thread = {"arrowstyle": "-", "color": "0.5", "linewidth": 0.8, "shrinkA": 0, "shrinkB": 4}
            offset = (nearest - place) * pixel
            axis.annotate(
                "",
                points[name],
                xytext=offset,
                textcoords="offset points",
                arrowprops=thread,
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
