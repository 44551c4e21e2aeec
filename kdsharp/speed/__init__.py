"""Frames per second at 1080p, beside other networks and the machine's own ceilings."""

from kdsharp.speed.stopwatch import (
    HEIGHT,
    WIDTH,
    format_table,
    hardware,
    measure,
    percentile,
    precision_of,
    predict,
    raised,
    time_call,
)

__all__ = [
    "HEIGHT",
    "WIDTH",
    "format_table",
    "hardware",
    "measure",
    "percentile",
    "precision_of",
    "predict",
    "raised",
    "time_call",
]
