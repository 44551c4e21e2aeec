"""Pictures side by side, with what to look at enlarged; the stages of a degradation, and blur kernels."""

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from kdsharp import data
from kdsharp.course.figures.style import COLOURS, MAX_HEIGHT, MAX_WIDTH, points, styled, wrapped
from kdsharp.degradation import Degraded
from kdsharp.errors import KdsharpError

_PICTURE_INCHES = 4.0
_GAP = 0.1  # inches beside a picture
_SQUARE = COLOURS[1]


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
    whole: str = "the whole picture",
) -> Figure:
    """The last picture whole, named `whole`, with the square `zoom` marked; then that square of each, large.

    For differences too fine for `side_by_side`: the enlarged squares take all the room. Arguments as there.
    """
    _need_pictures(images)
    names = [whole] + [_named(name, captions) for name in images]
    reference = list(images.values())[-1]
    aspects = [reference.shape[0] / reference.shape[1]] + [1.0] * len(images)
    figure, axes, _ = _picture_grid(names, aspects, False, "")
    axes[0].imshow(reference, interpolation="nearest")
    _mark(axes[0], zoom)
    for axis, image in zip(axes[1:], images.values(), strict=True):
        axis.imshow(_cut(image, _scaled(zoom, image, reference)), interpolation="nearest")
        _edge(axis)
    return figure


def stages(degraded: Degraded, side: int | None = None, title: str = "") -> Figure:
    """Every stage of a degradation of the batch's first picture, in order; `side` shows only its centre."""
    pictures = {name: data.to_image(batch[0]) for name, batch in degraded.stages.items()}
    largest = max(picture.shape[0] for picture in pictures.values())
    shown = list(pictures.values())
    if side:
        shown = [data.centre(picture, max(1, round(side * len(picture) / largest))) for picture in shown]
    names = [f"{name}\n{picture.shape[1]}x{picture.shape[0]}" for name, picture in pictures.items()]
    figure, axes, _ = _picture_grid(names, [part.shape[0] / part.shape[1] for part in shown], False, title)
    for axis, part in zip(axes, shown, strict=True):
        axis.imshow(part, interpolation="nearest")
    return figure


def kernels_grid(kernels: torch.Tensor, names: list[str] | None = None) -> Figure:
    """Blur kernels (N, K, K) above their frequency responses (dark blue keeps nothing, yellow everything)."""
    names = names or [f"kernel {number}" for number in range(1, len(kernels) + 1)]
    figure, above, below = _picture_grid(names, [1.0] * len(kernels), True, "", most=6)
    for axis, lower, kernel in zip(above, below, kernels, strict=True):
        axis.imshow(kernel, cmap="magma")
        response = torch.fft.fftshift(torch.fft.fft2(kernel, s=(64, 64)).abs())
        lower.imshow(response, cmap="viridis", vmin=0, vmax=1)
        lower.set_xlabel("its spectrum")
    return figure


def _picture_grid(
    names: list[str], aspects: list[float], doubled: bool, title: str, most: int = 4
) -> tuple[Figure, list[Axes], list[Axes]]:
    """Empty axes for named pictures of `aspects` (height by width) in rows of at most `most`, and what is below.

    `doubled` adds square axes below each picture (for its enlargement); the second list is empty without.
    """
    columns = _columns(len(names), most)
    width = min(MAX_WIDTH, _PICTURE_INCHES * columns)
    inches = _heights(names, aspects, doubled, title, columns, width)[1]
    if inches > MAX_HEIGHT:  # narrower, but not so narrow that the pictures show nothing
        width = max(0.75, MAX_HEIGHT / inches) * width
    heights, inches = _heights(names, aspects, doubled, title, columns, width)
    with styled(width) as size:
        names = [wrapped(name, width / columns - _GAP, size + 1) for name in names]
        title = wrapped(title, 0.95 * width, size + 2, "bold")
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


def _heights(
    names: list[str], aspects: list[float], doubled: bool, title: str, columns: int, width: float
) -> tuple[list[float], float]:
    """Of a grid of `width` inches: the rows' heights as shares of a column's width, and all of it in inches."""
    panel, size = width / columns - _GAP, points(width)
    heights, inches = [], (size + 2) / 50 * len(wrapped(title, 0.95 * width, size + 2, "bold").splitlines())
    for start in range(0, len(names), columns):
        # The tallest picture of a row sets its height; one taller than 1.5 times its width shrinks instead.
        tallest = min(1.5, max(aspects[start : start + columns]))
        row = [wrapped(name, panel, size + 1) for name in names[start : start + columns]]
        lines = max(len(name.splitlines()) for name in row)
        heights += [tallest] + [1.0] * doubled
        inches += panel * (tallest + doubled) + (size + 1) / 50 * lines + 0.15 * (1 + doubled)
    return heights, inches


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
