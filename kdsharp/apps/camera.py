"""A camera's pictures through a student into a virtual camera, which calls and recorders offer like any other.

A thread of its own reads the camera. Of the pictures that come while the student works only the newest is kept, so that
a slow machine shows fewer of them, and none that is old.
"""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple, Protocol

import numpy as np
from tqdm.auto import tqdm

from kdsharp.apps.pictures import blended
from kdsharp.deploy.sharpen import Sharpener, check_strength
from kdsharp.errors import KdsharpError

log = logging.getLogger(__name__)

PATIENCE = 20.0  # seconds without a picture; some cameras take ten to start
MOST_TIMES = 10_000  # of which the median is taken: the last five minutes


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
        frames: `uint8` RGB (H, W, 3), all of one size: `devices.frames_of`.
        load: gives the student for pictures of (height, width).
        open_sink: gives the virtual camera for pictures of (height, width): `devices.virtual`.
        strength: 0 to 1, blends with what the camera gives.

    Raises KdsharpError if no picture comes for `PATIENCE` seconds or their size changes, and what the parts raise.
    """
    check_strength(strength)
    with contextlib.closing(newest(frames)) as arriving:
        first = next(arriving, None)
        if first is None:
            raise KdsharpError("The camera gives no picture: is it used by another program?")
        student = load(first.frame.shape[:2]).remembering()
        size = student(first.frame).shape[:2]  # engines prepare themselves at the first picture
        with open_sink(size) as sink:
            return _relay(arriving, student, sink, first.frame.shape, strength)


def _relay(
    arriving: Iterator[Arrived], student: Sharpener, sink: Sink, size: tuple[int, ...], strength: float
) -> Report:
    report, before = Report(), None
    began = time.perf_counter()
    try:
        with tqdm(unit="picture") as progress:
            for frame, when, number in arriving:
                if frame.shape != size:
                    raise KdsharpError(
                        f"The camera changes from {size[1]}x{size[0]} to {frame.shape[1]}x{frame.shape[0]} pixels: "
                        "start again with the size that it is to keep."
                    )
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
