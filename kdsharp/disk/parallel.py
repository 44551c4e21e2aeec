"""More than one process: `accelerate launch --multi_gpu -m kdsharp targets|train`, or `torchrun -m kdsharp ...`.

Launchers say in the environment how many processes there are (WORLD_SIZE) and which of them one is (RANK);
without a launcher there is a single process, and nothing here does anything.
"""

import atexit
import logging
import os
from collections.abc import Callable

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from kdsharp.errors import KdsharpError

log = logging.getLogger(__name__)

# A process that has touched a GPU cannot be split into several any more: looking whether there is one must not do that.
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")


def in_notebook(work: Callable[[], None]) -> bool:
    """Call `work` in one process for each GPU where there are several (Kaggle: two T4); returns whether it did.

    With one GPU or none it does nothing, and the notebook's next cells do the work; so they do, after a word in the
    log, where this kernel has already used a GPU. Needs accelerate, which Colab and Kaggle have.
    """
    count = torch.cuda.device_count()
    if count < 2:
        return False
    if torch.cuda.is_initialized():
        log.warning(
            "one of %d GPUs is used: restart the kernel and run the notebook from the top for all", count
        )
        return False
    from accelerate import notebook_launcher

    notebook_launcher(work, num_processes=count)
    return True


def world() -> int:
    """How many processes work together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Which of them this one is, from 0; process 0 writes and speaks."""
    return int(os.environ.get("RANK", "0"))


def device(wanted: str) -> str:
    """The device of this process: where several share a machine's GPUs, `cuda` becomes `cuda:LOCAL_RANK`.

    Raises KdsharpError for a GPU that is not there.
    """
    if wanted.startswith("cuda") and (torch.device(wanted).index or 0) >= torch.cuda.device_count():
        raise KdsharpError(f"There is no GPU '{wanted}' here: use 'cpu' (on Colab, choose a GPU runtime).")
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
