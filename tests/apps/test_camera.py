"""A camera into a virtual one: every picture exact, none that is old, and a sentence for all that may be missing."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from kdsharp.apps import camera, devices
from kdsharp.apps.cli import main
from kdsharp.deploy import Sharpener
from kdsharp.errors import KdsharpError

COUNT = 12


class Sink:
    """Keeps what is sent, as a virtual camera would show it."""

    def __init__(self, during: Callable[[], object] = lambda: None) -> None:
        self.sent: list[np.ndarray] = []
        self.during, self.closed = during, False

    def send(self, frame: np.ndarray) -> None:
        self.during()
        self.sent.append(frame.copy())

    @contextmanager
    def opened(self, size: tuple[int, int]) -> Iterator["Sink"]:
        self.size = size
        yield self
        self.closed = True


class Doubles:
    """A student that enlarges by two, and says what it was given."""

    scale = 2.0

    def __init__(self, seconds: float = 0.0) -> None:
        self.given: list[int] = []
        self.seconds = seconds

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        self.given.append(int(frame[0, 0, 0]))
        time.sleep(self.seconds)
        return frame.repeat(2, axis=0).repeat(2, axis=1)

    def remembering(self) -> "Doubles":
        return self


def numbered(count: int = COUNT, seconds: float = 0.0) -> Iterator[np.ndarray]:
    for number in range(count):
        time.sleep(seconds)
        yield np.full((8, 12, 3), number, np.uint8)


class InStep:
    """A camera that waits until its picture has been used, so that none is dropped on any machine."""

    def __init__(self, frames: list[np.ndarray]) -> None:
        self.frames, self.used = frames, threading.Semaphore(1)

    def __iter__(self) -> Iterator[np.ndarray]:
        for frame in self.frames:
            assert self.used.acquire(timeout=30)
            yield frame


def test_all_pictures_come_in_order_and_exact(student: Sharpener) -> None:
    generator = np.random.default_rng(0)
    frames = [generator.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(COUNT)]
    source = InStep(frames)
    sink = Sink(source.used.release)

    def load(size: tuple[int, int]) -> Sharpener:
        assert size == (48, 64)
        source.used.release()
        return student

    report = camera.run(source, load, sink.opened)
    assert sink.size == (48, 64) and sink.closed and (report.sent, report.dropped) == (COUNT - 1, 0)
    # The first picture prepares the engine, and is old by then.
    for found, frame in zip(sink.sent, frames[1:], strict=True):
        assert np.array_equal(found, student(frame))


def test_strength_blends_and_a_larger_picture_is_announced() -> None:
    sink, source = Sink(), InStep([np.full((8, 12, 3), value, np.uint8) for value in (0, 100)])

    def load(size: tuple[int, int]) -> Doubles:
        source.used.release()
        return Doubles()

    camera.run(source, load, sink.opened, strength=0.5)
    assert sink.size == (16, 24) and sink.sent[0].shape == (16, 24, 3) and (sink.sent[0] == 100).all()


def test_a_slow_student_gets_the_newest(caplog: pytest.LogCaptureFixture) -> None:
    """A camera of 100 a second and a student of 10: what it is given is never older than two pictures of the camera."""
    came: list[float] = []

    def source() -> Iterator[np.ndarray]:
        for frame in numbered(60, 0.01):
            came.append(time.perf_counter())
            yield frame

    ages, slow = [], Doubles(0.1)

    class Watched(Doubles):
        def __call__(self, frame: np.ndarray) -> np.ndarray:
            ages.append(len(came) - 1 - int(frame[0, 0, 0]))
            return slow(frame)

    sink = Sink()
    with caplog.at_level("INFO"):
        report = camera.run(source(), lambda size: Watched(), sink.opened)
    order = [int(frame[0, 0, 0]) for frame in sink.sent]
    assert order == sorted(set(order)) and order[-1] == 59 and len(order) < 15
    assert sorted(ages)[len(ages) // 2] <= 2
    assert report.sent == len(order) and report.dropped == order[-1] - order[0] - (len(order) - 1)
    assert f"{report.sent} pictures in" in caplog.text and f"{report.dropped} dropped" in caplog.text
    assert 100 <= np.median(report.times) < 400


def changes() -> Iterator[np.ndarray]:
    yield from numbered(3, 0.05)
    yield np.zeros((10, 12, 3), np.uint8)


def disappears() -> Iterator[np.ndarray]:
    yield from numbered(3, 0.05)
    raise KdsharpError("The camera 0 gives no more pictures: is it unplugged?")


def hangs() -> Iterator[np.ndarray]:
    yield from numbered(2, 0.05)
    time.sleep(1)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (lambda: iter(()), "gives no picture"),
        (changes, "changes from 12x8 to 12x10"),
        (disappears, "no more pictures"),
        (hangs, "no picture for 0.3 seconds"),
    ],
    ids=["nothing", "another size", "disappears", "hangs"],
)
def test_faults_of_a_camera_are_a_sentence(
    source: Callable, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, patiently = Sink(), camera.newest
    monkeypatch.setattr(camera, "newest", lambda frames: patiently(frames, 0.3))
    with pytest.raises(KdsharpError, match=said):
        camera.run(source(), lambda size: Doubles(), sink.opened)


def test_the_camera_is_left_by_the_thread_that_read_it() -> None:
    seen = []

    def source() -> Iterator[np.ndarray]:
        try:
            yield from numbered(10_000, 0.001)
        finally:
            seen.append(threading.current_thread())

    def stop() -> None:
        if len(sink.sent) == 5:
            raise KeyboardInterrupt

    sink = Sink(stop)
    assert camera.run(source(), lambda size: Doubles(), sink.opened).sent == 5
    assert sink.closed and len(seen) == 1 and seen[0] is not threading.main_thread()


def clip(path: Path, count: int, size: tuple[int, int] = (65, 49)) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 50, size)
    for number in range(count):
        writer.write(np.full((size[1], size[0], 3), (10 * number, 0, 200), np.uint8))
    writer.release()
    return path


def test_a_file_plays_at_its_rate_in_rgb_with_even_sides(tmp_path: Path) -> None:
    began = time.perf_counter()
    frames = list(devices.frames_of(str(clip(tmp_path / "in.avi", COUNT))))
    assert len(frames) == COUNT and frames[0].shape == (48, 64, 3)
    assert time.perf_counter() - began >= (COUNT - 1) / 50
    for number, frame in enumerate(frames):
        assert np.abs(frame.mean(axis=(0, 1)) - (200, 0, 10 * number)).max() < 8


@pytest.mark.parametrize("name", ["97", "/dev/video97", "rtsp://127.0.0.1:1/x", "text"])
def test_no_camera_is_one_sentence(name: str, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    if name == "text":
        (tmp_path / name).write_text("no camera")
        name = str(tmp_path / name)
    with pytest.raises(KdsharpError, match=r"(?s)^[^\n]*camera[^\n]*\.$"):
        next(devices.frames_of(name))
    assert "WARN" not in capfd.readouterr().err


def stand_in(monkeypatch: pytest.MonkeyPatch, sink: Callable) -> None:
    module = ModuleType("pyvirtualcam")
    module.Camera = sink
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)


@pytest.mark.parametrize(
    ("platform", "said"), [("linux", "modprobe v4l2loopback"), ("win32", "OBS"), ("darwin", "OBS")]
)
def test_no_virtual_camera_names_what_makes_one(
    platform: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object, **__: object) -> None:
        raise RuntimeError("'v4l2loopback' backend: No device found at /dev/video[0-99]. Did you look?")

    stand_in(monkeypatch, none)
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(
        KdsharpError, match=rf"^[^.]*\(No device found at /dev/video\[0-99\]\): .*{said}.*\.$"
    ):
        devices.virtual((48, 64)).__enter__()


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    assert main(["camera"]) == 2
    assert (
        capsys.readouterr().err
        == "kdsharp: A virtual camera needs the extra: pip install 'kdsharp[camera]'.\n"
    )


PROGRAM = """
import sys, types

class Camera:
    device = "nowhere"
    def __init__(self, width, height, rate, device=None):
        print(width, height, rate, device, flush=True)
    def send(self, frame):
        print(frame.shape, flush=True)
    def __enter__(self):
        return self
    def __exit__(self, *_):
        print("closed", flush=True)

sys.modules["pyvirtualcam"] = types.ModuleType("pyvirtualcam")
sys.modules["pyvirtualcam"].Camera = Camera
from kdsharp.apps.cli import main
sys.exit(main(["camera", sys.argv[1], "--student", "call-xs", "--engine", "onnx", "--rate", "50", "--clamp"]))
"""


def test_the_command_line_until_ctrl_c(tmp_path: Path) -> None:
    source = clip(tmp_path / "in.avi", 1500)
    started = [sys.executable, "-c", PROGRAM, str(source)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # What a shell starts in the background ignores Ctrl-C, and what that starts, too.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(started, preexec_fn=heard, **pipes) as process:
        assert process.stdout.readline() == "64 48 50 None\n"
        for _ in range(5):
            assert process.stdout.readline() == "(48, 64, 3)\n"
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0 and out.endswith("closed\n")
    assert "nowhere shows 64x48" in err and " a second, each " in err and "Traceback" not in err
