"""Turn sharp photographs into what a bad camera, a resize, or a video call leaves of them.

`degrade` takes a batch of HR images and a recipe's degradation and returns every stage by name, so that each
can be looked at. Randomness comes from the generator alone: on one kind of device the same seed gives the same
pictures. What is drawn once (kernels, sizes, qualities) is the same everywhere; noise is drawn where the pictures lie.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from kdsharp.degradation import kernels
from kdsharp.degradation.jpeg import jpeg
from kdsharp.degradation.kernels import uniform
from kdsharp.errors import KdsharpError
from kdsharp.recipes.degradations import (
    Blur,
    Camera,
    Degradation,
    DegradeOnce,
    Downscale,
    Pairs,
    RealEsrgan,
    VideoCall,
)

RESIZE_FILTERS = ("area", "bilinear", "bicubic")


@dataclass(frozen=True)
class Degraded:
    """All stages of a degradation in order, each (N, 3, h, w), RGB in [0, 1].

    `input` is what the student sees; `small` what the teacher sees (the decoded frame before the enlargement).
    """

    stages: dict[str, Tensor]
    input: Tensor
    small: Tensor


def degrade(hr: Tensor, settings: Degradation, generator: torch.Generator) -> Degraded:
    """Degrade a batch (N, 3, H, W), RGB in [0, 1], on the device that it lies on.

    Geometry (shrink factor, filter, or a clean frame) is drawn once for the batch; noise, kernels and JPEG quality for
    each image.
    For `Pairs`, the batch has six planes: those of the original and of its partner (see `data.read_for`).
    Raises KdsharpError if H or W is not a multiple of an upscaling task's scale.
    """
    chain = {
        Downscale: _downscale,
        VideoCall: _video_call,
        Blur: _blur,
        Camera: _camera,
        Pairs: _pairs,
        RealEsrgan: _real_esrgan,
    }
    return chain[type(settings)](hr, settings, generator)


def resize(images: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """Resize to (height, width), antialiased when shrinking; `bicubic` has a = -0.5, as MATLAB's.

    The border is continued by its mirror image, as in MATLAB, so that the edges of the result do not darken.
    """
    if mode not in (*RESIZE_FILTERS, "nearest"):
        raise KdsharpError(f"There is no resize filter '{mode}'; choose one of {', '.join(RESIZE_FILTERS)}.")
    if mode in ("area", "nearest"):
        shrinks = size[0] <= images.shape[-2] and size[1] <= images.shape[-1]
        if mode == "nearest" or shrinks:
            return F.interpolate(images, size=size, mode=mode)
        mode = "bilinear"  # as in OpenCV: the area filter only makes sense when shrinking
    return F.interpolate(images, size=size, mode=mode, antialias=True, align_corners=False)


def add_noise(images: Tensor, sigma: Tensor, grey: Tensor, generator: torch.Generator) -> Tensor:
    """Gaussian noise of `sigma` (N,) in [0, 1] units; where `grey` (N,) is true, the same on R, G and B."""
    noise = torch.randn(images.shape, generator=_beside(images, generator), device=images.device)
    noise = torch.where(grey.to(images.device)[:, None, None, None], noise[:, :1], noise)
    return (images + noise * sigma.to(images)[:, None, None, None]).clamp(0, 1)


def add_poisson_noise(images: Tensor, scale: Tensor, grey: Tensor, generator: torch.Generator) -> Tensor:
    """Shot noise as Real-ESRGAN's: its variance grows with brightness, its strength with `scale` (N,)."""
    weights = images.new_tensor([0.299, 0.587, 0.114])[None, :, None, None]
    luma = (images * weights).sum(1, keepdim=True)
    source = torch.where(grey.to(images.device)[:, None, None, None], luma, images)
    levels = _levels(source)
    noise = _poisson(source * levels, generator) / levels - source
    return (images + noise * scale.to(images)[:, None, None, None]).clamp(0, 1)


def quantise(images: Tensor) -> Tensor:
    """Round to the 256 values that a file can hold."""
    return (images.clamp(0, 1) * 255).round() / 255


