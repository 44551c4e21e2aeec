"""PyTorch's own ways to run a student: as it is, compiled, and on a GPU (`gpu`) also as one recorded graph.

PyTorch takes seconds to import, and the other engines need none of it: here it is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from kdsharp.deploy.engines.base import Engine, register, without_restraint
from kdsharp.errors import KdsharpError, naming_the_extra

if TYPE_CHECKING:
    from torch import nn


@register("torch")
class TorchNetwork(Engine):
    """A PyTorch network on a processor; on a GPU it starts as a `GpuNetwork`."""

    wants, devices, package, rank = "network", ("cpu", "cuda"), "torch", 0

    @classmethod
    def place(cls, device: str | None) -> str:
        with naming_the_extra(f"The engine '{cls.name}' needs"):
            import torch
        gpu = torch.cuda.is_available()
        device = device or ("cuda" if gpu else "cpu")
        if "cpu" not in cls.devices and not device.startswith("cuda"):
            raise KdsharpError(f"The engine '{cls.name}' needs a GPU: take onnx or openvino on a processor.")
        if device.startswith("cuda") and not gpu:
            raise KdsharpError(f"There is no GPU for the device '{device}': take the device cpu.")
        return device

    @classmethod
    def precision(cls, device: str) -> str:
        return "float16" if device.startswith("cuda") else "float32"

    @classmethod
    def start(cls, model: nn.Module, device: str) -> Engine:
        if not device.startswith("cuda"):
            return cls(model, device)
        from kdsharp.deploy.engines.gpu import GpuNetwork

        return GpuNetwork(model, device, cls.name)

    def __init__(self, network: nn.Module, device: str = "cpu") -> None:
        import torch

        super().__init__(network, device)
        self.network = without_restraint(network).to(device, memory_format=torch.channels_last)
        if held := getattr(network, "restraint", None):
            self.restraint, self.multiple = held.full, network.multiple

    def __call__(self, planes: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            output = self.network(torch.from_numpy(planes).to(self.device)).cpu().numpy()
        return self.restrained(planes, output)

    def alone(self, frame: np.ndarray) -> Callable[[], object]:
        return forward(self.network, self.random_planes(frame))


@register("compile")
class CompiledNetwork(TorchNetwork):
    """By torch.compile, which takes half a minute for each size of frame.

    Code for all sizes would take planes for contiguous that are not, and give rubbish: see
    https://github.com/pytorch/pytorch/issues/172693.
    """

    rank, usual = 5, False

    def __init__(self, network: nn.Module, device: str = "cpu") -> None:
        import torch

        if torch.backends.cpu.get_cpu_capability() == "AVX2":
            raise KdsharpError(
                "The engine 'compile' gives wrong pictures on this processor (PyTorch's code for AVX2 reads beyond its "
                "planes): take onnx or openvino."
            )
        super().__init__(network, device)
        self.network = torch.compile(self.network, dynamic=False)


@register("cuda-graph")
class CudaGraph(TorchNetwork):
    """All of a frame's kernels on a GPU, replayed with one call."""

    devices, rank = ("cuda",), 50


def forward(network: nn.Module, planes: np.ndarray) -> Callable[[], None]:
    """A call of a network on planes that already lie on its device, in its own precision; it waits for the result."""
    import torch

    weights = next(network.parameters())
    tensor = torch.from_numpy(planes).to(weights.device, weights.dtype)

    @torch.inference_mode()
    def run() -> None:
        network(tensor)
        if weights.is_cuda:
            torch.cuda.synchronize()

    return run
