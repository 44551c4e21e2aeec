"""The controls of panels: sliders, choices and buttons, each with a sentence that shows where the mouse rests."""

import math
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

_STYLE = {"description_width": "112px"}
_WIDE = {"width": "auto"}  # the panel's grid says how wide


def slider(
    name: str, value: float, low: float, high: float, step: float = 1, tooltip: str = ""
) -> widgets.Widget:
    """An integer or a float slider, as `step` is.

    It reports when it is let go; a panel that redraws fast enough lets it report on the way, too.
    Its range grows to hold `value`: a recipe that was changed by hand stays as it is until a slider is moved.
    """
    whole = isinstance(step, int)
    kind = widgets.IntSlider if whole else widgets.FloatSlider
    made = kind(
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
    return explained(made, tooltip)


def log_slider(name: str, value: float, low: int, high: int, tooltip: str = "") -> widgets.FloatLogSlider:
    """A slider from 10^low to 10^high in tenths of a decade; its range grows to hold `value`, which is above 0."""
    decade = math.log10(value)
    made = widgets.FloatLogSlider(
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
    return explained(made, tooltip)


def choice(name: str, options: list | dict, value: Any = None, tooltip: str = "") -> widgets.Dropdown:
    """One of several options; the first unless told."""
    options = list(options.items()) if isinstance(options, dict) else list(options)
    chosen = {} if value is None else {"value": value}
    made = widgets.Dropdown(options=options, description=name, style=_STYLE, layout=_WIDE, **chosen)
    return explained(made, tooltip)


def button(
    name: str, press: Callable[[], object], tooltip: str = "", style: str = "", width: str = "auto"
) -> widgets.Button:
    """A button that calls `press` without arguments; `style` is one of ipywidgets' (`primary`, `warning`)."""
    made = widgets.Button(description=name, button_style=style, layout={"width": width})
    made.on_click(lambda _button: press())
    return explained(made, tooltip)


def said(text: str = "") -> widgets.HTML:
    """HTML without a tooltip: ipywidgets 8 would write "null" where the mouse rests."""
    made = widgets.HTML(text)
    if made.has_trait("tooltip"):
        made.set_trait("tooltip", "")
    return made


def explained(control: widgets.Widget, sentence: str) -> widgets.Widget:
    """The control with a sentence that shows where the mouse rests; ipywidgets 7 keeps it elsewhere than 8."""
    if sentence:
        name = "tooltip" if control.has_trait("tooltip") else "description_tooltip"
        control.set_trait(name, sentence)
    return control


def uploaded(value: Any) -> tuple[str, bytes]:
    """Name and content of the last file in a FileUpload's value, which ipywidgets 7 keeps by name, 8 in a tuple."""
    if isinstance(value, dict):
        name, given = list(value.items())[-1]
        return name, bytes(given["content"])
    return value[-1]["name"], bytes(value[-1]["content"])
