"""Panel: the reader's own picture, from a file or the camera, sent through the notebook's code and compared.

The page shrinks a picture before it sends it (`own_picture.js`): Jupyter's channel to the kernel breaks at 10 MB, and a
phone's photograph may have more. Where no script runs, the plain upload widget stays.
"""

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from html import escape

import cv2
import ipywidgets as widgets
import numpy as np
from IPython import display

from kdsharp import data
from kdsharp.course.panels.controls import uploaded
from kdsharp.course.panels.page import part, script
from kdsharp.course.panels.viewer import ORIGINAL, comparison_viewer
from kdsharp.errors import KdsharpError, first_line

MOST_SIDE = 1024  # pixels; a larger picture is shrunk, which also hides its camera's own noise
LEAST_SIDE = 64
PAN = (360, 300)  # rows and columns of a frame of `pan`


class OwnPicture:
    """A way to give a picture, and a viewer of what `call` makes of it; `pictures` holds the last that went well."""

    def __init__(self, call: Callable[[np.ndarray], dict[str, np.ndarray]], sample: np.ndarray) -> None:
        self._call = call
        self._own = f"kdsharp-own-{uuid.uuid4().hex}"
        self._place: display.DisplayHandle | None = None  # of the viewer under the cell, once it is shown
        self.pictures: dict[str, np.ndarray] = {}
        self.said = widgets.HTML()
        self.text = widgets.Textarea(layout=widgets.Layout(display="none"))
        self.upload = widgets.FileUpload(accept="image/*", description="Upload (up to 10 MB)")
        self.text.add_class(f"{self._own}-text").observe(self._sent, names="value")
        self.upload.add_class(f"{self._own}-upload").observe(self._uploaded, names="value")
        self.box = widgets.VBox([self.upload, self.text, self.said])
        self.show(sample, "the sample")

    def show(self, picture: np.ndarray, name: str) -> None:
        """Compare what is made of `uint8` RGB (H, W, 3), shrunk to 1024 pixels a side where it is larger.

        Raises KdsharpError for a picture of less than 64 pixels a side, and what the notebook's code raises.
        """
        if min(picture.shape[:2]) < LEAST_SIDE:
            size = f"{picture.shape[1]}x{picture.shape[0]}"
            raise KdsharpError(f"{name} has {size} pixels: give a picture of {LEAST_SIDE} or more a side.")
        pictures = self._call(_at_most(picture, MOST_SIDE))
        self.viewer = comparison_viewer(pictures)
        self.pictures = pictures
        height, width = pictures[ORIGINAL].shape[:2]
        self.said.value = f"This is {escape(name)}, {width}x{height}."
        if self._place:
            self._place.update(self.viewer)

    def give(self, content: bytes, name: str) -> None:
        """`show` for a file's bytes; what goes wrong is said in the panel, and what was shown stays."""
        try:
            self.show(data.decode_image(content, name), name)
        except KdsharpError as error:
            self._complain(str(error))
        except Exception as error:  # of the notebook's own code: front ends drop what callbacks raise
            self._complain(f"{type(error).__name__}: {first_line(error)}")

    def _complain(self, text: str) -> None:
        self.said.value = f"<b>{escape(text)}</b>"

    def _sent(self, change: dict) -> None:
        """The page has laid a picture into the text: take it, and empty the text, which the page waits for."""
        if not change["new"]:
            return
        try:
            sent = json.loads(change["new"])
            content, name = base64.b64decode(sent["png"], validate=True), sent["name"]
        except (ValueError, KeyError, TypeError):
            self._complain("The picture did not arrive whole: give it once more.")
        else:
            self.give(content, name)
        self.text.value = ""

    def _uploaded(self, change: dict) -> None:
        if change["new"]:
            name, content = uploaded(change["new"])
            self.give(content, name)

    def _ipython_display_(self) -> None:
        """Three outputs: the page's part, widgets, and the viewer, which stays where there are no widgets.

        An Output widget would hold all three, but nbclient, which runs the course, may wait for minutes on one.
        """
        display.display({"text/html": _page(self._own), "text/plain": ""}, raw=True)
        display.display(self.box)
        self._place = display.display(self.viewer, display_id=True)


def own_picture(call: Callable[[np.ndarray], dict[str, np.ndarray]], sample: np.ndarray) -> OwnPicture:
    """Let the reader give a picture, and compare what `call` makes of it; `sample` is shown until then.

    Args:
        call: from an original, `uint8` RGB (H, W, 3) of 64 to 1024 pixels a side, to pictures of its size by name, as
            `comparison_viewer` takes them.
        sample: an original.
    """
    return OwnPicture(call, sample)


def pan(picture: np.ndarray, frames: int = 60) -> Iterator[np.ndarray]:
    """`frames` of 300x360 pixels of a camera that goes once round over `uint8` RGB (H, W, 3), as `uint8` RGB."""
    rows, columns = PAN
    scale = 1.25 * max(rows / picture.shape[0], columns / picture.shape[1])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    whole = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=method)
    room = np.subtract(whole.shape[:2], PAN)
    for turn in np.linspace(0, 2 * np.pi, frames, endpoint=False):
        down, across = (room * (1 + 0.9 * np.array([np.sin(turn), np.cos(turn)])) + PAN) / 2
        yield cv2.getRectSubPix(whole, (columns, rows), (float(across), float(down)))


def _at_most(picture: np.ndarray, side: int) -> np.ndarray:
    share = side / max(picture.shape[:2])
    if share >= 1:
        return picture
    size = [max(1, round(edge * share)) for edge in picture.shape[1::-1]]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _page(own: str) -> str:
    """Choosing a file, and the camera, where a kernel listens; the upload widget is for pages that run no script."""
    return (
        f'<div class="kdsharp-own" id="{own}" hidden data-lm-suppress-shortcuts="true">{part("own_picture.html")}'
        f"<style>{part('own_picture.css')}</style></div>{script(own, 'own_picture.js')}"
    )
