"""What a network computes in. Whether half precision pays on a processor is measured, and not guessed from its name.

bfloat16 is about twice as fast where a processor has instructions for it (AVX-512 BF16, AMX), and several times slower
where it has not. What counts is a network's own work: 3x3 convolutions of a few dozen channels, forwards and backwards.
"""

import functools
import logging
import time
from typing import Any

import torch
from torch import nn

from kdsharp.recipes import Training

log = logging.getLogger(__name__)

CHANNELS, SIDE = 32, 64
ROUNDS, SECONDS = 5, 0.3


@functools.cache
def bfloat16_pays() -> bool:
    """Whether bfloat16 is faster here than float32; measured once in a process, in about 0.1 s, and said in the log."""
    state = torch.random.get_rng_state()  # what is drawn here must not shift what a run draws
    layer = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1).to(memory_format=torch.channels_last)
    planes = torch.rand(1, CHANNELS, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    torch.random.set_rng_state(state)

    def seconds(half: bool) -> float:
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            layer(layer(planes)).float().mean().backward()
        return time.perf_counter() - start

    times: dict[bool, list[float]] = {False: [], True: []}
    end = time.perf_counter() + SECONDS
    for _ in range(ROUNDS):  # in turns: a busy moment meets both
        for half, taken in times.items():
            taken.append(seconds(half))
        if time.perf_counter() > end:
            break
    gain = min(times[False]) / min(times[True])
    verdict = "it is used" if gain > 1 else "float32 is used"
    log.info("bfloat16 is %.1f times as fast as float32 on this processor: %s", gain, verdict)
    return gain > 1


def precision_for(device: str, settings: Training, earlier: dict[str, Any] | None = None) -> torch.dtype:
    """What the network computes in (its weights stay in single precision).

    On a GPU bfloat16, or float16, with its loss scaled, on those before Ampere such as a T4; on a processor bfloat16 if
    the recipe allows it and it is faster there. A run that is resumed (`earlier` is its state) keeps to its own.
    """
    if device.startswith("cuda"):
        return torch.float16 if torch.cuda.get_device_capability(device) < (8, 0) else torch.bfloat16
    if not settings.half_on_cpu:
        return torch.float32
    halves = bfloat16_pays() if earlier is None else earlier.get("bfloat16", True)
    return torch.bfloat16 if halves else torch.float32
