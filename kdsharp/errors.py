"""What a reader is meant to see of errors, and what not: our one error, and packages' talk of themselves."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Packages that the core does without, by the extra that brings each.
EXTRAS = {
    "torch": "train",
    "torchvision": "train",
    "skimage": "train",
    "scipy": "train",
    "spandrel": "train",
    "onnx": "train",
    "onnxscript": "train",
    "matplotlib": "course",
    "ipywidgets": "course",
    "IPython": "course",
    "nbclient": "course",
    "nbformat": "course",
    "av": "video",
    "pyvirtualcam": "camera",
    "flask": "web",
    "waitress": "web",
    "werkzeug": "web",
    "openvino": "openvino",
    "pycvvdp": "perception",
    "ssimulacra2": "perception",
    "spandrel_extra_arches": "restormer",
}


class KdsharpError(Exception):
    """Something the reader can mend: the message is one sentence that names the culprit and the remedy."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows (a hook of IPython's): the sentence, without the way to where it was said."""
        return [f"{type(self).__name__}: {self}"]


def missing(error: ImportError, what: str = "This needs", extra: str = "") -> KdsharpError | None:
    """What to install when a package is not there, as `Videos need the extra: ...`; None if no extra brings it.

    `extra` is one that brings it and what else is needed.
    """
    known = EXTRAS.get((error.name or "").partition(".")[0])
    return KdsharpError(f"{what} the extra: pip install 'kdsharp[{extra or known}]'.") if known else None


def first_line(said: object) -> str:
    """The first line of what an error (or a text) says; an error that says nothing is called by its kind."""
    first = str(said).strip().partition("\n")[0]
    return first or (type(said).__name__ if isinstance(said, BaseException) else "")


@contextmanager
def naming_the_extra(what: str, extra: str = "") -> Iterator[None]:
    """Within, a package that is not there becomes the sentence of `missing`, where an extra brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if sentence := missing(error, what, extra):
            raise sentence from error
        raise


@contextmanager
def quiet() -> Iterator[None]:
    """Within, what packages report of their own progress, and of what they will change, stays unsaid."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
