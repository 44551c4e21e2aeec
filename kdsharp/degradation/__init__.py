"""What a bad camera, a resize or a video call leaves of a photograph."""

from kdsharp.degradation.apply import RESIZE_FILTERS, Degraded, add_noise, add_poisson_noise, degrade, resize

__all__ = ["RESIZE_FILTERS", "Degraded", "add_noise", "add_poisson_noise", "degrade", "resize"]
