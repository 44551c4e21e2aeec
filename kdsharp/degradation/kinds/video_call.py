"""A poor video call, from the sender's shrinking to the receiver's enlargement."""

import torch
from torch import Tensor

from kdsharp.degradation.chance import pick, uniform
from kdsharp.degradation.jpeg import jpeg
from kdsharp.degradation.noise import draw_noise
from kdsharp.degradation.receivers import enlarge
from kdsharp.degradation.registry import Degraded, register
from kdsharp.degradation.resizing import resize, to_256_levels
from kdsharp.degradation.softening import soften
from kdsharp.recipes.degradations import VideoCall


@register("video-call", VideoCall)
def video_call(hr: Tensor, settings: VideoCall, generator: torch.Generator) -> Degraded:
    count, _, height, width = hr.shape
    stages = {"original": hr}
    sent = hr
    if settings.soft_share:
        stages["soft"] = sent = soften(hr, settings.soft, settings.soft_share, generator)
    if settings.clean_share and uniform(1, (0.0, 1.0), generator).item() < settings.clean_share:
        frame = to_256_levels(sent)
        return Degraded(stages | {"clean": frame}, frame, frame)
    factor = _call_factor(settings, generator)
    mode = pick(settings.filters, generator)
    size = (max(1, round(height / factor)), max(1, round(width / factor)))
    shrunk = resize(sent, size, mode).clamp(0, 1) if size != (height, width) else sent
    quiet = settings.noise_share < 1 and uniform(1, (0.0, 1.0), generator).item() >= settings.noise_share
    noisy = shrunk if quiet else draw_noise(shrunk, settings.noise, generator)
    decoded = to_256_levels(jpeg(noisy, uniform(count, settings.jpeg, generator)))
    receiver = _receiver(settings, generator)
    enlarged = to_256_levels(enlarge(decoded, (height, width), receiver))
    stages |= {f"shrunk x{factor:.2f}": shrunk, "noise": noisy, "JPEG": decoded, "enlarged": enlarged}
    return Degraded(stages, enlarged, decoded, receiver)


def _receiver(settings: VideoCall, generator: torch.Generator) -> str:
    """The receiver's filter. Where there is but one, nothing is drawn: seeds give what they gave before."""
    if isinstance(settings.enlarge, str):
        return settings.enlarge
    return settings.enlarge[0] if len(settings.enlarge) == 1 else pick(settings.enlarge, generator)


def _call_factor(settings: VideoCall, generator: torch.Generator) -> float:
    """How much this call shrinks its frames: one of the usual ratios, or any in the range."""
    if settings.usual and uniform(1, (0.0, 1.0), generator).item() < settings.usual_share:
        return pick(settings.usual, generator)
    return uniform(1, settings.shrink, generator).item()
