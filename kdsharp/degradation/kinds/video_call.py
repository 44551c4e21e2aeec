"""A poor video call, from the sender's shrinking to the receiver's enlargement."""

import torch
from torch import Tensor

from kdsharp.degradation.chance import pick, uniform
from kdsharp.degradation.jpeg import jpeg
from kdsharp.degradation.noise import draw_noise
from kdsharp.degradation.registry import Degraded, register
from kdsharp.degradation.resizing import resize, to_256_levels
from kdsharp.recipes.degradations import VideoCall


@register("video-call", VideoCall)
def video_call(hr: Tensor, settings: VideoCall, generator: torch.Generator) -> Degraded:
    count, _, height, width = hr.shape
    if settings.clean_share and uniform(1, (0.0, 1.0), generator).item() < settings.clean_share:
        frame = to_256_levels(hr)
        return Degraded({"original": hr, "clean": frame}, frame, frame)
    factor = _call_factor(settings, generator)
    mode = pick(settings.filters, generator)
    size = (max(1, round(height / factor)), max(1, round(width / factor)))
    shrunk = resize(hr, size, mode).clamp(0, 1)
    noisy = draw_noise(shrunk, settings.noise, generator)
    decoded = to_256_levels(jpeg(noisy, uniform(count, settings.jpeg, generator)))
    enlarged = to_256_levels(resize(decoded, (height, width), settings.enlarge))
    stages = {"original": hr, f"shrunk x{factor:.2f}": shrunk, "noise": noisy, "JPEG": decoded}
    return Degraded(stages | {"enlarged": enlarged}, enlarged, decoded)


def _call_factor(settings: VideoCall, generator: torch.Generator) -> float:
    """How much this call shrinks its frames: one of the usual ratios, or any in the range."""
    if settings.usual and uniform(1, (0.0, 1.0), generator).item() < settings.usual_share:
        return pick(settings.usual, generator)
    return uniform(1, settings.shrink, generator).item()
