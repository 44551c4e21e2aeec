"""`load_student("call")`: of the networks for calls, the best that this machine can keep up with."""

import logging
import os
import platform
import time
from collections.abc import Callable
from statistics import median
from typing import Protocol, TypeVar

import numpy as np

from kdsharp.deploy.engines.base import threads_at_hand
from kdsharp.disk import checkpoints, files
from kdsharp.errors import KdsharpError
from kdsharp.recipes import enlarged

log = logging.getLogger(__name__)


class Student(Protocol):
    """What of a `Sharpener` is looked at."""

    @property
    def engine(self) -> str: ...

    def __call__(self, image: np.ndarray, /) -> np.ndarray: ...


S = TypeVar("S", bound=Student)

ANY = "call"
# From the best to the fastest, by how much larger the shown frame is than the one that comes.
NETWORKS = {1.0: ("call-m", "call-s", "call-xs"), 1.5: ("call-x1.5",), 3.0: ("call-x3",)}
SHARE = 0.8  # of the time between two frames: decoding and drawing take the rest
STRIPS = 4  # a strip of the frame is timed, and counted so often


def fastest_enough(
    load: Callable[[str], S], size: tuple[int, int], rate: float, shown: tuple[int, int] | None = None
) -> S:
    """The first network that makes `rate` frames a second out of frames of `size` (height, width), else the last.

    `shown` is what is to come out, None the same size. Each takes a tenth of a second or two to time. What was found on
    this processor is kept in the work folder, for as long as the networks stay the same. Raises KdsharpError for sizes
    that no network leads to.
    """
    if min(size) < 1 or not rate > 0:
        raise KdsharpError(
            f"No network makes {rate:g} frames a second of {size[1]}x{size[0]}: give what is wanted."
        )
    networks = _leading_to(size, shown or size)
    place = files.work_dir() / "call.json"
    known = _read(place)
    key = " ".join(map(str, (_processor(), threads_at_hand(), f"{size[1]}x{size[0]}", *map(_made, networks))))
    times: dict[str, float] = known.get(key, {})
    for name in networks:
        student = load(name)
        ready = f"{name} {student.engine}"
        if ready not in times:
            times[ready] = round(_milliseconds(student, size), 1)
            _keep(place, known | {key: times})
        enough = times[ready] <= SHARE * 1000 / rate
        if enough or name == networks[-1]:
            break
    log.info(
        "call: %s, %.0f ms a frame of %dx%d here; %g frames a second leave %.0f (%s)",
        *(name, times[ready], size[1], size[0], rate, 1000 / rate),
        "the best that keeps up" if enough else "too little, and none is faster: take a smaller frame",
    )
    return student


def _leading_to(size: tuple[int, int], shown: tuple[int, int]) -> tuple[str, ...]:
    for factor, names in NETWORKS.items():
        if all(enlarged(side, factor) == wanted for side, wanted in zip(size, shown, strict=True)):
            return names
    factors = ", ".join(f"{factor:g}" for factor in NETWORKS)
    raise KdsharpError(
        f"No network for calls makes {shown[1]}x{shown[0]} of {size[1]}x{size[0]}: they enlarge by {factors}. "
        "Enlarge the frames to what is shown, and leave `shown` out."
    )


def _milliseconds(student: Student, size: tuple[int, int]) -> float:
    """Of a whole frame, by a strip of it: the median of three after a first that prepares."""
    rows = -(-size[0] // STRIPS)
    strip = np.random.default_rng(0).integers(0, 256, (rows, size[1], 3), np.uint8)
    taken = []
    for _ in range(4):
        began = time.perf_counter()
        student(strip)
        taken.append(1000 * (time.perf_counter() - began))
    return median(taken[1:]) * size[0] / rows


def _made(name: str) -> str:
    return checkpoints.digest(checkpoints.find(name))


def _processor() -> str:
    """The kind of processor, and what its kernels are limited to."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as handle:
            kind = next(line.partition(":")[2].strip() for line in handle if line.startswith("model name"))
    except (OSError, StopIteration):
        kind = platform.processor() or platform.machine()
    limits = (os.environ.get(name) for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"))
    return ", ".join([kind, *filter(None, limits)])


def _read(place: os.PathLike) -> dict:
    try:
        known = files.read_json(place)
    except KdsharpError:
        return {}
    return known if isinstance(known, dict) else {}


def _keep(place: os.PathLike, known: dict) -> None:
    try:
        files.write_json(place, known)
    except KdsharpError as error:
        log.info("what was measured is not kept: %s", error)
