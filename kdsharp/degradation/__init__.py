"""What a bad camera, a resize or a video call leaves of a photograph."""

from kdsharp.degradation import kinds as kinds  # each registers itself
from kdsharp.degradation.noise import add_noise, add_poisson_noise
from kdsharp.degradation.pictures import degrade_picture
from kdsharp.degradation.receivers import enlarge
from kdsharp.degradation.registry import Degraded, degrade, register
from kdsharp.degradation.resizing import RESIZE_FILTERS, SHRINKING, resize

__all__ = [
    "RESIZE_FILTERS",
    "SHRINKING",
    "Degraded",
    "add_noise",
    "add_poisson_noise",
    "degrade",
    "degrade_picture",
    "enlarge",
    "register",
    "resize",
]
