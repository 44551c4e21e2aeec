"""What a step computes between its batch and its loss, as one function, so that it can be compiled where that pays.

A student's kernels take a GPU microseconds each, less than Python needs to ask for the next one. Compiled they are
fewer, and as a recorded CUDA graph one call asks for all of them. Whether that is faster is measured, and not guessed.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from kdsharp.disk import parallel
from kdsharp.distill import losses
from kdsharp.distill.batches import Batch
from kdsharp.distill.perceptual import Perceptual
from kdsharp.errors import KdsharpError, first_line
from kdsharp.recipes import Losses

log = logging.getLogger(__name__)

Terms = dict[str, Tensor]
Objective = Callable[[Tensor, Tensor, Tensor | None], Terms]
# By name, what torch.compile is told; `graph` also records CUDA graphs, of the way there and of the way back.
WAYS: dict[str, dict[str, Any] | None] = {"eager": None, "compile": {}, "graph": {"mode": "reduce-overhead"}}
WARMUP, ROUNDS = 5, 20  # the first calls compile, choose kernels and record


def objective(
    trained: nn.Module, dtype: torch.dtype, weights: Losses, perceptual: Perceptual | None
) -> Objective:
    """The function from a batch (input, hr, target) to the terms of its loss; see `losses.distillation_loss`.

    `trained` is `Learner.trained`, which computes in `dtype`; the losses are computed in single precision.
    """

    def compute(inputs: Tensor, hr: Tensor, target: Tensor | None) -> Terms:
        with torch.autocast(inputs.device.type, dtype=dtype, enabled=dtype is not torch.float32):
            output, features = trained(inputs)
        return losses.distillation_loss(output.float(), hr, target, weights, perceptual, features, inputs)

    return compute


def prepared(compute: Objective, way: str) -> Objective:
    """The same function in one of `WAYS`. What it gives holds until it is called again.

    Raises KdsharpError for another way.
    """
    if way not in WAYS:
        raise KdsharpError(f"There is no way '{way}' to compute a step; choose one of {', '.join(WAYS)}.")
    if WAYS[way] is None:
        return compute
    compiled = torch.compile(compute, dynamic=False, **WAYS[way])

    def call(*batch: Tensor | None) -> Terms:
        torch.compiler.cudagraph_mark_step_begin()  # the step before is over: its memory may be written again
        return compiled(*batch)

    return call


def fastest(compute: Objective, trained: nn.Module, batch: Callable[[], Batch], device: str) -> Objective:
    """On a GPU, whichever of plain and recorded is faster on a `batch`, measured; on a processor the plain one.

    A processor never gains by it (two cores: 41.3 ms a step against 40.8). What cannot be compiled here, because a
    compiler is missing, stays plain, and the log says why. Weights stay as they are, and gradients are left empty.
    """
    if not device.startswith("cuda") or parallel.world() > 1:
        return compute
    ways, one = {"eager": compute, "graph": prepared(compute, "graph")}, batch()
    try:
        times = {way: seconds(function, trained, one) for way, function in ways.items()}
    except Exception as error:  # compilers, drivers and PyTorch each have their own
        log.warning("a step cannot be compiled here, and stays plain: %s", first_line(error))
        trained.zero_grad(set_to_none=True)
        return compute
    best = min(times, key=times.get)
    log.info("a step forwards and back: %s; %s is taken", _said(times), best)
    return ways[best]


def seconds(compute: Objective, trained: nn.Module, batch: Batch, rounds: int = ROUNDS) -> float:
    """Seconds of one way there and back, the mean of `rounds` after a warm-up; no weight changes."""
    began = 0.0
    for number in range(WARMUP + rounds):
        if number == WARMUP:
            _wait(batch[0])
            began = time.perf_counter()
        trained.zero_grad(set_to_none=True)
        compute(*batch)["loss"].backward()
    _wait(batch[0])
    taken = (time.perf_counter() - began) / rounds
    trained.zero_grad(set_to_none=True)
    return taken


def _wait(tensor: Tensor) -> None:
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)


def _said(times: dict[str, float]) -> str:
    return ", ".join(f"{way} {1000 * taken:.2f} ms" for way, taken in times.items())
