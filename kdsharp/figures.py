"""The course's figures: pictures side by side with what to look at enlarged, curves, and bars.

Every function returns a matplotlib Figure; pictures are `uint8` RGB (H, W, 3). Colours are those of Okabe and Ito
(2008), which colour-blind readers can tell apart.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from kdsharp import data
from kdsharp.degrade import Degraded
from kdsharp.errors import KdsharpError

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
_PANEL_INCHES = 3.0


def side_by_side(
    images: dict[str, np.ndarray],
    zoom: tuple[int, int, int] | None = None,
    captions: dict[str, str] | None = None,
    title: str = "",
) -> Figure:
    """Pictures in one row, and below each the square `zoom` = (top, left, side) of it, enlarged.

    `zoom` is in pixels of the last picture; smaller pictures are zoomed at the same relative place. `captions`
    add a line (PSNR, say) under a picture's name.
    """
    if not images:
        raise KdsharpError("There is nothing to show: give at least one picture.")
    rows = 2 if zoom else 1
    reference = list(images.values())[-1].shape
    aspect = reference[0] / reference[1]
    figure, axes = plt.subplots(
        rows,
        len(images),
        figsize=(_PANEL_INCHES * len(images), _PANEL_INCHES * (aspect + (1.0 if zoom else 0.0)) + 0.7),
        height_ratios=[aspect, 1.0][:rows],
        squeeze=False,
        layout="constrained",
    )
    for column, (name, image) in enumerate(images.items()):
        axes[0, column].imshow(image, interpolation="nearest")
        axes[0, column].set_title("\n".join([name, *([captions[name]] if name in (captions or {}) else [])]))
        if zoom:
            top, left, side = (round(value * image.shape[0] / reference[0]) for value in zoom)
            axes[0, column].add_patch(
                Rectangle((left, top), side, side, fill=False, edgecolor=COLOURS[1], linewidth=1.5)
            )
            axes[1, column].imshow(image[top : top + side, left : left + side], interpolation="nearest")
    _hide_axes(axes)
    _entitle(figure, title)
    return figure


def stages(degraded: Degraded, index: int = 0, side: int | None = None, title: str = "") -> Figure:
    """Every stage of a degradation of one picture of the batch, in order; `side` shows only its centre."""
    pictures = {name: data.to_image(batch[index]) for name, batch in degraded.stages.items()}
    largest = max(picture.shape[0] for picture in pictures.values())
    columns = min(4, len(pictures))
    rows = -(-len(pictures) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(_PANEL_INCHES * columns, (_PANEL_INCHES + 0.4) * rows), squeeze=False
    )
    for axis, (name, picture) in zip(axes.flat, pictures.items(), strict=False):
        if side:
            part = max(1, round(side * picture.shape[0] / largest))
            top, left = (picture.shape[0] - part) // 2, (picture.shape[1] - part) // 2
            shown = picture[top : top + part, left : left + part]
        else:
            shown = picture
        axis.imshow(shown, interpolation="nearest")
        axis.set_title(f"{name}\n{picture.shape[1]}x{picture.shape[0]}")
    _hide_axes(axes)
    figure.set_layout_engine("constrained")
    _entitle(figure, title)
    return figure


def kernels_grid(kernels: torch.Tensor, names: list[str] | None = None, spectra: bool = True) -> Figure:
    """Blur kernels (N, K, K) above their frequency responses (dark blue keeps nothing, yellow everything)."""
    rows = 2 if spectra else 1
    figure, axes = plt.subplots(
        rows, len(kernels), figsize=(1.9 * len(kernels), 2.2 * rows), squeeze=False, layout="constrained"
    )
    for column, kernel in enumerate(kernels):
        axes[0, column].imshow(kernel, cmap="magma")
        axes[0, column].set_title(names[column] if names else f"kernel {column + 1}")
        if spectra:
            response = torch.fft.fftshift(torch.fft.fft2(kernel, s=(64, 64)).abs())
            axes[1, column].imshow(response, cmap="viridis", vmin=0, vmax=1)
    if spectra:
        axes[1, 0].set_ylabel("spectrum")
    _hide_axes(axes)
    return figure


def curves(history: list[dict], title: str = "") -> Figure:
    """Training loss and validation PSNR (dB) over the steps."""
    if not history:
        raise KdsharpError("The history is empty: train for at least one validation first.")
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
    steps = [row["step"] for row in history]
    for colour, name in zip(COLOURS, ("loss", "hr", "teacher", "perceptual"), strict=False):
        if name in history[0]:
            left.plot(
                steps, [row[name] for row in history], color=colour, marker="o", markersize=3, label=name
            )
    left.set(xlabel="step", ylabel="weighted loss", title="training")
    left.legend()
    right.plot(steps, [row["val_psnr"] for row in history], color=COLOURS[2], marker="o", markersize=3)
    right.set(xlabel="step", ylabel="PSNR in dB", title="validation (held-out crops)")
    for axis in (left, right):
        axis.grid(alpha=0.3)
    _entitle(figure, title)
    return figure


def bars(
    values: dict[str, float],
    unit: str,
    lines: dict[str, float] | None = None,
    logarithmic: bool = False,
    title: str = "",
) -> Figure:
    """Horizontal bars with their values; `lines` are labelled vertical marks (60 FPS, say)."""
    figure, axis = plt.subplots(figsize=(9, 0.5 * len(values) + 1.3), layout="constrained")
    drawn = axis.barh(list(values), list(values.values()), color=COLOURS[0])
    axis.bar_label(drawn, fmt="%.4g", padding=3)
    for colour, (name, value) in zip(COLOURS[1:], (lines or {}).items(), strict=False):
        axis.axvline(value, color=colour, linestyle="--", label=name)
    if lines:
        figure.legend(loc="outside upper right", ncols=len(lines))
    if logarithmic:
        axis.set_xscale("log")
    axis.margins(x=0.15)
    axis.invert_yaxis()
    axis.set(xlabel=unit, title=title)
    return figure


def tradeoff(points: dict[str, tuple[float, float]], x: str, y: str, title: str = "") -> Figure:
    """Named points of cost (logarithmic, left is better) against quality (up is better)."""
    figure, axis = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for index, (name, (cost, quality)) in enumerate(points.items()):
        axis.scatter(cost, quality, color=COLOURS[index % len(COLOURS)], zorder=3)
        axis.annotate(name, (cost, quality), xytext=(5, 5), textcoords="offset points")
    axis.set_xscale("log")
    axis.margins(0.2)
    axis.grid(alpha=0.3)
    axis.set(xlabel=x, ylabel=y, title=title)
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, 110 dots per inch, making its folder."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path


def _hide_axes(axes: np.ndarray) -> None:
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
        if not axis.has_data():
            axis.set_visible(False)


def _entitle(figure: Figure, title: str) -> None:
    if title:
        figure.suptitle(title)
