"""Frames per second at 1080p, beside other networks and the machine's own ceilings."""

from kdsharp.deploy import engines_at_hand
from kdsharp.speed.ladder import ladder
from kdsharp.speed.roofline import ceilings
from kdsharp.speed.stopwatch import (
    format_table,
    hardware,
    measure,
    percentile,
    precision_of,
    predict,
    raised,
    time_call,
)
from kdsharp.speed.work import HEIGHT, WIDTH, multiply_adds

__all__ = [
    "HEIGHT",
    "WIDTH",
    "ceilings",
    "engines_at_hand",
    "format_table",
    "hardware",
    "ladder",
    "measure",
    "multiply_adds",
    "percentile",
    "precision_of",
    "predict",
    "raised",
    "time_call",
]
