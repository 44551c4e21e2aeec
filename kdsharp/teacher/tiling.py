"""Large pictures through a network in tiles that leave no seam.

Each tile is run with `context` pixels of its surroundings, which are thrown away, and neighbours are blended over
`blend` pixels. Tiles stop at the picture's border, so that the network pads there just as it would pad the whole.
"""

import itertools
import logging
from collections.abc import Callable

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from kdsharp.data.tiles import Span, spans
from kdsharp.errors import KdsharpError
from kdsharp.recipes import enlarged

log = logging.getLogger(__name__)

MIN_TILE = 32
CONTEXT = 24
# How torch's allocators put it: CUDA, Linux, Windows, cuBLAS and cuDNN.
_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "STATUS_ALLOC_FAILED")


def run_tiled(
    network: Callable[[Tensor], Tensor],
    images: Tensor,
    scale: float,
    tile: int = 256,
    context: int = CONTEXT,
    blend: int = 16,
    device: str = "cpu",
    multiple: int = 1,
) -> Tensor:
    """`network` over (N, C, H, W) in tiles of `tile` input pixels (plus context); (N, C, scale H, scale W) on the CPU.

    Only a tile lies on the device at a time. When memory runs out, the pictures of a batch are run one by one;
    then the tile is halved, down to 32 pixels, and the picture is begun again.

    Args:
        context: pixels of surroundings that a tile is given on each side, and that are thrown away.
        blend: pixels over which neighbouring tiles fade into each other.
        multiple: tiles begin at multiples of it, for networks that fold their input (pixel-unshuffle, windows).

    Raises KdsharpError for a tile below 32 pixels, a negative context, or when even 32 pixels do not fit.
    """
    if tile < MIN_TILE or context < 0:
        raise KdsharpError(
            f"A tile of {tile} pixels with {context} around it cannot be run: "
            f"give a tile of at least {MIN_TILE} and an overlap of at least 0."
        )
    while True:
        try:
            return _run(network, images, scale, tile, context, blend, device, multiple)
        except RuntimeError as error:  # torch.OutOfMemoryError is one
            if not is_out_of_memory(error):
                raise
            if len(images) == 1 and tile == MIN_TILE:
                raise KdsharpError(
                    f"Not even a tile of {tile} pixels fits in memory: close other programs or use a smaller teacher."
                ) from error
        if device.startswith("cuda"):
            torch.cuda.empty_cache()
        if len(images) > 1:
            log.warning("out of memory: trying again with one picture at a time")
            settings = (scale, tile, context, blend, device, multiple)
            return torch.cat([run_tiled(network, image, *settings) for image in images.split(1)])
        tile = max(MIN_TILE, min(tile, max(images.shape[-2:])) // 2)
        log.warning("out of memory: trying again with tiles of %d pixels", tile)


def overflow_as_nan(_module: nn.Module, _inputs: object, output: object) -> object:
    """A forward hook that turns infinities into NaN.

    Libraries clip a network's output to [0, 1], and a clipped infinity looks like white; NaN survives the clip.
    """
    return output.masked_fill(output.isinf(), torch.nan) if isinstance(output, Tensor) else output


def _run(
    network: Callable[[Tensor], Tensor],
    images: Tensor,
    scale: float,
    tile: int,
    context: int,
    blend: int,
    device: str,
    multiple: int,
) -> Tensor:
    count, channels, height, width = images.shape
    if max(height, width) <= tile:
        return network(images.to(device)).float().cpu()
    tile = max(multiple, tile - tile % multiple)
    step = max(multiple, (tile - blend) // multiple * multiple)
    context += -context % multiple
    rows, columns = (spans(length, tile, step, context) for length in (height, width))
    tiles = list(itertools.product(rows, columns))
    total = torch.zeros(count, channels, enlarged(height, scale), enlarged(width, scale))
    weights = torch.zeros(1, 1, enlarged(height, scale), enlarged(width, scale))
    for row, column in tqdm(tiles, desc="tiles", unit="tile", disable=len(tiles) <= 4, leave=False):
        result = network(images[:, :, row.seen, column.seen].to(device)).float().cpu()
        down, across = _ramp(row, height, blend, scale), _ramp(column, width, blend, scale)
        window = down[:, None] * across[None, :]
        place = (..., row.place(scale), column.place(scale))
        total[place] += result[:, :, row.kept(scale), column.kept(scale)] * window
        weights[place] += window
    return total.div_(weights)  # in place: a 4K result is 0.4 GB


def _ramp(tile: Span, length: int, blend: int, scale: float) -> Tensor:
    """Weights along one axis: 1 inside, falling linearly (never to 0) over `blend` where a neighbour takes over."""
    weights = torch.ones(enlarged(tile.end - tile.start, scale))
    blend = min(enlarged(blend, scale), len(weights))
    slope = torch.arange(1, blend + 1) / (blend + 1)
    if tile.start > 0:
        weights[:blend] *= slope
    if tile.end < length:
        weights[len(weights) - blend :] *= slope.flip(0)
    return weights


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error of torch's means that memory ran out, on whichever device."""
    return isinstance(error, torch.OutOfMemoryError) or any(phrase in str(error) for phrase in _NO_MEMORY)