def _downscale(hr: Tensor, settings: Downscale, generator: torch.Generator) -> Degraded:
    small = _shrunk_by(hr, settings.scale)
    stages = {"original": hr, "shrunk": small}
    count = len(hr)
    dirty = torch.rand(count, generator=generator) < settings.dirty_share
    if dirty.any():
        sigma = uniform(count, settings.noise, generator) / 255
        noisy = add_noise(small, sigma, torch.zeros(count, dtype=torch.bool), generator)
        coded = jpeg(noisy, uniform(count, settings.jpeg, generator))
        small = torch.where(dirty.to(hr.device)[:, None, None, None], coded, small)
        stages["noise and JPEG"] = small
    small = quantise(small)
    return Degraded(stages, small, small)


def _video_call(hr: Tensor, settings: VideoCall, generator: torch.Generator) -> Degraded:
    count, _, height, width = hr.shape
    if settings.clean_share and uniform(1, (0.0, 1.0), generator).item() < settings.clean_share:
        frame = quantise(hr)
        return Degraded({"original": hr, "clean": frame}, frame, frame)
    factor = _call_factor(settings, generator)
    mode = settings.filters[int(torch.randint(len(settings.filters), (1,), generator=generator))]
    size = (max(1, round(height / factor)), max(1, round(width / factor)))
    shrunk = resize(hr, size, mode).clamp(0, 1)
    sigma = uniform(count, settings.noise, generator) / 255
    noisy = add_noise(shrunk, sigma, torch.zeros(count, dtype=torch.bool), generator)
    decoded = quantise(jpeg(noisy, uniform(count, settings.jpeg, generator)))
    enlarged = quantise(resize(decoded, (height, width), settings.enlarge))
    stages = {"original": hr, f"shrunk x{factor:.2f}": shrunk, "noise": noisy, "JPEG": decoded}
    return Degraded(stages | {"enlarged": enlarged}, enlarged, decoded)


def _call_factor(settings: VideoCall, generator: torch.Generator) -> float:
    """How much this call shrinks its frames: one of the usual ratios, or any in the range."""
    if settings.usual and uniform(1, (0.0, 1.0), generator).item() < settings.usual_share:
        return settings.usual[int(torch.randint(len(settings.usual), (1,), generator=generator))]
    return uniform(1, settings.shrink, generator).item()


def _blur(hr: Tensor, settings: Blur, generator: torch.Generator) -> Degraded:
    low, high = settings.amount
    amount = low + (high - low) * uniform(len(hr), (0.0, 1.0), generator) ** settings.lean
    theta = uniform(len(hr), (0.0, torch.pi), generator)
    if settings.kind == "gaussian":
        kernel = kernels.gaussian_like(amount, amount, theta, torch.ones_like(amount), "gaussian")
    elif settings.kind == "motion":
        kernel = kernels.motion(amount, theta)
    else:
        kernel = kernels.defocus(amount)
    blurred = quantise(kernels.convolve(hr, kernel))
    return Degraded({"original": hr, settings.kind: blurred}, blurred, blurred)


def _camera(hr: Tensor, settings: Camera, generator: torch.Generator) -> Degraded:
    count = len(hr)
    line = kernels.motion(
        uniform(count, settings.motion, generator), uniform(count, (0.0, torch.pi), generator)
    )
    moved = kernels.convolve(hr, line).clamp(0, 1)
    exposure = uniform(count, settings.exposure, generator)
    dark = moved * exposure.to(hr)[:, None, None, None]
    sigma = uniform(count, settings.noise, generator) / 255
    noisy = add_noise(dark, sigma, torch.zeros(count, dtype=torch.bool), generator)
    brightened = (noisy / exposure.to(hr)[:, None, None, None]).clamp(0, 1)
    decoded = quantise(jpeg(brightened, uniform(count, settings.jpeg, generator)))
    stages = {"original": hr, "motion": moved, "too dark, noisy": noisy, "brightened": brightened}
    return Degraded(stages | {"JPEG": decoded}, decoded, decoded)


