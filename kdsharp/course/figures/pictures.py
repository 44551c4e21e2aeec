"""Pictures side by side, with what to look at enlarged; the stages of a degradation, and blur kernels."""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from kdsharp import data
from kdsharp.course.figures.rows import picture_grid
from kdsharp.course.figures.style import COLOURS
from kdsharp.degradation import Degraded
from kdsharp.errors import KdsharpError

_SQUARE = COLOURS[1]


def side_by_side(
    images: dict[str, np.ndarray],
    zoom: tuple[int, int, int] | None = None,
    captions: dict[str, str] | None = None,
    title: str = "",
) -> Figure:
    """Pictures in rows of at most five, and below each the square `zoom` = (top, left, side) of it, enlarged.

    `zoom` is in pixels of the last picture; smaller pictures are zoomed at the same relative place. `captions`
    add a line (PSNR, say) under a picture's name.
    """
    _need_pictures(images)
    names = [_named(name, captions) for name in images]
    figure, above, below = picture_grid(
        names,
        [picture.shape[0] / picture.shape[1] for picture in images.values()],
        bool(zoom),
        title,
        most=6 if zoom else 5,
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
    figure, axes, _ = picture_grid(names, aspects, False, "")
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
    figure, axes, _ = picture_grid(names, [part.shape[0] / part.shape[1] for part in shown], False, title)
    for axis, part in zip(axes, shown, strict=True):
        axis.imshow(part, interpolation="nearest")
    return figure


def kernels_grid(kernels: torch.Tensor, names: list[str] | None = None) -> Figure:
    """Blur kernels (N, K, K) above their frequency responses (dark blue keeps nothing, yellow everything)."""
    names = names or [f"kernel {number}" for number in range(1, len(kernels) + 1)]
    figure, above, below = picture_grid(names, [1.0] * len(kernels), True, "", most=6)
    for axis, lower, kernel in zip(above, below, kernels, strict=True):
        axis.imshow(kernel, cmap="magma", vmin=min(0.0, float(kernel.min())))  # equal weights are not black
        response = torch.fft.fftshift(torch.fft.fft2(kernel, s=(64, 64)).abs())
        lower.imshow(response, cmap="viridis", vmin=0, vmax=1)
        lower.set_xlabel("its spectrum")
    return figure


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
