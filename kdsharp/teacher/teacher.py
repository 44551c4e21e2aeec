"""A teacher: a network that makes what students learn from, whatever its kind, in tiles and in half precision."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from kdsharp import data
from kdsharp.degradation import enlarge, resize
from kdsharp.disk import identity
from kdsharp.errors import KdsharpError
from kdsharp.teacher.tiling import CONTEXT, run_tiled

log = logging.getLogger(__name__)

CPU_BATCH = 8


@dataclass(frozen=True)
class Teacher:
    """A network that enlarges by `scale` (1: it sharpens), tiled and in half precision where that is faster.

    Called with a batch of tensors; `on_picture` takes one `uint8` picture.
    `run` takes and gives (N, 3, H, W) batches; tiles are `tile` input pixels with `overlap` more on each side and
    begin at multiples of `multiple`. `source` says where the weights come from ("official file"), for people: which
    teacher it is, is its `identity`.
    """

    name: str
    scale: float
    run: Callable[[Tensor], Tensor]
    device: str = "cpu"
    tile: int = 256
    half: bool = False
    overlap: int = CONTEXT
    multiple: int = 1
    source: str = ""

    @property
    def identity(self) -> dict:
        """Which teacher it is, whatever its name: the digest of its network, and its scale.

        Not that of its file: safetensors writes the same weights with the same card in one of several ways.
        Raises KdsharpError for a function without weights.
        """
        if not isinstance(self.network, nn.Module):
            raise KdsharpError(f"The teacher '{self.name}' is no network: make a torch module of it.")
        return {"network": identity.of_network(self.network), "scale": self.scale}

    @property
    def network(self) -> nn.Module:
        """The module behind `run`: to count its parameters, or to look at its layers."""
        inside = self.run.args[0] if isinstance(self.run, partial) else self.run
        return getattr(inside, "model", inside)

    def __call__(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to (N, 3, scale H, scale W) in [0, 1], on the device that `images` lie on.

        Raises KdsharpError for another shape, when memory runs out, or if the result is not finite.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise KdsharpError(
                f"A teacher takes a batch (N, 3, H, W), not a tensor of {tuple(images.shape)}."
            )
        settings = {"context": self.overlap, "device": self.device, "multiple": self.multiple}
        # A processor's caches hold the features of a few small pictures; a GPU wants them all at once.
        batches = [images] if self.device.startswith("cuda") else images.split(CPU_BATCH)
        results = [
            run_tiled(self._run_finite, batch.float(), self.scale, self.tile, **settings) for batch in batches
        ]
        return torch.cat(results).clamp(0, 1).to(images.device)

    def on_picture(self, image: np.ndarray) -> np.ndarray:
        """What it makes of `uint8` RGB (H, W, 3): the same, (scale H, scale W, 3)."""
        return data.to_image(self(data.to_tensor(image)))

    @torch.inference_mode()
    def _run_finite(self, tile: Tensor) -> Tensor:
        """One tile; half-precision output that overflowed is done again in single precision."""
        tile = tile.contiguous(memory_format=torch.channels_last)
        if self.half:
            dtype = torch.float16 if self.device.startswith("cuda") else torch.bfloat16
            with torch.autocast(self.device.split(":")[0], dtype=dtype):
                result = self.run(tile)
            if torch.isfinite(result).all():
                return result
            log.warning(
                "half precision overflowed in %s: this tile is done again in single precision", self.name
            )
        result = self.run(tile)
        if not torch.isfinite(result).all():
            raise KdsharpError(
                f"The teacher '{self.name}' gives values that are not finite: its file or the picture is damaged."
            )
        return result


def target_for(teacher: Teacher, small: Tensor, size: tuple[int, int], receiver: str = "bilinear") -> Tensor:
    """What the teacher makes of the small frame (N, 3, h, w), brought to `size` (H, W); all in [0, 1].

    A teacher of scale 1 gets what the student gets: the small frame as the `receiver` of a call enlarges it.
    """
    if teacher.scale == 1 and small.shape[-2:] != tuple(size):
        small = enlarge(small, tuple(size), receiver).clamp(0, 1)
    target = teacher(small)
    if target.shape[-2:] == tuple(size):
        return target
    return resize(target, tuple(size), "bicubic").clamp(0, 1)
