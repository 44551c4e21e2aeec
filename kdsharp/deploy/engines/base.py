"""What an engine is, a way to run a student, and which there are by name."""

import copy
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from typing import Any, ClassVar

import cv2
import numpy as np

from kdsharp.data.enlarging import enlarge
from kdsharp.deploy import restraint
from kdsharp.errors import KdsharpError

COLOURS_ONLY = "This student works on colours, not on luma: take call-s, call-m, x2-s or x4-s."
ROWS = 32  # of a frame at a time
_scratch = threading.local()
_ENGINES: dict[str, type["Engine"]] = {}


class Engine:
    """A student on one device. Called with float32 planes (1, C, H, W) in [0, 1] of any size: (1, C, scale H, scale W).

    That call is what a class of engines has to have, beside `colour` (`rgb` or `luma`, C = 3 or 1) and `scale`. All
    else follows from it here, and a class replaces what it can do faster. It starts with what it `wants`:

    - `network`: the student as a PyTorch module in evaluation mode, which knows its colour and scale;
    - `onnx` or `int8`: the path of the exported file, in single precision or with 8-bit convolutions (`OnnxNetwork`
      reads colour and scale out of it).
    """

    name: ClassVar[str] = ""  # given by `register`
    wants: ClassVar[str] = "onnx"
    devices: ClassVar[tuple[str, ...]] = ("cpu",)  # kinds: cpu, cuda
    package: ClassVar[str] = "onnxruntime"  # what has to be installed, as Python imports it
    rank: ClassVar[int] = 100  # lists go from the slowest to the fastest
    usual: ClassVar[bool] = True  # False: used only where it is asked for by name
    scale: float
    colour: str
    restraint: float = 0.0  # of the student, where it is judged here and not by the network itself
    multiple: int = 1  # what the student folds by

    def __init__(self, model: Any, device: str = "cpu") -> None:
        self.model, self.device = model, device
        if self.wants == "network":
            self.colour, self.scale = model.colour, model.scale

    @classmethod
    def at_hand(cls, device: str) -> bool:
        """Whether it is installed and runs on `cpu` or `cuda` here."""
        kind = device.partition(":")[0]
        return kind in cls.devices and find_spec(cls.package) is not None and (kind == "cpu" or has_gpu())

    @classmethod
    def place(cls, _device: str | None) -> str:
        """The device to start on if that one, or None in particular, is asked for. Raises KdsharpError for no way."""
        return cls.devices[0]

    @classmethod
    def precision(cls, _device: str) -> str:
        """What it multiplies on a device, as `kdsharp.speed.roofline` names it."""
        return "int8" if cls.wants == "int8" else "float32"

    @classmethod
    def start(cls, model: Any, device: str) -> "Engine":
        return cls(model, device)

    def __call__(self, planes: np.ndarray) -> np.ndarray:
        raise NotImplementedError(f"The engine '{self.name}' says how it runs a network by `__call__`.")

    def uint8(self, planes: np.ndarray) -> np.ndarray:
        """The same for bytes: `uint8` planes in and out, rounded."""
        output = self.unrestrained()(np.multiply(planes, np.float32(1 / 255), dtype=np.float32))[0]
        # OpenCV's product rounds and saturates.
        sharp = np.stack([cv2.multiply(plane, 255, dtype=cv2.CV_8U) for plane in output])[None]
        return self.restrained(planes, sharp)

    def frame(self, image: np.ndarray) -> np.ndarray:
        """`uint8` RGB (H, W, 3) to (scale H, scale W, 3); the chroma of a student of luma is at most enlarged."""
        if self.colour == "luma":
            return self._frame_by_luma(image)
        return self.uint8(image.transpose(2, 0, 1)[None])[0].transpose(1, 2, 0)

    def luma(self, plane: np.ndarray) -> np.ndarray:
        """`uint8` luma (H, W), full range, to (scale H, scale W). Raises KdsharpError for a student of colours."""
        self._check_luma()
        return self.uint8(plane[None, None])[0, 0]

    def deep(self, image: np.ndarray) -> np.ndarray:
        """`frame` for `uint16` RGB: computed in floats, so that no step of 16 bits is lost."""
        colours = image.astype(np.float32) / 65535
        if self.colour == "luma":
            sharp = self(cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY)[None, None])[0, 0].clip(0, 1)
            if self.scale > 1:
                colours = enlarge(colours, self.scale).clip(0, 1)
            colours = colours + (sharp - cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY))[..., None]
        else:
            colours = self(np.ascontiguousarray(colours.transpose(2, 0, 1))[None])[0].transpose(1, 2, 0)
        return np.rint(colours.clip(0, 1) * 65535).astype(np.uint16)

    def deep_luma(self, plane: np.ndarray) -> np.ndarray:
        """`float32` luma (H, W) in [0, 1] to (scale H, scale W): what `luma` does, without rounding to 8 bits."""
        self._check_luma()
        return self(plane[None, None])[0, 0].clip(0, 1)

    def unrestrained(self) -> "Engine":
        """The same without the student's restraint, for who judges a whole picture that comes in pieces."""
        if not self.restraint:
            return self
        free = copy.copy(self)
        free.restraint = 0.0
        return free

    def restrained(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """The student's answer `after` as its restraint lets it pass; both are planes (1, C, H, W) of one kind."""
        if not self.restraint:
            return after
        share = restraint.passing(before[0], after[0], self.restraint, self.multiple)
        return restraint.blended(before[0], after[0], share)[None]

    def remembering(self) -> "Engine":
        """The same for one stream of `uint8` frames: what has not changed since the last is not computed again.

        Each frame comes out as by itself, to the bit. The engine itself where it knows no way.
        """
        return self

    def stream(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """`frame` of one after another, all of one size."""
        return map(self.remembering().frame, frames)

    def alone(self, frame: np.ndarray) -> Callable[[], object]:
        """The network's part of `frame` alone, on what already lies on the device: a call for a stopwatch."""
        planes = self.random_planes(frame)
        return lambda: self(planes)

    def random_planes(self, frame: np.ndarray) -> np.ndarray:
        """Planes of the student's colour, as large as `frame`."""
        shape = (1, 1 if self.colour == "luma" else 3, *frame.shape[:2])
        return np.random.default_rng(0).random(shape, dtype=np.float32)

    def _check_luma(self) -> None:
        if self.colour != "luma":
            raise KdsharpError(COLOURS_ONLY)

    def _frame_by_luma(self, image: np.ndarray) -> np.ndarray:
        """One grey conversion in, and the change of luma added to red, green and blue."""
        luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY, dst=_buffer("luma", image.shape[:2]))
        sharp = self.uint8(luma[None, None])[0, 0]
        if self.scale > 1:
            image = enlarge(image, self.scale)
            luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY, dst=_buffer("luma", sharp.shape))
        return _with_luma(image, luma, sharp)


