"""Large pictures through a network in tiles that leave no seam.

Each tile is run with `context` pixels of its surroundings, which are thrown away, and neighbours are blended over
`blend` pixels. Tiles stop at the picture's border, so that the network pads there just as it would pad the whole.
"""

import logging
from collections.abc import Callable

import torch
from torch import Tensor
from tqdm.auto import tqdm

from kdsharp.errors import KdsharpError

log = logging.getLogger(__name__)

MIN_TILE = 32


def run_tiled(
    network: Callable[[Tensor], Tensor],
    images: Tensor,
    scale: int,
    tile: int = 256,
    context: int = 24,
    blend: int = 16,
    device: str = "cpu",
) -> Tensor:
    """`network` over (N, C, H, W) in tiles of `tile` input pixels (plus context); (N, C, scale H, scale W) on the CPU.

    Only a tile lies on the device at a time. When memory runs out the tile is halved, down to 32 pixels, and
    the picture is begun again. Raises KdsharpError when even that does not fit.
    """
    while True:
        try:
            return _run(network, images, scale, tile, context, blend, device)
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            if tile <= MIN_TILE:
                raise KdsharpError(
                    f"Not even a tile of {tile} pixels fits in memory: close other programs or use a smaller teacher."
                ) from error
        tile = max(MIN_TILE, tile // 2)
        log.warning("out of memory: trying again with tiles of %d pixels", tile)
        if device.startswith("cuda"):
            torch.cuda.empty_cache()


def _run(
    network: Callable[[Tensor], Tensor],
    images: Tensor,
    scale: int,
    tile: int,
    context: int,
    blend: int,
    device: str,
) -> Tensor:
    count, channels, height, width = images.shape
    if max(height, width) <= tile:
        return network(images.to(device)).float().cpu()
    spans = [(row, column) for row in _spans(height, tile, blend) for column in _spans(width, tile, blend)]
    total = torch.zeros(count, channels, height * scale, width * scale)
    weights = torch.zeros(1, 1, height * scale, width * scale)
    for (top, bottom), (left, right) in tqdm(
        spans, desc="tiles", unit="tile", disable=len(spans) < 4, leave=False
    ):
        outer_top, outer_left = max(0, top - context), max(0, left - context)
        patch = images[:, :, outer_top : bottom + context, outer_left : right + context].to(device)
        result = network(patch).float().cpu()
        rows, columns = (bottom - top) * scale, (right - left) * scale
        start_row, start_column = (top - outer_top) * scale, (left - outer_left) * scale
        kept = result[:, :, start_row : start_row + rows, start_column : start_column + columns]
        ramp_rows = _ramp(rows, blend * scale, top > 0, bottom < height)
        ramp_columns = _ramp(columns, blend * scale, left > 0, right < width)
        window = ramp_rows[:, None] * ramp_columns[None, :]
        place = (..., slice(top * scale, bottom * scale), slice(left * scale, right * scale))
        total[place] += kept * window
        weights[place] += window
    return total / weights


def _spans(length: int, tile: int, blend: int) -> list[tuple[int, int]]:
    """Intervals of at most `tile` pixels that cover `length` and overlap by `blend`."""
    step = max(1, tile - blend)
    starts = range(0, max(1, length - blend), step)
    return [(start, min(length, start + tile)) for start in starts]


def _ramp(length: int, blend: int, fade_in: bool, fade_out: bool) -> Tensor:
    """Weights along one axis: 1 inside, falling linearly (never to 0) over `blend` where a neighbour takes over."""
    weights = torch.ones(length)
    blend = min(blend, length)
    slope = torch.arange(1, blend + 1) / (blend + 1)
    if fade_in:
        weights[:blend] *= slope
    if fade_out:
        weights[-blend:] *= slope.flip(0)
    return weights


def _is_out_of_memory(error: RuntimeError) -> bool:
    text = str(error)
    return (
        isinstance(error, torch.OutOfMemoryError)
        or "can't allocate memory" in text
        or "out of memory" in text
    )
