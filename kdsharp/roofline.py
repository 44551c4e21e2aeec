"""What this machine could do at best: the two ceilings of the roofline model (Williams et al. 2009), measured.

A large matrix product shows how fast it multiplies and adds, a large copy how fast it carries. No network of ours is
faster than the one, and no picture goes by faster than the other.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor

SIDE = 2048  # of the square matrices: 17 G operations, large enough for every cache to be too small
COPIED = 256 * 2**20  # bytes
# What an engine multiplies: the ceiling that its share is taken of.
PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int8": torch.int8,
}


def ceilings(device: str = "cpu", repeats: int = 5) -> dict[str, float]:
    """G multiply-adds per second of matrix products by precision, and `copy` in GB/s (read and written).

    The best of `repeats`: a ceiling is what can be reached, not what a busy moment leaves. A precision that this
    machine or this PyTorch cannot multiply in is left out.
    """
    found = {}
    for name, kind in PRECISIONS.items():
        if name == "float16" and device == "cpu":  # computed in float32, and slower for it
            continue
        product = _product(kind, device)
        try:
            product()
        except (RuntimeError, NotImplementedError):
            continue
        found[name] = SIDE**3 / _best(product, repeats, device) / 1e9
    source = torch.empty(COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    found["copy"] = 2 * COPIED / _best(lambda: target.copy_(source), repeats, device) / 1e9
    return found


def _product(kind: torch.dtype, device: str) -> Callable[[], Tensor]:
    if kind == torch.int8:
        square = torch.randint(-100, 100, (SIDE, SIDE), dtype=kind, device=device)
        return lambda: torch._int_mm(square, square)
    square = torch.rand(SIDE, SIDE, device=device).to(kind)
    return lambda: square @ square


def _best(job: Callable[[], object], repeats: int, device: str) -> float:
    """Seconds of the fastest of `repeats` runs after one that is not timed."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        job()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:])
