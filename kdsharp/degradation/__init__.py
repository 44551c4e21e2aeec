"""What a bad camera, a resize or a video call leaves of a photograph."""

from kdsharp.degradation.apply import RESIZE_FILTERS, Degraded, add_noise, add_poisson_noise, degrade, resize
from kdsharp.degradation.pictures import degrade_picture

__all__ = [
    "RESIZE_FILTERS",
    "Degraded",
    "add_noise",
    "add_poisson_noise",
    "degrade",
    "degrade_picture",
    "resize",
]
