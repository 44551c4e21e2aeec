"""Web pages on this machine: drop a picture in, see it sharpened beside what it was, take it away.

Nothing is stored: an upload lives in memory until it is answered. Size, pixels, rate and the number of pictures at work
are bounded, so that no upload can bring the server down. Under /live lies the page whose network runs in the visitor's
browser (`live`). Flask and waitress are the extra `web`.
"""

import logging
import sys
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
from kdsharp.errors import KdsharpError, naming_the_extra

log = logging.getLogger(__name__)

STUDENTS = ("call-s", "call-m", "blur-s", "x2-s", "x4-s")
KINDS = ("PNG", "JPEG", "MPO", "WEBP", "BMP", "TIFF")
_KINDS_SAID = "PNG, JPEG, WebP, BMP or TIFF"
# Nothing comes from elsewhere and nothing goes there; WebAssembly is compiled on the page of `live`.
_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; form-action 'self'"
)


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


def create_app(
    limits: Limits = Limits(),
    students: tuple[str, ...] = STUDENTS,
    engine: str = "onnx",
    framed: bool = False,
) -> Any:
    """The Flask application.

    Args:
        students: published names, or files of your own; the first is chosen at first.
        framed: other pages, as a notebook's, may show this one inside them.

    Raises KdsharpError if Flask is not installed or a student is unknown.
    """
    flask, errors = _flask()
    known = live.named(students)
    app = flask.Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = limits.megabytes * 2**20
    app.register_blueprint(live.pages(flask, known))
    load = cache(lambda name: sharpen.load_student(known[name], engine=engine))
    slots, network = threading.BoundedSemaphore(limits.at_once), threading.Lock()
    allowed = _rate_limit(limits.per_minute)
    policy = _POLICY if framed else f"{_POLICY}; frame-ancestors 'self'"
    first = next(iter(known))
    load(first)

    @app.get("/")
    def page() -> str:
        template = (live.PAGES / "upload.html").read_text(encoding="utf-8")
        return flask.render_template_string(template, students=known, limits=limits)

    @app.post("/sharpen")
    def answer() -> Any:
        if not allowed(flask.request.remote_addr or ""):
            raise Refused(429, f"More than {limits.per_minute} pictures in a minute: wait a little.")
        upload = flask.request.files.get("picture")
        if upload is None or not upload.filename:
            raise Refused(400, "There is no picture in this request: choose a file.")
        name, strength = flask.request.form.get("student", first), _strength(flask.request.form)
        if name not in known:
            raise Refused(400, f"There is no student '{name[:40]}' here: choose one of {', '.join(known)}.")
        if not slots.acquire(timeout=limits.wait_seconds):
            raise Refused(503, "The server is busy: try again in a minute.")
        try:
            content = upload.read()
            student = load(name)
            _check(content, student, limits)
            picture = pictures.decode(content, "The file")
            began = time.perf_counter()
            with network:  # it has all cores to itself
                result = pictures.sharpened(picture, student, strength)
            seconds = time.perf_counter() - began
            sure = confidence(pictures.spread(picture), result.colours)
            encoded = pictures.encode(result, ".png")
        finally:
            slots.release()
        described = {"X-Confidence": f"{sure:.4f}", "X-Milliseconds": f"{1000 * seconds:.0f}"}
        return flask.Response(encoded, mimetype="image/png", headers=described)

    @app.errorhandler(Refused)
    def refused(reason: Refused) -> Any:
        return {"error": str(reason)}, reason.status

    @app.errorhandler(KdsharpError)
    def unfit(reason: KdsharpError) -> Any:
        return {"error": str(reason)}, 400

    @app.errorhandler(MemoryError)
    def full(_reason: MemoryError) -> Any:
        return {"error": "There is not enough memory for this picture: make it smaller."}, 503

    @app.errorhandler(errors.HTTPException)
    def other(reason: Any) -> Any:
        said = {
            413: f"The upload is larger than {limits.megabytes} MB: make it smaller.",
            404: "There is no such page.",
            405: "This address is not asked in that way.",
        }
        return {"error": said.get(reason.code, reason.description)}, reason.code

    @app.after_request
    def careful(response: Any) -> Any:
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = policy
        return response

    return app


def serve(host: str = "127.0.0.1", port: int = 8000, threads: int = 8, **options: Any) -> None:
    """Serve the page with waitress until it is interrupted. Raises KdsharpError if the port is taken."""
    app = create_app(**options)
    import waitress

    log.info("http://%s:%d (stop with Ctrl-C)", host, port)
    try:
        waitress.serve(app, host=host, port=port, threads=threads, ident="kdsharp", _quiet=True)
    except ValueError as error:  # waitress's own word for a name that no address belongs to
        raise KdsharpError(
            f"There is no host '{host}' on this machine: give an address as 127.0.0.1."
        ) from error
    except OSError as error:
        raise KdsharpError(
            f"Port {port} cannot be used ({error.strerror}): choose another with --port."
        ) from error


def in_notebook(path: str = "", height: int = 760, **options: Any) -> Any:
    """Serve the pages from this notebook's process and show one under the cell, in Colab too.

    Returns the server, which ends with the process or by its `close()`; `options` are those of `create_app`. Jupyter on
    another machine shows nothing: there the port has to be forwarded. Raises KdsharpError as `create_app` does.

    Args:
        path: empty for uploads, `live/` for the network in the browser.
        height: of the frame, in pixels.
    """
    app = create_app(framed=True, **options)
    import waitress
    from IPython import display

    server = waitress.create_server(app, host="127.0.0.1", port=0)
    threading.Thread(target=server.run, daemon=True).start()
    port = server.effective_port
    if "google.colab" in sys.modules:
        from google.colab import output

        output.serve_kernel_port_as_iframe(port, path=f"/{path}", height=str(height))
    else:
        may = "camera; display-capture; cross-origin-isolated"
        frame = f'<iframe src="http://127.0.0.1:{port}/{path}" allow="{may}" width="100%" height="{height}"></iframe>'
        display.display(display.HTML(f"<div>While this notebook runs:<br>{frame}</div>"))
    return server


def confidence(before: np.ndarray, after: np.ndarray) -> float:
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


def _strength(form: Any) -> float:
    try:
        value = float(form.get("strength", 1.0))
    except ValueError as error:
        raise Refused(400, "The strength is a number between 0 and 1.") from error
    sharpen.check_strength(value)
    return value


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


def _flask() -> tuple[Any, Any]:
    with naming_the_extra("The page needs"):
        import flask
        import waitress  # noqa: F401 (asked for at once, not at the first start)
        from werkzeug import exceptions
    return flask, exceptions
