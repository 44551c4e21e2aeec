"""Driving a panel as a reader would."""

from collections.abc import Callable
from io import BytesIO

import ipywidgets as widgets
from PIL import Image

from kdsharp.course.panels import Panel


def what_is_seen(panel: Panel) -> bytes:
    return bytes(panel.picture.value) + panel.text.value.encode()


def drive(panel: Panel, state: Callable[[Panel], object] = what_is_seen) -> None:
    """Every control to minimum, middle and maximum (or through its options); `state` has to follow each."""
    for name, control in panel.controls.items():
        start, seen = control.value, set()
        if isinstance(control, widgets.Dropdown):
            values = [option[-1] if isinstance(option, tuple) else option for option in control.options]
        else:
            low, high = control.min, control.max
            if isinstance(control, widgets.FloatLogSlider):
                low, high = control.base**low, control.base**high
            middle = (low + high) / 2
            values = [low, int(middle) if isinstance(control, widgets.IntSlider) else middle, high]
        for value in values:
            control.value = value
            assert Image.open(BytesIO(panel.picture.value)).size[0] > 300, f"{name}={value} drew nothing"
            seen.add(state(panel))
        control.value = start
        if len(values) > 1:
            assert len(seen) > 1, f"{name} changes nothing"
