"""What this machine could do at best: the two ceilings of the roofline model (Williams et al. 2009), measured.

A large matrix product shows how fast it multiplies and adds, a large copy how fast it carries. No picture goes by
faster than the copy, and hardly a network computes faster than the product.
"""

import time
from collections.abc import Callable

import torch

from kdsharp import deploy

# Of the square matrices; the last is too large for every cache: 17 G operations.
SIDES = (128, 256, 512, 1024, 2048)
COPIED = 256 * 2**20  # bytes
SECONDS = 8.0  # for all ceilings together
# What an engine multiplies: the ceiling that its share is taken of.
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.int8}
GPU_SIDES = (1024, 2048, 4096, 8192)
GPU_PRECISIONS = PRECISIONS | {"float16": torch.float16}


def ceilings(repeats: int = 5, device: str = "cpu") -> dict[str, float]:
    """G multiply-adds per second of this processor's matrix products by precision, and `copy` in GB/s, both ways.

    The same of a GPU, if `device` is one: there the copy is from its own memory to its own memory.

    The best of `repeats`: a ceiling is what can be reached, not what a busy moment leaves. Products grow until the next
    one would take too long; the whole takes less than 10 seconds. A precision that this processor has no instructions
    for is multiplied in a loop, a hundred times as slowly: one that is slower than float32 is left out.
    """
    end = time.perf_counter() + SECONDS
    gpu = device.startswith("cuda")
    kinds, sides = (GPU_PRECISIONS, GPU_SIDES) if gpu else (PRECISIONS, SIDES)
    source = torch.zeros(COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copy = 2 * COPIED / _best(_waiting(lambda: target.copy_(source), gpu), repeats, SECONDS / 4) / 1e9
    found: dict[str, float] = {}
    for number, (name, kind) in enumerate(kinds.items()):
        share = (end - time.perf_counter()) / (len(kinds) - number)
        if share > 0 and (best := _product_rate(kind, sides, repeats, share, device)) >= found.get(
            "float32", 0
        ):
            found[name] = best
    return found | {"copy": copy}


def raised(ceilings: dict[str, float], rows: list[dict]) -> dict[str, float]:
    """The ceilings, each as high as the fastest network among the rows where that beat the matrix product.

    A ceiling is the most that was seen: what is faster than a product shows that the product was not the limit.
    """
    higher = dict(ceilings)
    for row in filter(has_known_work, rows):
        kind = precision_of(row["engine"], row["device"])
        if kind in higher:
            higher[kind] = max(higher[kind], rate(row))
    return higher


def precision_of(engine: str, device: str) -> str:
    """What an engine multiplies, as `PRECISIONS` names it."""
    return deploy.find_engine(engine).precision(device)


def has_known_work(row: dict) -> bool:
    """Whether a row is of a network of known work, alone, on the processor."""
    return bool(row["multiply_adds"]) and row["what"] == "network" and row["device"] == "cpu"


def rate(row: dict) -> float:
    """G multiply-adds per second."""
    return row["multiply_adds"] / row["ms"] * 1000


def _product_rate(
    kind: torch.dtype, sides: tuple[int, ...], repeats: int, seconds: float, device: str
) -> float:
    """G multiply-adds per second of products of a precision, the best of all sizes that `seconds` allow; 0 for none."""
    end, best = time.perf_counter() + seconds, 0.0
    for side in sides:
        try:
            taken = _best(_product(kind, side, device), repeats, end - time.perf_counter())
        except (RuntimeError, NotImplementedError):  # not in this PyTorch
            break
        best = max(best, side**3 / taken / 1e9)
        next_one = 8 * taken * (repeats + 1)
        if time.perf_counter() + next_one > end:
            break
    return best


def _product(kind: torch.dtype, side: int, device: str) -> Callable[[], object]:
    if kind == torch.int8:
        square = torch.randint(-100, 100, (side, side), dtype=kind, device=device)
        return _waiting(lambda: torch._int_mm(square, square), square.is_cuda)
    square = torch.rand(side, side, device=device).to(kind)
    return _waiting(lambda: square @ square, square.is_cuda)


def _waiting(job: Callable[[], object], gpu: bool) -> Callable[[], object]:
    """The job, and on a GPU the wait for its end."""
    return lambda: (job(), torch.cuda.synchronize()) if gpu else job()


def _best(job: Callable[[], object], repeats: int, seconds: float) -> float:
    """Seconds of the fastest of `repeats` runs after one that counts only if there is no time for more."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) <= repeats and (not times or time.perf_counter() < end):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times[1:] or times)
