"""A camera's pictures through a student into a virtual camera, which calls and recorders offer like any other.

A thread of its own reads the camera. Of the pictures that come while the student works only the newest is kept, so that
a slow machine shows fewer of them, and none that is old.
"""

import contextlib
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from tqdm.auto import tqdm

from kdsharp.apps.pictures import blended
from kdsharp.deploy.sharpen import Sharpener, check_strength
from kdsharp.errors import KdsharpError, first_line, naming_the_extra

log = logging.getLogger(__name__)

PATIENCE = 20.0  # seconds without a picture; some cameras take ten to start
MOST_TIMES = 10_000  # of which the median is taken: the last five minutes
MAKE_ONE = {
    "linux": "`sudo modprobe v4l2loopback exclusive_caps=1` makes one (Debian and Ubuntu: package v4l2loopback-dkms)",
    "darwin": "install OBS (30 or newer), start its virtual camera once, and close it",
    "win32": "install OBS, which brings one",
}  # fmt: skip


class Sink(Protocol):
    """What of `pyvirtualcam.Camera` is used."""

    def send(self, frame: np.ndarray, /) -> None: ...


class Arrived(NamedTuple):
    """A picture, `uint8` RGB (H, W, 3), when it came (`time.perf_counter`), and how many had come before it."""

    frame: np.ndarray
    when: float
    number: int


@dataclass
class Report:
    """How it went: pictures sent, and dropped because a newer one was there; seconds; of the last, milliseconds each
    from its arrival until it was sent."""

    sent: int = 0
    dropped: int = 0
    seconds: float = 0.0
    times: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_TIMES))

    def __str__(self) -> str:
        if not self.sent:
            return "no picture was sent"
        rate = self.sent / max(self.seconds, 1e-9)
        return (
            f"{self.sent} pictures in {self.seconds:.1f} s, {rate:.1f} a second, each {median(self.times):.0f} ms "
            f"after it came from the camera (median); {self.dropped} dropped for newer ones"
        )


def run(
    frames: Iterable[np.ndarray],
    load: Callable[[tuple[int, int]], Sharpener],
    open_sink: Callable[[tuple[int, int]], contextlib.AbstractContextManager[Sink]],
    strength: float = 1.0,
) -> Report:
    """Sharpen a camera's pictures into a virtual camera until they end or Ctrl-C; says how it went, and returns it.

    Args:
        frames: `uint8` RGB (H, W, 3), all of one size: `frames_of`.
        load: gives the student for pictures of (height, width).
        open_sink: gives the virtual camera for pictures of (height, width): `virtual`.
        strength: 0 to 1, blends with what the camera gives.

    Raises KdsharpError if no picture comes for `PATIENCE` seconds or their size changes, and what the parts raise.
    """
    check_strength(strength)
    with contextlib.closing(newest(frames)) as arriving:
        first = next(arriving, None)
        if first is None:
            raise KdsharpError("The camera gives no picture: is it covered, or used by another program?")
        student = load(first.frame.shape[:2]).remembering()
        size = student(first.frame).shape[:2]  # engines prepare themselves at the first picture
        with open_sink(size) as sink:
            return relay(arriving, student, sink, strength)


def relay(arriving: Iterator[Arrived], student: Sharpener, sink: Sink, strength: float = 1.0) -> Report:
    """Sharpen and send one picture after another until they end or Ctrl-C; says how it went, and returns it."""
    report, size, before = Report(), None, None
    began = time.perf_counter()
    try:
        with tqdm(unit="picture") as progress:
            for frame, when, number in arriving:
                if size not in (None, frame.shape):
                    raise KdsharpError(
                        f"The camera changes from {size[1]}x{size[0]} to {frame.shape[1]}x{frame.shape[0]} pixels: "
                        "start again with the size that it is to keep."
                    )
                size = frame.shape
                sharp = blended(frame, student(frame), student.scale, strength)
                sink.send(np.ascontiguousarray(sharp))
                report.sent += 1
                report.times.append(1000 * (time.perf_counter() - when))
                report.dropped += 0 if before is None else number - before - 1
                before = number
                progress.set_postfix(ms=round(report.times[-1]), dropped=report.dropped, refresh=False)
                progress.update()
    except KeyboardInterrupt:
        pass
    finally:
        report.seconds = time.perf_counter() - began
        log.info("%s", report)
    return report


def newest(frames: Iterable[np.ndarray], patience: float = PATIENCE) -> Iterator[Arrived]:
    """The frames as they come, read by a thread; of those that come while one is used only the newest.

    What reading raises is raised here. Raises KdsharpError if none comes for `patience` seconds.
    """
    changed, slot, ended, stopped = threading.Condition(), deque(maxlen=1), [], threading.Event()

    def read() -> None:
        error = None
        try:
            for number, frame in enumerate(frames):
                with changed:
                    slot.append(Arrived(frame, time.perf_counter(), number))
                    changed.notify()
                if stopped.is_set():
                    break
        except Exception as raised:  # whatever it is, it is raised where frames are used
            error = raised
        finally:  # by the thread that read: a camera that is closed while it is read may end the program
            if hasattr(frames, "close"):
                frames.close()
            with changed:
                ended.append(error)
                changed.notify()

    reader = threading.Thread(target=read, daemon=True)  # one that hangs keeps nobody from leaving
    reader.start()
    try:
        while True:
            with changed:
                if not changed.wait_for(lambda: slot or ended, patience):
                    raise KdsharpError(
                        f"The camera has given no picture for {patience:g} seconds: plug it in again, or see "
                        "whether another program uses it."
                    )
                if not slot:
                    if ended[0]:
                        raise ended[0]
                    return
                arrived = slot.pop()
            yield arrived
    finally:
        stopped.set()
        reader.join(timeout=2)


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
