"""The second-order degradation of Real-ESRGAN (Wang et al. 2021): two rounds of everything, and sinc filters."""

import torch
from torch import Tensor

from kdsharp.degradation import kernels
from kdsharp.degradation.chance import pick, uniform
from kdsharp.degradation.jpeg import jpeg
from kdsharp.degradation.noise import add_poisson_noise, draw_noise
from kdsharp.degradation.registry import Degraded, register
from kdsharp.degradation.resizing import RESIZE_FILTERS, resize, shrunk_size, to_256_levels
from kdsharp.recipes.degradations import DegradeOnce, RealEsrgan


@register("real-esrgan", RealEsrgan)
def real_esrgan(hr: Tensor, settings: RealEsrgan, generator: torch.Generator) -> Degraded:
    count, _, height, width = hr.shape
    target_size = shrunk_size(hr, settings.scale)
    stages = {"original": hr}
    once = _one_round(hr, settings.first, (height, width), generator, stages, "first")
    blurred = _maybe_blur(once, settings.second, generator)
    stages["second blur"] = blurred
    resized = _random_resize(blurred, settings.second, target_size, generator)
    noisy = _some_noise(resized, settings.second, generator)
    stages["second noise"] = noisy
    final = kernels.draw_sinc(count, settings.final_sinc_probability, generator)
    mode = pick(RESIZE_FILTERS, generator)
    quality = uniform(count, settings.second.jpeg, generator)
    # The last JPEG comes after the sinc filter or before it, with equal odds: both orders occur on the web.
    if torch.rand(1, generator=generator) < 0.5:
        filtered = kernels.convolve(resize(noisy, target_size, mode), final).clamp(0, 1)
        small = jpeg(filtered, quality)
    else:
        coded = jpeg(noisy, quality)
        small = kernels.convolve(resize(coded, target_size, mode), final)
    small = to_256_levels(small)
    return Degraded(stages | {"sinc and JPEG": small}, small, small)


def _one_round(
    images: Tensor,
    settings: DegradeOnce,
    base: tuple[int, int],
    generator: torch.Generator,
    stages: dict[str, Tensor],
    name: str,
) -> Tensor:
    """Blur, resize, noise and JPEG, each stage recorded under `name`."""
    stages[f"{name} blur"] = blurred = _maybe_blur(images, settings, generator)
    stages[f"{name} resize"] = resized = _random_resize(blurred, settings, base, generator)
    stages[f"{name} noise"] = noisy = _some_noise(resized, settings, generator)
    stages[f"{name} JPEG"] = coded = jpeg(noisy, uniform(len(images), settings.jpeg, generator))
    return coded


def _maybe_blur(images: Tensor, settings: DegradeOnce, generator: torch.Generator) -> Tensor:
    if torch.rand(1, generator=generator) >= settings.blur_probability:
        return images
    return kernels.convolve(images, kernels.draw(len(images), settings.kernel, generator)).clamp(0, 1)


def _random_resize(
    images: Tensor, settings: DegradeOnce, base: tuple[int, int], generator: torch.Generator
) -> Tensor:
    """Resize to `base` times a random factor: larger, smaller or the same, by the recipe's odds."""
    odds = torch.tensor(settings.resize_probabilities)
    direction = int(torch.multinomial(odds, 1, generator=generator))
    low, high = settings.resize
    bounds = ((1.0, high), (low, 1.0), (1.0, 1.0))[direction]
    factor = uniform(1, bounds, generator).item()
    size = (max(1, round(base[0] * factor)), max(1, round(base[1] * factor)))
    return resize(images, size, pick(RESIZE_FILTERS, generator)).clamp(0, 1)


def _some_noise(images: Tensor, settings: DegradeOnce, generator: torch.Generator) -> Tensor:
    count = len(images)
    grey = torch.rand(count, generator=generator) < settings.grey_noise_probability
    if torch.rand(1, generator=generator) < settings.gaussian_probability:
        return draw_noise(images, settings.noise, generator, grey)
    return add_poisson_noise(images, uniform(count, settings.poisson, generator), grey, generator)
