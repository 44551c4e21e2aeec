"""What training reads: random batches of a target store, the next one drawn while the network learns from this one."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from kdsharp.disk import parallel
from kdsharp.distill.targets import TargetStore
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Training
from kdsharp.student import to_luma

Batch = tuple[Tensor, Tensor, Tensor | None]


def draw_batch(store: TargetStore, settings: Training, step: int, colour: str, device: str = "cpu") -> Batch:
    """The batch of one step: (input, hr, target), each (N, C, h, w) in [0, 1], one plane where `colour` is luma.

    Crops, positions, flips and quarter turns are drawn from (seed, step), the same for all three pictures. Of several
    processes each takes its share of the same batch; KdsharpError if it cannot be shared evenly.
    """
    random = np.random.default_rng((settings.seed, step))
    patch, count = min(settings.patch, store.input.shape[1]), settings.batch
    if count % parallel.world():
        raise KdsharpError(
            f"A batch of {count} cannot be shared by {parallel.world()} processes: set training.batch to a multiple."
        )
    draws = [
        (
            index,
            *random.integers(store.input.shape[1] - patch + 1, size=2),
            random.integers(2),
            random.integers(4),
        )
        for index in random.integers(len(store), size=count)
    ]
    triples: list[list[np.ndarray]] = []
    for index, top, left, flip, turns in draws[parallel.rank() :: parallel.world()]:
        triple = []
        for array, factor in ((store.input, 1), (store.hr, store.scale), (store.target, store.scale)):
            if array is None:
                continue
            rows = slice(top * factor, (top + patch) * factor)
            columns = slice(left * factor, (left + patch) * factor)
            crop = np.rot90(array[index, rows, columns], turns)
            triple.append(crop[:, ::-1] if flip else crop)
        triples.append(triple)
    planes = [_planes(np.stack(images), colour, device) for images in zip(*triples, strict=True)]
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


def _planes(images: np.ndarray, colour: str, device: str) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(images))
    if device.startswith("cuda"):
        tensor = tensor.pin_memory()  # so that the copy does not hold up the GPU
    tensor = tensor.to(device, non_blocking=True).permute(0, 3, 1, 2).float() / 255
    tensor = to_luma(tensor) if colour == "luma" else tensor
    return tensor.contiguous(memory_format=torch.channels_last)
