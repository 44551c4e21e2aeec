"""A hand-held camera in a dark room, and a small file."""

import torch
from torch import Tensor

from kdsharp.degradation import kernels
from kdsharp.degradation.chance import uniform
from kdsharp.degradation.jpeg import jpeg
from kdsharp.degradation.noise import draw_noise
from kdsharp.degradation.registry import Degraded, register
from kdsharp.degradation.resizing import to_256_levels
from kdsharp.recipes.degradations import Camera


@register("camera", Camera)
def camera(hr: Tensor, settings: Camera, generator: torch.Generator) -> Degraded:
    count = len(hr)
    line = kernels.motion(
        uniform(count, settings.motion, generator), uniform(count, (0.0, torch.pi), generator)
    )
    moved = kernels.convolve(hr, line).clamp(0, 1)
    exposure = uniform(count, settings.exposure, generator)
    dark = moved * exposure.to(hr)[:, None, None, None]
    noisy = draw_noise(dark, settings.noise, generator)
    brightened = (noisy / exposure.to(hr)[:, None, None, None]).clamp(0, 1)
    decoded = to_256_levels(jpeg(brightened, uniform(count, settings.jpeg, generator)))
    stages = {"original": hr, "motion": moved, "too dark, noisy": noisy, "brightened": brightened}
    return Degraded(stages | {"JPEG": decoded}, decoded, decoded)
