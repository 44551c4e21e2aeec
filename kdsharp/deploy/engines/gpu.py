"""A student on a GPU by PyTorch: plain, compiled, or as one recorded graph.

Whole `uint8` frames go up and come down (6 MB each way at 1080p, a quarter of float32), and everything between stays
there in half precision. A CUDA graph replays all of a frame's kernels with one call, which matters when each takes
some microseconds; `stream` lets the copies of one frame run beside the computation of another.
"""

import copy
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from kdsharp.data.enlarging import enlarge
from kdsharp.deploy.engines.base import Engine, without_restraint
from kdsharp.errors import KdsharpError
from kdsharp.student import apply_to_rgb

IN_FLIGHT = 3  # frames of a stream: one on its way up, one in the kernels, one on its way down


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


class GpuNetwork(Engine):
    """A student on a GPU, for whole frames: half precision, channels last, by `torch`, `compile` or `cuda-graph`.

    Memory is laid out (and the graph recorded) for each size of frame when that size first comes. Another `dtype` or
    `layout` is for measurements of what these two are worth.
    """

    wants = "network"

    def __init__(
        self,
        network: nn.Module,
        device: str,
        name: str,
        dtype: torch.dtype = torch.float16,
        layout: torch.memory_format = torch.channels_last,
    ) -> None:
        super().__init__(network, device)
        self.name = name
        whole = WholeFrame(copy.deepcopy(network).to(device, dtype, memory_format=layout)).eval()
        # For each size anew, see `torch.CompiledNetwork`.
        self._whole = torch.compile(whole, dynamic=False) if name == "compile" else whole
        self._slots: dict[tuple[int, ...], list[_Slot]] = {}
        self._streams = [torch.cuda.Stream(device) for _ in range(IN_FLIGHT)]
        if held := getattr(network, "restraint", None):
            self.restraint, self.multiple = held.full, network.multiple

    def unrestrained(self) -> "GpuNetwork":
        """Another one: here the network judges by itself, before a frame comes down."""
        return GpuNetwork(without_restraint(self.model), self.device, self.name) if self.restraint else self

    def frame(self, image: np.ndarray) -> np.ndarray:
        """Up, through the network, and down."""
        return next(self.stream([image]))

    def luma(self, plane: np.ndarray) -> np.ndarray:
        """As a grey frame, also for a student of colours."""
        grey = np.repeat(plane[..., None], 3, axis=2)
        return np.ascontiguousarray(self.frame(grey)[..., 0])

    def deep(self, image: np.ndarray) -> np.ndarray:
        """Raises KdsharpError: the frames are bytes."""
        raise KdsharpError("A GPU's engines take 8 bits: give --engine onnx for pictures of 16.")

    def deep_luma(self, plane: np.ndarray) -> np.ndarray:
        """The frames are bytes: the change that they undergo is added to the finer plane."""
        coarse = np.rint(255 * plane).astype(np.uint8)
        sharp = self.luma(coarse)
        if self.scale > 1:
            plane, coarse = (enlarge(x, self.scale) for x in (plane, coarse))
        return (plane + (sharp.astype(np.float32) - coarse) / 255).clip(0, 1)

    def stream(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """In order; up to three are on their way at a time."""
        waiting: deque[_Slot] = deque()
        for number, image in enumerate(frames):
            slots = self._slots_for(image.shape)
            if len(waiting) == IN_FLIGHT:
                yield self._take(waiting.popleft())
            waiting.append(self._send(slots[number % IN_FLIGHT], image, self._streams[number % IN_FLIGHT]))
        while waiting:
            yield self._take(waiting.popleft())

    def alone(self, frame: np.ndarray) -> Callable[[], object]:
        """A whole frame, so that beside `frame` it shows what the copies cost."""
        there = torch.from_numpy(frame).to(self.device)

        def run() -> None:
            self.resident(there)
            torch.cuda.synchronize()

        return run

    @torch.inference_mode()
    def resident(self, frame: Tensor) -> Tensor:
        """`frame` for one that lies on the device already, and whose result stays there."""
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
            return self._whole(slot.input)
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
                output = self._whole(given)
        torch.cuda.current_stream(self.device).wait_stream(aside)
        graph = None
        if self.name == "cuda-graph":
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                output = self._whole(given)
        down = torch.empty(output.shape, dtype=torch.uint8, pin_memory=True)
        torch.cuda.synchronize(self.device)
        return _Slot(up, given, output, down, graph)
