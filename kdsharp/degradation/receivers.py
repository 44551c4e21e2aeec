"""How a receiver enlarges the small frame that it has decoded: the filters of browsers, players and libraries.

Each is a kernel: along each axis, a pixel of the result is a weighted mean of its neighbours in the small frame, and
the kernel gives the weights. The centres of the first pixels do not coincide: both frames cover the same area, so the
pixel i of the result lies at (i + 0.5) / factor - 0.5 of the small frame (Pillow, OpenCV and browsers agree on that).
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from kdsharp.degradation.resizing import resize
from kdsharp.errors import KdsharpError
from kdsharp.recipes.degradations import RECEIVERS


def cubic(x: Tensor, b: float, c: float) -> Tensor:
    """The cubic kernels of Mitchell and Netravali (1988), 0 beyond 2 pixels; with b = 0, c is Keys' (1981) -a."""
    x = x.abs()
    near = (12 - 9 * b - 6 * c) * x**3 + (12 * b + 6 * c - 18) * x**2 + (6 - 2 * b)
    far = -(b + 6 * c) * x**3 + (6 * b + 30 * c) * x**2 - (12 * b + 48 * c) * x + (8 * b + 24 * c)
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0)) / 6


def lanczos(x: Tensor, lobes: int) -> Tensor:
    """Lanczos' kernel: a sinc under the middle of a wider one, 0 beyond `lobes` pixels."""
    return torch.where(x.abs() < lobes, torch.sinc(x) * torch.sinc(x / lobes), 0.0)


# name: kernel, and how many pixels it reaches to either side
_KERNELS: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "bicubic-opencv": (partial(cubic, b=0.0, c=0.75), 2),
    "lanczos": (partial(lanczos, lobes=3), 3),
    "lanczos-opencv": (partial(lanczos, lobes=4), 4),
    "mitchell": (partial(cubic, b=1 / 3, c=1 / 3), 2),
}
_SMOOTH = (0.25, 0.5, 0.25)  # at a factor of 2, nearest and this is bilinear


def enlarge(images: Tensor, size: tuple[int, int], receiver: str) -> Tensor:
    """Small frames (N, C, h, w), RGB in [0, 1], as a receiver shows them at `size` = (height, width).

    What is no larger than it was stays as it is. Kernels with negative parts overshoot: the result may leave [0, 1].
    Raises KdsharpError for a receiver that is none of `recipes.RECEIVERS`.
    """
    if receiver not in (*RECEIVERS, "area"):
        raise KdsharpError(f"There is no receiver '{receiver}'; choose one of {', '.join(RECEIVERS)}.")
    if tuple(images.shape[-2:]) == tuple(size):
        return images
    if receiver not in _KERNELS and receiver != "nearest-smooth":
        return resize(images, size, receiver)
    rows, columns = (
        _weights(old, new, receiver).to(images) for old, new in zip(images.shape[-2:], size, strict=True)
    )
    return rows @ (images @ columns.T)


def _weights(old: int, new: int, receiver: str) -> Tensor:
    """What each of `new` pixels takes of each of `old` ones along an axis, (new, old), rows that sum to 1."""
    pixels = torch.arange(new)[:, None]
    if receiver == "nearest-smooth":
        blocks = _gathered(pixels * old // new, torch.ones(new, 1), old)
        return _gathered(pixels + torch.arange(-1, 2), torch.tensor(_SMOOTH).expand(new, -1), new) @ blocks
    kernel, reach = _KERNELS[receiver]
    places = (pixels.double() + 0.5) * old / new - 0.5
    taps = places.floor().long() + torch.arange(1 - reach, reach + 1)
    weights = kernel(places - taps)
    return _gathered(taps, weights / weights.sum(1, keepdim=True), old)


def _gathered(taps: Tensor, weights: Tensor, count: int) -> Tensor:
    """The matrix (new, count) of weights at taps (new, taps); beyond the border its last pixel is repeated."""
    matrix = torch.zeros(len(taps), count, dtype=torch.float64)
    return matrix.scatter_add_(1, taps.clamp(0, count - 1), weights.double())