def _with_luma(image: np.ndarray, luma: np.ndarray, sharp: np.ndarray) -> np.ndarray:
    """`uint8` RGB whose luma is `sharp` instead of `luma`, saturated.

    The positive and the negative part of the change are two 8-bit pictures: in 16 bits the same takes twice as long.
    A few rows at a time stay in the processor's cache from one step to the next.
    """
    result = np.empty(image.shape, np.uint8)  # whatever the layout of the image
    part, three = _buffer("part", (ROWS, image.shape[1])), _buffer("three", (ROWS, *image.shape[1:]))
    for top in range(0, len(image), ROWS):
        rows = slice(top, top + ROWS)
        before, after, out = luma[rows], sharp[rows], result[rows]
        some, colours = part[: len(out)], three[: len(out)]
        cv2.cvtColor(cv2.subtract(after, before, dst=some), cv2.COLOR_GRAY2RGB, dst=colours)
        cv2.add(image[rows], colours, dst=out)
        cv2.cvtColor(cv2.subtract(before, after, dst=some), cv2.COLOR_GRAY2RGB, dst=colours)
        cv2.subtract(out, colours, dst=out)
    return result


def register(name: str) -> Callable[[type[Engine]], type[Engine]]:
    """A decorator that makes a class of engines known by `name`. Raises KdsharpError if another one has it."""

    def add(engine: type[Engine]) -> type[Engine]:
        if name in _ENGINES:
            raise KdsharpError(f"There is an engine '{name}' already: choose another name.")
        engine.name = name
        _ENGINES[name] = engine
        return engine

    return add


def all_engines() -> list[type[Engine]]:
    """All that are registered, by rank."""
    return sorted(_ENGINES.values(), key=lambda engine: engine.rank)


def find_engine(name: str) -> type[Engine]:
    """The engine of that name. Raises KdsharpError if there is none."""
    if name not in _ENGINES:
        names = ", ".join(engine.name for engine in all_engines())
        raise KdsharpError(f"There is no engine '{name}'; choose one of {names}.")
    return _ENGINES[name]


def has_gpu() -> bool:
    """Whether PyTorch sees a GPU; False where it is not installed."""
    if find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def threads_at_hand() -> int:
    """OMP_NUM_THREADS where it is set, as PyTorch has it, else the processors that this process may use.

    Of a list (`4,2`, as OpenMP has it for loops within loops) the first number counts.
    """
    if value := os.environ.get("OMP_NUM_THREADS"):
        return int(value.split(",")[0])
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def without_restraint(network: Any) -> Any:
    """A copy that never leaves a picture alone; the network itself where it has no restraint."""
    if not getattr(network, "restraint", None):
        return network
    free = copy.deepcopy(network)
    free.restraint = None
    return free


def _buffer(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """`uint8` scratch memory of this thread: the system needs a millisecond to hand out a fresh 1080p picture."""
    kept = vars(_scratch)
    if name not in kept or kept[name].shape != shape:
        kept[name] = np.empty(shape, np.uint8)
    return kept[name]
