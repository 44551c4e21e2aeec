"""What all panels share: controls above, a picture and a line of text below, errors where one can see them."""

import base64
import math
from collections.abc import Callable
from io import BytesIO
from typing import Any

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from kdsharp.errors import KdsharpError

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
_STYLE = {"description_width": "110px"}
_WIDE = widgets.Layout(width="330px", max_width="100%")

Shown = tuple[Figure | np.ndarray, str]


class Panel:
    """Controls by name, and a function from their values to a picture and a line of text (HTML).

    `show` gets the values as keyword arguments. It runs once here, so that wrong defaults raise at once, and again
    after every change. An exception in it is printed inside the panel (front ends drop those of callbacks); a
    KdsharpError shows as its one sentence, and the last good picture stays.
    """

    def __init__(
        self,
        title: str,
        controls: dict[str, widgets.Widget],
        show: Callable[..., Shown],
        buttons: list[widgets.Button] | None = None,
    ) -> None:
        self.controls, self.buttons = controls, buttons or []
        self.picture = widgets.Image(
            format="png", layout=widgets.Layout(max_width="100%", align_self="flex-start")
        )
        self.text = widgets.HTML()
        self.errors = widgets.Output()
        self._show = show
        self.refresh()
        for control in controls.values():
            control.observe(self.changed, names="value")
        rows = widgets.HBox([*controls.values(), *self.buttons], layout=widgets.Layout(flex_flow="row wrap"))
        self.box = widgets.VBox([widgets.HTML(f"<b>{title}</b>"), rows, self.picture, self.text, self.errors])
        self.box.add_class("kdsharp-panel")

    @property
    def values(self) -> dict[str, Any]:
        """The controls' values by name."""
        return {name: control.value for name, control in self.controls.items()}

    def refresh(self) -> None:
        """Draw the picture and the text for the values as they are; raises what `show` raises."""
        picture, text = self._show(**self.values)
        self.picture.value = to_png(picture)
        self.text.value = text

    def changed(self, _change: object = None) -> None:
        """`refresh` as a callback: a mistake is shown in the panel instead of being lost."""
        self.errors.clear_output()
        with self.errors:
            try:
                self.refresh()
            except KdsharpError as error:
                self.text.value = f"<b>{error}</b>"

    def _repr_mimebundle_(self, **_options: object) -> dict[str, Any]:
        """Live widgets for a front end that has them; for every other reader, the picture."""
        return {
            "text/plain": f"Panel({', '.join(self.controls)})",
            "image/png": base64.b64encode(self.picture.value).decode(),
            WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id},
        }


def slider(name: str, value: float, low: float, high: float, step: float = 1) -> widgets.Widget:
    """An integer or a float slider, as `step` is; it reports when it is let go, not on the way.

    Its range grows to hold `value`: a recipe that was changed by hand stays as it is until a slider is moved.
    """
    whole = isinstance(step, int)
    kind = widgets.IntSlider if whole else widgets.FloatSlider
    return kind(
        **({} if whole else {"readout_format": ".3g"}),
        value=value,
        min=min(low, value),
        max=max(high, value),
        step=step,
        description=name,
        continuous_update=False,
        style=_STYLE,
        layout=_WIDE,
    )


def log_slider(name: str, value: float, low: int, high: int) -> widgets.FloatLogSlider:
    """A slider from 10^low to 10^high in tenths of a decade; its range grows to hold `value`, which is above 0."""
    decade = math.log10(value)
    return widgets.FloatLogSlider(
        value=value,
        base=10,
        min=min(low, math.floor(decade)),
        max=max(high, math.ceil(decade)),
        step=0.1,
        description=name,
        continuous_update=False,
        readout_format=".1e",
        style=_STYLE,
        layout=_WIDE,
    )


def choice(name: str, options: list | dict, value: Any = None) -> widgets.Dropdown:
    """One of several options; the first unless told."""
    options = list(options.items()) if isinstance(options, dict) else list(options)
    chosen = {} if value is None else {"value": value}
    return widgets.Dropdown(options=options, description=name, style=_STYLE, layout=_WIDE, **chosen)


def to_png(picture: Figure | np.ndarray) -> bytes:
    """A matplotlib figure (which is closed) or `uint8` RGB (H, W, 3) as the bytes of a PNG."""
    buffer = BytesIO()
    if isinstance(picture, Figure):
        picture.savefig(buffer, format="png", dpi=90)
        plt.close(picture)
    else:
        Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()
