"""Blur alone: Gaussian, motion or defocus."""

import torch
from torch import Tensor

from kdsharp.degradation import kernels
from kdsharp.degradation.chance import uniform
from kdsharp.degradation.registry import Degraded, register
from kdsharp.degradation.resizing import to_256_levels
from kdsharp.recipes.degradations import Blur


@register("blur", Blur)
def blur(hr: Tensor, settings: Blur, generator: torch.Generator) -> Degraded:
    low, high = settings.amount
    amount = low + (high - low) * uniform(len(hr), (0.0, 1.0), generator) ** settings.lean
    theta = uniform(len(hr), (0.0, torch.pi), generator)
    if settings.kind == "gaussian":
        kernel = kernels.gaussian_like(amount, amount, theta, torch.ones_like(amount), "gaussian")
    elif settings.kind == "motion":
        kernel = kernels.motion(amount, theta)
    else:
        kernel = kernels.defocus(amount)
    blurred = to_256_levels(kernels.convolve(hr, kernel))
    return Degraded({"original": hr, settings.kind: blurred}, blurred, blurred)
