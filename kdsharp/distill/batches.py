"""What training reads: random batches of a target store, the next one drawn while the network learns from this one."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from kdsharp.disk import parallel
from kdsharp.distill.targets import TargetStore
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Training
from kdsharp.student import to_luma

Batch = tuple[Tensor, Tensor, Tensor | None]


class Draw(NamedTuple):
    """A patch: of which crop, from where in the network's input, and how it is turned."""

    crop: int
    top: int
    left: int
    flip: int
    turns: int


def on_device(store: TargetStore, device: str) -> TargetStore:
    """The store with its crops in a GPU's memory, if they take less than half of what is free there; else as it is.

    On a processor the system keeps the pages of a store's files in memory by itself.
    """
    arrays = {name: getattr(store, name) for name in ("hr", "input", "target")}
    size = sum(int(np.prod(array.shape)) for array in arrays.values() if array is not None)
    if not device.startswith("cuda") or size > torch.cuda.mem_get_info(device)[0] / 2:
        return store
    return dataclasses.replace(store, **{name: as_tensor(array, device) for name, array in arrays.items()})


def as_tensor(crops: np.ndarray | None, device: str) -> Tensor | None:
    """Crops as one `uint8` tensor (count, height, width, 3) on a device; None stays None."""
    return None if crops is None else torch.from_numpy(np.asarray(crops)).to(device)


def draw_batch(store: TargetStore, settings: Training, step: int, colour: str, device: str = "cpu") -> Batch:
    """The batch of one step: (input, hr, target), each (N, C, h, w) in [0, 1], one plane where `colour` is luma.

    Crops, positions, flips and quarter turns are drawn from (seed, step), the same for all three pictures. Of several
    processes each takes its share of the same batch; KdsharpError if it cannot be shared evenly.
    """
    if settings.batch % parallel.world():
        raise KdsharpError(
            f"A batch of {settings.batch} cannot be shared by {parallel.world()} processes: "
            "set training.batch to a multiple."
        )
    patch = min(settings.patch, store.input.shape[1])
    mine = _draws(store, settings, step, patch)[parallel.rank() :: parallel.world()]
    scales = (("input", 1), ("hr", Fraction(store.scale)), ("target", Fraction(store.scale)))
    planes = [
        _planes(cut(array, mine, patch, scale), colour, device)
        for name, scale in scales
        if (array := getattr(store, name)) is not None
    ]
    return planes[0], planes[1], planes[2] if len(planes) > 2 else None


class Reader:
    """Iterates over the batches of steps `first` to `last` - 1, one ahead; `waited` is the time spent waiting, in s."""

    def __init__(self, draw: Callable[[int], Batch], first: int, last: int) -> None:
        self._draw, self._steps = draw, range(first, last)
        self.waited = 0.0

    def __iter__(self) -> Iterator[tuple[int, Batch]]:
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(self._draw, self._steps[0]) if self._steps else None
            for step in self._steps:
                began = time.perf_counter()
                batch = coming.result()
                self.waited += time.perf_counter() - began
                if step + 1 in self._steps:
                    coming = pool.submit(self._draw, step + 1)
                yield step, batch


def _draws(store: TargetStore, settings: Training, step: int, patch: int) -> list[Draw]:
    """The patches of one step. They begin where the original has a whole pixel too: at even ones for a scale of 3/2."""
    random = np.random.default_rng((settings.seed, step))
    grid = Fraction(store.scale).denominator
    places = (store.input.shape[1] - patch) // grid + 1
    return [
        Draw(int(crop), *(random.integers(places, size=2) * grid), random.integers(2), random.integers(4))
        for crop in random.integers(len(store), size=settings.batch)
    ]


def cut(crops: np.ndarray | Tensor, draws: list[Draw], patch: int, scale: Fraction | int) -> Tensor:
    """The patches (N, side, side, 3) of `uint8` crops at `scale` times the input's size."""
    side = int(patch * scale)
    places = [(int(draw.top * scale), int(draw.left * scale)) for draw in draws]
    if isinstance(crops, Tensor):
        return _gathered(crops, draws, places, side)
    turned = []
    for draw, (top, left) in zip(draws, places, strict=True):
        cut = np.rot90(crops[draw.crop, top : top + side, left : left + side], draw.turns)
        turned.append(cut[:, ::-1] if draw.flip else cut)
    return torch.from_numpy(np.stack(turned))


def _gathered(crops: Tensor, draws: list[Draw], places: list[tuple[int, int]], side: int) -> Tensor:
    """The same from a tensor, in one go: no Python for each patch where a GPU would wait for it."""
    numbers = torch.tensor([[*draw, *place] for draw, place in zip(draws, places, strict=True)])
    if crops.is_cuda:
        numbers = numbers.pin_memory().to(crops.device, non_blocking=True)
    crop, _, _, flip, turns, top, left = numbers[..., None, None].unbind(1)
    row = torch.arange(side, device=crops.device)[:, None].expand(side, side)
    column = torch.where(flip == 1, side - 1 - row.T, row.T)
    row = row.expand_as(column)
    rows = torch.stack([row, column, side - 1 - row, side - 1 - column])  # of a picture turned 0 to 3 times
    columns = torch.stack([column, side - 1 - row, side - 1 - column, row])
    which = turns.expand(-1, side, side)[None]
    return crops[crop, top + rows.gather(0, which)[0], left + columns.gather(0, which)[0]]


def _planes(images: Tensor, colour: str, device: str) -> Tensor:
    if device.startswith("cuda") and not images.is_cuda:
        images = images.pin_memory()  # so that the copy does not hold up the GPU
    planes = images.to(device, non_blocking=True).permute(0, 3, 1, 2).float() / 255
    planes = to_luma(planes) if colour == "luma" else planes
    return planes.contiguous(memory_format=torch.channels_last)
