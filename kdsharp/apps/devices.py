"""Cameras: real ones, by OpenCV; virtual ones that other programs see, by pyvirtualcam (the extra `camera`)."""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kdsharp.errors import KdsharpError, first_line, naming_the_extra

log = logging.getLogger(__name__)

MAKE_ONE = {
    "linux": "`sudo modprobe v4l2loopback exclusive_caps=1` makes one (Debian and Ubuntu: package v4l2loopback-dkms)",
    "darwin": "install OBS (30 or newer), start its virtual camera once, and close it",
    "win32": "install OBS, which brings one",
}  # fmt: skip


def frames_of(name: str, size: tuple[int, int] | None = None, rate: float = 30.0) -> Iterator[np.ndarray]:
    """The pictures of a camera (its number, or path), an address (http, rtsp) or a video file, which plays at its rate.

    Yields `uint8` RGB (H, W, 3) with even sides. A camera is asked for `size` (width, height) and `rate`, and gives
    what it can. Raises KdsharpError if it cannot be opened or, being no file, ends.
    """
    is_file = Path(name).is_file()
    if not (name.isdecimal() or "://" in name or Path(name).exists()):
        raise KdsharpError(
            f"There is no camera or file {name}: give a number (0, 1, ...), a path or an address."
        )
    with _silently():
        capture = cv2.VideoCapture(int(name) if name.isdecimal() else name)
    try:
        if not capture.isOpened():
            raise KdsharpError(
                f"The camera {name} cannot be opened: plug it in, close other programs that use it, or give the "
                "number of another."
            )
        if not is_file:
            _ask(capture, size, rate)
        yield from _frames(capture, name, 1 / (capture.get(cv2.CAP_PROP_FPS) or rate) if is_file else 0)
    finally:
        capture.release()


@contextlib.contextmanager
def virtual(size: tuple[int, int], rate: float = 30.0, name: str | None = None) -> Iterator[Any]:
    """A virtual camera for pictures of (height, width): v4l2loopback on Linux, that of OBS on Windows and macOS.

    `name` is one of several, as `/dev/video10`. Raises KdsharpError if there is none, or pyvirtualcam is missing.
    """
    try:
        opened = pyvirtualcam().Camera(size[1], size[0], rate, device=name)
    except RuntimeError as error:
        why = first_line(error).rpartition("backend: ")[2].partition(". ")[0].rstrip(".")
        raise KdsharpError(f"No virtual camera can be opened ({why}): {MAKE_ONE[sys.platform]}.") from error
    with opened:
        log.info("%s shows %dx%d; Ctrl-C ends it", opened.device, *size[::-1])
        yield opened


def pyvirtualcam() -> Any:
    """The package pyvirtualcam. Raises KdsharpError where it is not installed."""
    with naming_the_extra("A virtual camera needs"):
        import pyvirtualcam
    return pyvirtualcam


def _ask(capture: cv2.VideoCapture, size: tuple[int, int] | None, rate: float) -> None:
    # Over USB 2 most cameras reach 30 a second of more than 640x480 as JPEGs only. What one cannot do it passes over.
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    if size:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    capture.set(cv2.CAP_PROP_FPS, rate)


def _frames(capture: cv2.VideoCapture, name: str, apart: float) -> Iterator[np.ndarray]:
    """The pictures until there are no more; `apart` is the time between two of a file, in seconds, or 0."""
    due = time.perf_counter()
    while True:
        there, frame = capture.read()
        if not there and apart:
            return
        if not there or frame is None or frame.ndim != 3 or frame.shape[2] != 3 or min(frame.shape[:2]) < 2:
            raise KdsharpError(
                f"The camera {name} gives no more pictures: is it unplugged, or used by another program?"
            )
        due = max(due + apart, time.perf_counter() - apart)
        time.sleep(max(0.0, due - time.perf_counter()))
        height, width = (side // 2 * 2 for side in frame.shape[:2])  # virtual cameras halve their colours
        yield cv2.cvtColor(frame[:height, :width], cv2.COLOR_BGR2RGB)


@contextlib.contextmanager
def _silently() -> Iterator[None]:
    """Within, OpenCV says nothing: it names every way of opening a camera that did not work."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
