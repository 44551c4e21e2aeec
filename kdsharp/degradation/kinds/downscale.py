"""Shrinking by a whole factor, as the super-resolution literature does it."""

import torch
from torch import Tensor

from kdsharp.degradation.chance import uniform
from kdsharp.degradation.jpeg import jpeg
from kdsharp.degradation.noise import draw_noise
from kdsharp.degradation.registry import Degraded, register
from kdsharp.degradation.resizing import resize, shrunk_size, to_256_levels
from kdsharp.recipes.degradations import Downscale


@register("downscale", Downscale)
def downscale(hr: Tensor, settings: Downscale, generator: torch.Generator) -> Degraded:
    small = resize(hr, shrunk_size(hr, settings.scale), "bicubic").clamp(0, 1)
    stages = {"original": hr, "shrunk": small}
    count = len(hr)
    dirty = torch.rand(count, generator=generator) < settings.dirty_share
    if dirty.any():
        noisy = draw_noise(small, settings.noise, generator)
        coded = jpeg(noisy, uniform(count, settings.jpeg, generator))
        small = torch.where(dirty.to(hr.device)[:, None, None, None], coded, small)
        stages["noise and JPEG"] = small
    small = to_256_levels(small)
    return Degraded(stages, small, small)
