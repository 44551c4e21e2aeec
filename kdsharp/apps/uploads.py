"""Pictures that visitors upload: what is taken, how much of it at a time, and what they get back.

Nothing is stored: an upload lives in memory until it is answered. Size, pixels, rate and the number of pictures at work
are bounded, so that no upload can bring the server down.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from PIL import Image

from kdsharp import evaluate
from kdsharp.apps import live, pictures
from kdsharp.data import reading
from kdsharp.deploy import sharpen
from kdsharp.deploy.sharpen import Sharpener

KINDS = ("PNG", "JPEG", "MPO", "WEBP", "BMP", "TIFF")
_KINDS_SAID = "PNG, JPEG, WebP, BMP or TIFF"


@dataclass(frozen=True)
class Limits:
    """What one upload, one visitor and all together may ask for.

    `megabytes` of an upload, `megapixels` of its picture and `result_megapixels` of the answer; `per_minute` uploads of
    one address; `at_once` pictures in work (others wait up to `wait_seconds`).
    """

    megabytes: int = 25
    megapixels: float = 25.0
    result_megapixels: float = 50.0
    per_minute: int = 120
    at_once: int = 2
    wait_seconds: float = 30.0


class Refused(Exception):
    """An upload that gets no picture: its HTTP status, and a sentence that says why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def blueprint(flask: Any, students: dict[str, str], engine: str, limits: Limits) -> Any:
    """A Flask blueprint: the page, and the address that it sends pictures to.

    The first student is loaded now, the others when they are first asked for. Raises KdsharpError for an unknown one.
    """
    load = cache(lambda name: sharpen.load_student(students[name], engine=engine))
    slots, network = threading.BoundedSemaphore(limits.at_once), threading.Lock()
    allowed = _rate_limit(limits.per_minute)
    load(next(iter(students)))
    routes = flask.Blueprint("uploads", __name__)

    @routes.get("/")
    def page() -> str:
        template = live.html("upload.html", assets="live/")
        return flask.render_template_string(template, students=students, limits=limits)

    @routes.post("/sharpen")
    def answer() -> Any:
        if not allowed(flask.request.remote_addr or ""):
            raise Refused(429, f"More than {limits.per_minute} pictures in a minute: wait a little.")
        upload, name, strength = _asked(flask.request, students)
        if not slots.acquire(timeout=limits.wait_seconds):
            raise Refused(503, "The server is busy: try again in a minute.")
        try:
            encoded, headers = _sharpened(upload.read(), load(name), strength, limits, network)
        finally:
            slots.release()
        return flask.Response(encoded, mimetype="image/png", headers=headers)

    return routes


def _asked(request: Any, students: dict[str, str]) -> tuple[Any, str, float]:
    """The upload, the student's name and the strength of a request."""
    upload, name = request.files.get("picture"), request.form.get("student", next(iter(students)))
    if upload is None or not upload.filename:
        raise Refused(400, "There is no picture in this request: choose a file.")
    try:
        strength = float(request.form.get("strength", 1.0))
    except ValueError as error:
        raise Refused(400, "The strength is a number between 0 and 1.") from error
    sharpen.check_strength(strength)
    if name not in students:
        raise Refused(400, f"There is no student '{name[:40]}' here: choose one of {', '.join(students)}.")
    return upload, name, strength


def _sharpened(
    content: bytes, student: Sharpener, strength: float, limits: Limits, network: threading.Lock
) -> tuple[bytes, dict[str, str]]:
    """A PNG, and the headers that describe it."""
    _check(content, student, limits)
    picture = pictures.decode(content, "The file")
    began = time.perf_counter()
    with network:  # it has all cores to itself
        result = pictures.sharpened(picture, student, strength)
    milliseconds = f"{1000 * (time.perf_counter() - began):.0f}"
    agrees = f"{agreement(pictures.spread(picture), result.colours):.4f}"
    # X-Confidence is what programs of earlier days read.
    headers = {"X-Agreement": agrees, "X-Confidence": agrees, "X-Milliseconds": milliseconds}
    return pictures.encode(result, ".png"), headers


def agreement(before: np.ndarray, after: np.ndarray) -> float:
    """How well the result agrees with the input after both were shrunk by 2: SSIM-Y, at most 1.

    With no original at hand nobody can say whether added detail is right. What can be said is whether it contradicts
    what was received: shrinking (area) takes away the fine detail that a student may add, and the rest should agree.

    Args:
        before: RGB (H, W, 3), `uint8` or `uint16`.
        after: the same, or as many times larger as the student enlarges.
    """
    height, width = (max(evaluate.SSIM_WINDOW, side // 2) for side in before.shape[:2])
    small = [
        cv2.resize(reading.to_8_bits(image), (width, height), interpolation=cv2.INTER_AREA)
        for image in (before, after)
    ]
    return evaluate.ssim(*small)


def _check(content: bytes, student: Sharpener, limits: Limits) -> None:
    """Look at the file's head, before any pixel is unpacked."""
    try:
        kind, (width, height) = reading.measure(content)
    except Image.DecompressionBombError as error:
        raise Refused(
            413, f"The picture has more than {limits.megapixels:g} megapixels: make it smaller."
        ) from error
    except Exception as error:  # whatever a strange file makes Pillow raise, it is no picture
        raise Refused(415, f"This file is not a picture that can be read: give {_KINDS_SAID}.") from error
    if kind not in KINDS:
        raise Refused(415, f"{kind} files are not taken: give {_KINDS_SAID}.")
    made = width * height * student.scale**2 / 1e6
    if width * height / 1e6 > limits.megapixels or made > limits.result_megapixels:
        raise Refused(
            413,
            f"The picture has {width}x{height} pixels: {limits.megapixels:g} megapixels are taken, "
            f"and {limits.result_megapixels:g} come out at most.",
        )


def _rate_limit(per_minute: int) -> Callable[[str], bool]:
    """Whether an address may ask once more, by its requests of the last minute; old addresses are forgotten."""
    asked: dict[str, deque[float]] = {}
    lock = threading.Lock()

    def allowed(address: str) -> bool:
        now = time.monotonic()
        with lock:
            for known in [key for key, times in asked.items() if times[-1] < now - 60]:
                del asked[known]
            times = asked.setdefault(address, deque())
            while times and times[0] < now - 60:
                times.popleft()
            if len(times) >= per_minute:
                return False
            times.append(now)
            return True

    return allowed
