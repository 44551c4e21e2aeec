"""Frames per second at 1080p: what a user gets, whole frames in and out, on what this machine has.

Every figure means an output of 1920x1080, one frame at a time, after a warm-up. The median is quoted, and beside it the
95th percentile: what stutters.
"""

import copy
import statistics
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from kdsharp import deploy, evaluate
from kdsharp.deploy import Sharpener, export
from kdsharp.deploy.engines.torch import forward
from kdsharp.disk import files
from kdsharp.recipes import Network, shrunk
from kdsharp.speed import rivals
from kdsharp.speed.clock import in_turns, percentile, time_call
from kdsharp.speed.roofline import has_known_work, precision_of, raised, rate
from kdsharp.speed.work import HEIGHT, WIDTH, multiply_adds
from kdsharp.student import CHANNELS, build
from kdsharp.teacher import load_teacher

CLASSIC = "classic"
CALL_SHRINK = 2  # the teacher of a call gets the frame at half the size
Jobs = dict[tuple[str, ...], Callable[[], object]]


def measure(
    students: list[str],
    engines: list[str] | None = None,
    repeats: int = 20,
    teacher: str | None = None,
    size: tuple[int, int] = (HEIGHT, WIDTH),
    rivals: list[str] | None = None,
    ceilings: dict[str, float] | None = None,
    devices: list[str] | None = None,
) -> list[dict]:
    """One row per network, engine and kind: `end to end` (uint8 frame in and out) and `network`.

    `network` takes what already lies on the device and leaves the result there: planes on a processor, a whole `uint8`
    frame on a GPU, so that there the difference between the two shows what the copies cost.

    Args:
        students: published names or files; `engines`: those of `deploy.load_student`, PyTorch's own also on a GPU
            where there is one, all networks alike: in half precision, whole frames.
        teacher: also time this teacher end to end, three frames only, because it is slow.
        size: (height, width) of the output.
        rivals: names of `rivals.RIVALS`, as `network` only, and `classic` for bicubic resizing and unsharp mask.
        devices: `cpu`, `cuda`; None takes all that there are.
        ceilings: those of `roofline.ceilings` for the processor; `share` is taken of them as `raised` by these rows.

    Rows have the keys network, engine, device, what, output (as 1920x1080), ms (median), p95_ms, fps, multiply_adds
    (billions a frame; None where there is no network of ours) and share (of the ceiling in the engine's precision, of
    the network alone; None where there is no such ceiling). Jobs that take seconds are repeated three times only.
    Raises KdsharpError for an unknown student, engine or teacher, and for less than one repeat.
    """
    engines = engines or ["torch", "onnx"]
    devices = devices or ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])
    jobs: Jobs = {}
    for name in students:
        for engine in engines:
            for device in _devices_of(engine, devices):
                jobs |= _jobs_of(name, deploy.load_student(name, device, engine), size)
    for name in rivals or []:
        jobs |= _classic_jobs(size) if name == CLASSIC else _rival_jobs(name, engines, devices, size)
    times = in_turns(jobs, repeats, warmup=3)
    if teacher:
        guide = load_teacher(teacher, devices[-1])
        small = _frame(size[0] // CALL_SHRINK, size[1] // CALL_SHRINK)
        key = (f"{teacher} (on {small.shape[1]}x{small.shape[0]})", "torch", devices[-1], "end to end")
        times |= in_turns({key: lambda: guide.on_picture(small)}, repeats=min(3, repeats), warmup=0)
    work = {name: multiply_adds(name, size) for name in (*students, *(rivals or [])) if name != CLASSIC}
    rows = [_row(key, taken, size, work.get(key[0])) for key, taken in times.items()]
    peaks = raised(ceilings or {}, rows)
    for row in rows:
        peak = peaks.get(precision_of(row["engine"], row["device"])) if has_known_work(row) else None
        row["share"] = round(rate(row) / peak, 3) if peak else None
    return rows


def predict(network: nn.Module | Network) -> float:
    """Milliseconds that a network alone would take for one frame of 1080p, from a quarter of the frame times four.

    For choosing while a slider moves: `measure` is what counts. It is timed with PyTorch on the network's device; one
    that is given by its settings is built on the processor.
    """
    if isinstance(network, Network):
        network = build(network).eval()
    if next(network.parameters()).is_cuda:  # as on a GPU of `deploy`
        network = copy.deepcopy(network).half()
    planes = CHANNELS[getattr(network, "colour", "rgb")]
    quarter = [shrunk(edge, 2 * network.scale) // 8 * 8 for edge in (HEIGHT, WIDTH)]
    frame = np.random.default_rng(0).random((1, planes, *quarter), dtype=np.float32)
    share = quarter[0] * quarter[1] * network.scale**2 / (HEIGHT * WIDTH)
    return time_call(forward(network, frame), repeats=3, warmup=1) / share


def _row(key: tuple[str, ...], taken: list[float], size: tuple[int, int], count: float | None) -> dict:
    ms = statistics.median(taken)
    row = dict(zip(("network", "engine", "device", "what"), key, strict=True))
    row |= {"output": f"{size[1]}x{size[0]}", "ms": round(ms, 3), "p95_ms": round(percentile(taken, 95), 3)}
    return row | {"fps": round(1000 / ms, 2), "multiply_adds": count}


def _jobs_of(name: str, student: Sharpener, size: tuple[int, int]) -> Jobs:
    frame = _frame(*(shrunk(side, student.scale) for side in size))
    key = (name, student.engine, student.device)
    return {
        (*key, "end to end"): lambda: student(frame),
        (*key, "network"): student.run.alone(frame),
    }


def _classic_jobs(size: tuple[int, int]) -> Jobs:
    """What needs no network: OpenCV's bicubic enlargement by 2, and an unsharp mask."""
    frame, small = _frame(*size), _frame(size[0] // 2, size[1] // 2)
    return {
        ("bicubic x2", "opencv", "cpu", "end to end"): lambda: cv2.resize(
            small, size[::-1], interpolation=cv2.INTER_CUBIC
        ),
        ("unsharp mask", "opencv", "cpu", "end to end"): lambda: evaluate.unsharp(frame),
    }


def _rival_jobs(name: str, engines: list[str], devices: list[str], size: tuple[int, int]) -> Jobs:
    """A published network of others, without its frame path, in the engines that we use ourselves."""
    network = rivals.build(name)
    frame = _frame(*(shrunk(side, network.scale) for side in size))
    jobs: Jobs = {}
    for engine in engines:
        kind = deploy.find_engine(engine)
        if kind.wants == "int8" or not kind.usual:
            continue  # random weights say nothing about what rounding would cost
        for device in _devices_of(engine, devices):
            model = copy.deepcopy(network) if kind.wants == "network" else _exported(name, network)
            jobs[name, engine, device, "network"] = kind.start(model, kind.place(device)).alone(frame)
    return jobs


def _exported(name: str, network: nn.Module) -> Path:
    path = files.work_dir() / "onnx" / f"{name.replace(' ', '-')}.onnx"
    return path if path.exists() else export.to_onnx(network, path)


def _devices_of(engine: str, devices: list[str]) -> list[str]:
    """On which of the devices an engine runs; one that needs a GPU says so itself where there is none."""
    known = deploy.find_engine(engine).devices
    return [device for device in devices if device in known] or [known[0]]


def _frame(height: int, width: int) -> np.ndarray:
    """Random pixels: the time of a plain convolution does not depend on what the picture shows."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
