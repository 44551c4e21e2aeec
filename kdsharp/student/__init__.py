"""The networks that learn: PixelShuffle students, encoders and decoders, and residual networks that go on to teach."""

from kdsharp.student import families as families  # each registers itself
from kdsharp.student.colour import CHANNELS, apply_to_rgb, to_luma
from kdsharp.student.cost import multiply_adds, parameters, reach
from kdsharp.student.loading import load_network
from kdsharp.student.registry import FAMILIES, build, register

__all__ = [
    "CHANNELS",
    "FAMILIES",
    "apply_to_rgb",
    "build",
    "load_network",
    "multiply_adds",
    "parameters",
    "reach",
    "register",
    "to_luma",
]
