"""Shrinking by a whole factor, as the super-resolution literature does it."""

import torch
from torch import Tensor

from kdsharp.degradation.chance import pick, uniform
from kdsharp.degradation.jpeg import jpeg
from kdsharp.degradation.noise import draw_noise
from kdsharp.degradation.registry import Degraded, register
from kdsharp.degradation.resizing import resize, shrunk_size, to_256_levels
from kdsharp.recipes.degradations import Downscale


@register("downscale", Downscale)
def downscale(hr: Tensor, settings: Downscale, generator: torch.Generator) -> Degraded:
    size = shrunk_size(hr, settings.scale)
    literature = resize(hr, size, "bicubic").clamp(0, 1)
    mode = pick(settings.filters, generator) if len(settings.filters) > 1 else settings.filters[0]
    small = literature if mode == "bicubic" else resize(hr, size, mode)
    stages = {"original": hr, "shrunk": small}
    count = len(hr)
    dirty = torch.rand(count, generator=generator) < settings.dirty_share
    if not dirty.any():
        return Degraded(stages, to_256_levels(small), to_256_levels(literature))
    noisy = draw_noise(small, settings.noise, generator)
    coded = jpeg(noisy, uniform(count, settings.jpeg, generator))
    small = to_256_levels(torch.where(dirty.to(hr.device)[:, None, None, None], coded, small))
    return Degraded(stages | {"noise and JPEG": small}, small, small)