def _pairs(both: Tensor, _settings: Pairs, _generator: torch.Generator) -> Degraded:
    hr, received = both[:, :3], both[:, 3:]
    return Degraded({"original": hr, "received": received}, received, received)


def _real_esrgan(hr: Tensor, settings: RealEsrgan, generator: torch.Generator) -> Degraded:
    count, _, height, width = hr.shape
    target_size = tuple(_shrunk_size(hr, settings.scale))
    stages = {"original": hr}
    once = _one_round(hr, settings.first, (height, width), generator, stages, "first")
    blurred = _maybe_blur(once, settings.second, generator)
    stages["second blur"] = blurred
    resized = _random_resize(blurred, settings.second, target_size, generator)
    noisy = _some_noise(resized, settings.second, generator)
    stages["second noise"] = noisy
    final = kernels.draw_sinc(count, settings.final_sinc_probability, generator)
    mode = _pick(RESIZE_FILTERS, generator)
    quality = uniform(count, settings.second.jpeg, generator)
    # The last JPEG comes after the sinc filter or before it, with equal odds: both orders occur on the web.
    if torch.rand(1, generator=generator) < 0.5:
        filtered = kernels.convolve(resize(noisy, target_size, mode), final).clamp(0, 1)
        small = jpeg(filtered, quality)
    else:
        coded = jpeg(noisy, quality)
        small = kernels.convolve(resize(coded, target_size, mode), final)
    small = quantise(small)
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
    return resize(images, size, _pick(RESIZE_FILTERS, generator)).clamp(0, 1)


def _some_noise(images: Tensor, settings: DegradeOnce, generator: torch.Generator) -> Tensor:
    count = len(images)
    grey = torch.rand(count, generator=generator) < settings.grey_noise_probability
    if torch.rand(1, generator=generator) < settings.gaussian_probability:
        return add_noise(images, uniform(count, settings.noise, generator) / 255, grey, generator)
    return add_poisson_noise(images, uniform(count, settings.poisson, generator), grey, generator)


def _levels(images: Tensor) -> Tensor:
    """Per image, the power of two at or above its number of distinct 8-bit values (N, 1, 1, 1)."""
    values = (images * 255).round().long().flatten(1)
    seen = torch.zeros(len(images), 256, device=images.device).scatter_(1, values, 1.0)
    return 2 ** seen.sum(1).clamp(min=2).log2().ceil()[:, None, None, None]


def _poisson(rates: Tensor, generator: torch.Generator) -> Tensor:
    """Poisson draws; on a processor each image has a generator of its own, so that all cores draw."""
    if rates.is_cuda:
        return torch.poisson(rates, _beside(rates, generator))
    seeds = torch.randint(2**62, (len(rates),), generator=generator).tolist()
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        drawn = pool.map(_poisson_of_one, rates.cpu(), seeds)
        return torch.stack(list(drawn)).to(rates)


def _poisson_of_one(rates: Tensor, seed: int) -> Tensor:
    return torch.poisson(rates, torch.Generator().manual_seed(seed))


def _beside(images: Tensor, generator: torch.Generator) -> torch.Generator:
    """The generator itself on a processor; on a GPU one of that GPU, seeded by it, so that nothing is copied there."""
    if images.device.type == "cpu":
        return generator
    seed = int(torch.randint(2**62, (1,), generator=generator))
    return torch.Generator(images.device).manual_seed(seed)


def _pick(names: tuple[str, ...], generator: torch.Generator) -> str:
    return names[int(torch.randint(len(names), (1,), generator=generator))]


def _shrunk_size(hr: Tensor, scale: int) -> list[int]:
    height, width = hr.shape[-2:]
    if height % scale or width % scale:
        raise KdsharpError(
            f"An image of {width}x{height} cannot shrink by {scale}: crop it to a multiple first."
        )
    return [height // scale, width // scale]


def _shrunk_by(hr: Tensor, scale: int) -> Tensor:
    return resize(hr, tuple(_shrunk_size(hr, scale)), "bicubic").clamp(0, 1)
