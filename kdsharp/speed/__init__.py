"""Frames per second at 1080p, beside other networks and the machine's own ceilings."""

from kdsharp.deploy import engines_at_hand
from kdsharp.speed.clock import percentile, time_call
from kdsharp.speed.ladder import ladder
from kdsharp.speed.roofline import ceilings, precision_of, raised
from kdsharp.speed.stopwatch import measure, predict
from kdsharp.speed.table import format_table, hardware
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
