"""More than one process: `accelerate launch -m kdsharp targets|train`, or notebook_launcher on two GPUs.

The launcher says in the environment how many processes there are; without one there is a single process, and
accelerate is not even imported.
"""

import os
from typing import TYPE_CHECKING

from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from kdsharp.errors import KdsharpError

if TYPE_CHECKING:
    from accelerate import PartialState


def world() -> int:
    """How many processes work together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Which of them this one is, from 0; process 0 writes and speaks."""
    return int(os.environ.get("RANK", "0"))


def device(wanted: str) -> str:
    """The device of this process: where each has a GPU of its own, `cuda` becomes `cuda:LOCAL_RANK`."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if wanted == "cuda" and world() > 1 else wanted


def wait() -> None:
    """Until all processes are here."""
    if world() > 1:
        state().wait_for_everyone()


def wrap(module: nn.Module) -> nn.Module:
    """The module with gradients averaged over the processes; as it is, where there is only one."""
    if world() == 1:
        return module
    state()
    return DistributedDataParallel(module)


def mean(value: Tensor) -> float:
    """A scalar's mean over the processes."""
    shared = value.detach().clone()
    if world() > 1:
        distributed.all_reduce(shared)
    return shared.item() / world()


def state() -> "PartialState":
    """The process group, formed at the first call (NCCL on GPUs, gloo on CPUs)."""
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise KdsharpError("Several processes need accelerate: `pip install accelerate`.") from error
    return PartialState(cpu=os.environ.get("ACCELERATE_USE_CPU", "false").lower() == "true")
