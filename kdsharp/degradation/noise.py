"""Noise of a sensor: Gaussian, and shot noise that grows with the light."""

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from kdsharp.data.colour import LUMA
from kdsharp.degradation.chance import uniform


def add_noise(images: Tensor, sigma: Tensor, grey: Tensor, generator: torch.Generator) -> Tensor:
    """Gaussian noise of `sigma` (N,) in [0, 1] units; where `grey` (N,) is true, the same on R, G and B."""
    noise = torch.randn(images.shape, generator=_beside(images, generator), device=images.device)
    noise = torch.where(grey.to(images.device)[:, None, None, None], noise[:, :1], noise)
    return (images + noise * sigma.to(images)[:, None, None, None]).clamp(0, 1)


def draw_noise(
    images: Tensor, bounds: tuple[float, float], generator: torch.Generator, grey: Tensor | None = None
) -> Tensor:
    """Gaussian noise, of colour where `grey` is not given, whose strength in 1/255 is drawn for each image."""
    sigma = uniform(len(images), bounds, generator) / 255
    grey = torch.zeros(len(images), dtype=torch.bool) if grey is None else grey
    return add_noise(images, sigma, grey, generator)


def add_poisson_noise(images: Tensor, scale: Tensor, grey: Tensor, generator: torch.Generator) -> Tensor:
    """Shot noise as Real-ESRGAN's: its variance grows with brightness, its strength with `scale` (N,)."""
    weights = images.new_tensor(LUMA)[None, :, None, None]
    luma = (images * weights).sum(1, keepdim=True)
    source = torch.where(grey.to(images.device)[:, None, None, None], luma, images)
    levels = _levels(source)
    noise = _poisson(source * levels, generator) / levels - source
    return (images + noise * scale.to(images)[:, None, None, None]).clamp(0, 1)


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
