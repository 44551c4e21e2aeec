"""The small frame of a poor video call, as its receiver decodes it and before anything enlarges it."""

import torch
from torch import Tensor

from kdsharp.degradation.chance import pick, uniform
from kdsharp.degradation.jpeg import jpeg
from kdsharp.degradation.noise import draw_noise
from kdsharp.degradation.registry import Degraded, register
from kdsharp.degradation.resizing import resize, shrunk_size, to_256_levels
from kdsharp.degradation.softening import soften
from kdsharp.recipes.degradations import SmallFrame


@register("small-frame", SmallFrame)
def small_frame(hr: Tensor, settings: SmallFrame, generator: torch.Generator) -> Degraded:
    size, stages = shrunk_size(hr, settings.scale), {"original": hr}
    sent = hr
    if settings.soft_share:
        stages["soft"] = sent = soften(hr, settings.soft, settings.soft_share, generator)
    shrunk = resize(sent, size, pick(settings.filters, generator)).clamp(0, 1)
    noised = draw_noise(shrunk, settings.noise, generator)
    noisy = torch.where(_some(hr, settings.noise_share, generator), noised, shrunk)
    coded = jpeg(noisy, uniform(len(hr), settings.jpeg, generator))
    decoded = to_256_levels(torch.where(_some(hr, settings.clean_share, generator), shrunk, coded))
    stages |= {f"shrunk x{settings.scale}": shrunk, "noise": noisy, "JPEG": decoded}
    return Degraded(stages, decoded, decoded)


def _some(hr: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Which of a batch, (N, 1, 1, 1)."""
    return (uniform(len(hr), (0.0, 1.0), generator) < share).to(hr.device)[:, None, None, None]
