"""PyTorch's own ways to run a student: as it is, compiled, and on a GPU as one recorded graph.

On a GPU whole `uint8` frames go up and come down (6 MB each way at 1080p, a quarter of float32), and everything
between stays there in half precision. A CUDA graph replays all of a frame's kernels with one call, which matters when
each takes some microseconds; `stream` lets the copies of one frame run beside the computation of another.
"""

import copy
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from kdsharp.errors import KdsharpError
from kdsharp.student import apply_to_rgb

IN_FLIGHT = 3  # frames of a stream: one on its way up, one in the kernels, one on its way down


def start(network: nn.Module, device: str | None = None, engine: str = "torch") -> "TorchRun | GpuRun":
    """A network in evaluation mode on a device. Raises KdsharpError where the engine cannot be used."""
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if engine == "cuda-graph" and not device.startswith("cuda"):
        raise KdsharpError("The engine 'cuda-graph' needs a GPU: take onnx or openvino on a processor.")
    if device.startswith("cuda"):
        return GpuRun(network, device, engine)
    if engine == "compile" and torch.backends.cpu.get_cpu_capability() == "AVX2":
        raise KdsharpError(
            "The engine 'compile' gives wrong pictures on this processor (PyTorch's code for AVX2 reads beyond its "
            "planes): take onnx or openvino."
        )
    network = network.to(device, memory_format=torch.channels_last)
    return TorchRun(_compiled(network) if engine == "compile" else network, device, network.colour)


def _compiled(network: nn.Module) -> nn.Module:
    """Compiled for each size anew: code for all sizes can take planes for contiguous that are not, and give rubbish.

    See https://github.com/pytorch/pytorch/issues/172693.
    """
    return torch.compile(network, dynamic=False)


@dataclass(frozen=True)
class TorchRun:
    """float32 planes (1, C, H, W) in [0, 1] through a PyTorch network on a processor."""

    network: nn.Module
    device: str
    colour: str

    @torch.inference_mode()
    def __call__(self, planes: np.ndarray) -> np.ndarray:
        return self.network(torch.from_numpy(planes).to(self.device)).cpu().numpy()


class WholeFrame(nn.Module):
    """`uint8` RGB (H, W, 3) to `uint8` RGB (scale H, scale W, 3), all of it in the network's own precision."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, frame: Tensor) -> Tensor:
        planes = frame.permute(2, 0, 1)[None].to(next(self.network.parameters()).dtype) / 255
        result = apply_to_rgb(self.network, planes)
        return (result * 255).round().to(torch.uint8)[0].permute(1, 2, 0).contiguous()


@dataclass
class _Slot:
    """Memory for one frame in flight: pinned on the host, and beside it on the device; `graph` fills `output`."""

    up: Tensor
    input: Tensor
    output: Tensor
    down: Tensor
    graph: "torch.cuda.CUDAGraph | None" = None
    done: "torch.cuda.Event" = field(default_factory=lambda: torch.cuda.Event())


class GpuRun:
    """A student on a GPU, for whole frames: half precision, channels last, `torch`, `compile` or `cuda-graph`.

    Memory is laid out (and the graph recorded) for each size of frame when that size first comes.
    """

    def __init__(self, network: nn.Module, device: str, engine: str) -> None:
        if not torch.cuda.is_available():
            raise KdsharpError(f"There is no GPU for the device '{device}': take the device cpu.")
        self.device, self.colour, self.engine = device, network.colour, engine
        half = copy.deepcopy(network).half().to(device, memory_format=torch.channels_last)
        whole = WholeFrame(half).eval()
        self.compiled = _compiled(whole) if engine == "compile" else whole
        self._slots: dict[tuple[int, ...], list[_Slot]] = {}
        self._streams = [torch.cuda.Stream(device) for _ in range(IN_FLIGHT)]

    def frame(self, image: np.ndarray) -> np.ndarray:
        """`uint8` RGB (H, W, 3) up, through the network, and down."""
        return next(self.stream([image]))

    def stream(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """`uint8` RGB frames of one size, in order; up to three are on their way at a time."""
        waiting: deque[_Slot] = deque()
        for number, image in enumerate(frames):
            slots = self._slots_for(image.shape)
            if len(waiting) == IN_FLIGHT:
                yield self._take(waiting.popleft())
            waiting.append(self._send(slots[number % IN_FLIGHT], image, self._streams[number % IN_FLIGHT]))
        while waiting:
            yield self._take(waiting.popleft())

    @torch.inference_mode()
    def resident(self, frame: Tensor) -> Tensor:
        """The same for a frame that lies on the device already, and whose result stays there."""
        slot = self._slots_for(tuple(frame.shape))[0]
        slot.input.copy_(frame)
        return self._compute(slot)

    @torch.inference_mode()
    def _send(self, slot: _Slot, image: np.ndarray, stream: "torch.cuda.Stream") -> _Slot:
        slot.up.copy_(torch.from_numpy(image))
        with torch.cuda.stream(stream):
            slot.input.copy_(slot.up, non_blocking=True)
            slot.down.copy_(self._compute(slot), non_blocking=True)
            slot.done.record(stream)
        return slot

    def _take(self, slot: _Slot) -> np.ndarray:
        slot.done.synchronize()
        return slot.down.numpy().copy()

    def _compute(self, slot: _Slot) -> Tensor:
        if slot.graph is None:
            return self.compiled(slot.input)
        slot.graph.replay()
        return slot.output

    @torch.inference_mode()
    def _slots_for(self, shape: tuple[int, ...]) -> list[_Slot]:
        if shape not in self._slots:
            self._slots[shape] = [self._slot(shape) for _ in range(IN_FLIGHT)]
        return self._slots[shape]

    def _slot(self, shape: tuple[int, ...]) -> _Slot:
        """Memory for frames of `shape`; the first calls choose kernels, and must not be part of a recording."""
        up = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        given = torch.zeros(shape, dtype=torch.uint8, device=self.device)
        aside = torch.cuda.Stream(self.device)
        aside.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(aside):
            for _ in range(3):
                output = self.compiled(given)
        torch.cuda.current_stream(self.device).wait_stream(aside)
        graph = None
        if self.engine == "cuda-graph":
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                output = self.compiled(given)
        down = torch.empty(output.shape, dtype=torch.uint8, pin_memory=True)
        torch.cuda.synchronize(self.device)
        return _Slot(up, given, output, down, graph)
