"""What all panels share: controls above, a picture and a line of text below, errors where one can see them."""

import base64
import html
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from kdsharp.course.panels.controls import button, choice, explained, log_slider, said, slider
from kdsharp.course.panels.copied import copied_line
from kdsharp.errors import KdsharpError

__all__ = ["LIVE_SECONDS", "WIDGET_VIEW", "Panel", "Shown", "choice", "log_slider", "slider", "to_png"]

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
LIVE_SECONDS = 0.1  # what is redrawn faster than this follows a slider while it is dragged
# As many columns as fit, so that a panel with ten controls still shows its picture on the same screen.
_GRID = {"grid_template_columns": "repeat(auto-fit, minmax(260px, 1fr))", "grid_gap": "0 8px"}
_ROW = {"flex_flow": "row wrap", "align_items": "center"}

Shown = tuple[Figure | np.ndarray, str]


class Panel:
    """Controls by name, and a function from their values to a picture and a line of text (HTML).

    `show` gets the values as keyword arguments. It runs once here, so that wrong defaults raise at once, and again
    after every change. An exception in it is printed inside the panel (front ends drop those of callbacks); a
    KdsharpError shows as its one sentence, and the last good picture stays.

    Every panel has a button that puts its controls back. `code` gets the same arguments and gives the code that makes
    the same settings, to be copied. With `pins`, a button keeps the present settings beside those that follow, and
    `show` gets them as `pinned`: a dict of values by name, or None. `buttons` stand beside the title, `below` under
    the text.
    """

    def __init__(
        self,
        title: str,
        controls: dict[str, widgets.Widget],
        show: Callable[..., Shown],
        buttons: Sequence[widgets.Widget] | None = None,
        code: Callable[..., str] | None = None,
        pins: bool = False,
        below: Sequence[widgets.Widget] = (),
    ) -> None:
        self.controls, self.buttons = controls, list(buttons or [])
        self.picture = widgets.Image(
            format="png", layout=widgets.Layout(max_width="100%", align_self="flex-start")
        )
        self.text, self.line, self.errors = said(), said(), widgets.Output()
        self.code = ""
        self.pinned: dict[str, Any] | None = None
        self._show, self._code, self._first, self._held = show, code, self.values, False
        self.reset_button = button("Reset", self.reset, "Put every control back to where it was at first.")
        self.pin_button = widgets.ToggleButton(description="Pin", layout={"width": "auto"}) if pins else None
        began = time.perf_counter()
        self.refresh()
        for control in controls.values():
            _follow(control, time.perf_counter() - began)
            control.observe(self._moved, names="value")
        self.box = self._arranged(title, below)

    def _arranged(self, title: str, below: Sequence[widgets.Widget]) -> widgets.VBox:
        """All parts, in the order in which the keyboard reaches them."""
        row = [said(f"<b>{title}</b>&nbsp;"), *self.buttons]
        if self.pin_button is not None:
            explained(self.pin_button, "Keep the present settings beside those that follow.")
            self.pin_button.observe(self._pin, names="value")
            row.append(self.pin_button)
        if self.controls:
            row.append(self.reset_button)
        grid = widgets.GridBox(list(self.controls.values()), layout=widgets.Layout(**_GRID))
        head = widgets.HBox(row, layout=widgets.Layout(**_ROW))
        box = widgets.VBox([head, grid, self.picture, self.text, *below, self.line, self.errors])
        box.add_class("kdsharp-panel")
        return box

    @property
    def values(self) -> dict[str, Any]:
        """The controls' values by name."""
        return {name: control.value for name, control in self.controls.items()}

    def refresh(self) -> None:
        """Draw the picture and the text for the values as they are; raises what `show` raises."""
        values = self.values
        pinned = {} if self.pin_button is None else {"pinned": self.pinned}
        picture, text = self._show(**values, **pinned)
        self.picture.value = to_png(picture)
        self.text.value = text
        if self._code is not None:
            self.code = self._code(**values)
            self.line.value = copied_line(self.code)

    def changed(self, _change: object = None) -> None:
        """`refresh` as a callback: a mistake is shown in the panel instead of being lost."""
        with self.hearing():
            self.refresh()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Several changes of controls inside, drawn once at its end."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        self.changed()

    def choose(self, **values: Any) -> None:
        """Put several controls to values by name, and draw once."""
        with self.together():
            for name, value in values.items():
                self.controls[name].value = value

    def reset(self) -> None:
        """Put every control back to where it was when the panel was made."""
        self.choose(**self._first)

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """For callbacks: what is raised inside is shown in the panel, a KdsharpError as its sentence."""
        self.errors.clear_output()
        with self.errors:
            try:
                yield
            except KdsharpError as error:
                self.text.value = f"<b>{html.escape(str(error))}</b>"

    def _moved(self, change: dict) -> None:
        if self._held:
            return
        began = time.perf_counter()
        self.changed()
        _follow(change["owner"], time.perf_counter() - began)

    def _pin(self, change: dict) -> None:
        self.pinned = self.values if change["new"] else None
        self.changed()

    def _repr_mimebundle_(self, **_options: object) -> dict[str, Any]:
        """Live widgets for a front end that has them; for every other reader, the picture."""
        return {
            "text/plain": f"Panel({', '.join(self.controls)})",
            "image/png": base64.b64encode(self.picture.value).decode(),
            WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id},
        }


def _follow(control: widgets.Widget, seconds: float) -> None:
    """Let a slider report on the way where its last redraw was fast, else when it is let go."""
    if control.has_trait("continuous_update"):
        control.continuous_update = seconds < LIVE_SECONDS


def to_png(picture: Figure | np.ndarray) -> bytes:
    """A matplotlib figure (which is closed) or `uint8` RGB (H, W, 3) as the bytes of a PNG."""
    buffer = BytesIO()
    if isinstance(picture, Figure):
        picture.savefig(buffer, format="png", dpi=90)
        plt.close(picture)
    else:
        # Lightly packed: a third of the time, and the way to the browser is short.
        Image.fromarray(picture).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
