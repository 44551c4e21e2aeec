"""Web pages on this machine: drop a picture in, see it sharpened beside what it was, take it away.

The pages for uploads are those of `uploads`; under /live lies the page whose network runs in the visitor's browser
(`live`). Flask and waitress are the extra `web`.
"""

import logging
import sys
import threading
from typing import Any

from kdsharp.apps import live, uploads
from kdsharp.apps.uploads import Limits, Refused
from kdsharp.errors import KdsharpError, naming_the_extra

log = logging.getLogger(__name__)

STUDENTS = ("call-s", "call-xs", "call-m", "blur-s", "x2-s", "x4-s")
# Nothing comes from elsewhere and nothing goes there; WebAssembly is compiled on the page of `live`.
_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; form-action 'self'"
)


def create_app(
    limits: Limits | None = None,
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
    app, known = flask.Flask(__name__), live.named(students)
    limits = limits or Limits()
    app.config["MAX_CONTENT_LENGTH"] = limits.megabytes * 2**20
    app.register_blueprint(live.blueprint(flask, known))
    app.register_blueprint(uploads.blueprint(flask, known, engine, limits))
    _answer_with_sentences(app, errors, limits)
    policy = _POLICY if framed else f"{_POLICY}; frame-ancestors 'self'"

    @app.after_request
    def careful(response: Any) -> Any:
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = policy
        return response

    return app


def _answer_with_sentences(app: Any, errors: Any, limits: Limits) -> None:
    """Whatever goes wrong is answered as JSON with one sentence, and a status that fits."""

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


def _flask() -> tuple[Any, Any]:
    with naming_the_extra("The page needs"):
        import flask
        import waitress  # noqa: F401 (asked for at once, not at the first start)
        from werkzeug import exceptions
    return flask, exceptions
