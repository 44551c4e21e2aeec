"""The networks that learn: PixelShuffle students, encoders and decoders, and residual networks that go on to teach."""

from kdsharp.student.loading import load_network
from kdsharp.student.networks import (
    CHANNELS,
    FAMILIES,
    LUMA,
    apply_to_rgb,
    build,
    multiply_adds,
    parameters,
    to_luma,
)

__all__ = [
    "CHANNELS",
    "FAMILIES",
    "LUMA",
    "apply_to_rgb",
    "build",
    "load_network",
    "multiply_adds",
    "parameters",
    "to_luma",
]
