"""More than one process: `accelerate launch --multi_gpu -m kdsharp targets|train`, or `torchrun -m kdsharp ...`.

Both launchers say in the environment how many processes there are (WORLD_SIZE) and which of them one is (RANK);
without a launcher there is a single process, and nothing here does anything.
"""

import atexit
import os

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


def world() -> int:
    """How many processes work together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Which of them this one is, from 0; process 0 writes and speaks."""
    return int(os.environ.get("RANK", "0"))


def device(wanted: str) -> str:
    """The device of this process: where several share a machine's GPUs, `cuda` becomes `cuda:LOCAL_RANK`."""
    if wanted != "cuda" or world() == 1:
        return wanted
    torch.cuda.set_device(local := int(os.environ.get("LOCAL_RANK", "0")))
    return f"cuda:{local}"


def wait() -> None:
    """Until all processes are here."""
    if world() > 1:
        _join()
        distributed.barrier()


def wrap(module: nn.Module) -> nn.Module:
    """The module with gradients averaged over the processes; as it is, where there is only one."""
    if world() == 1:
        return module
    _join()
    return DistributedDataParallel(module)


def mean(value: Tensor) -> float:
    """A scalar's mean over the processes."""
    shared = value.detach().clone()
    if world() > 1:
        _join()
        distributed.all_reduce(shared)
    return shared.item() / world()


def _join() -> None:
    """Form the process group at the first call: NCCL for what lies on GPUs, gloo for the rest."""
    if not distributed.is_initialized():
        distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        atexit.register(distributed.destroy_process_group)
