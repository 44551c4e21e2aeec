"""Blur kernels: the six shapes of Real-ESRGAN, its sinc filter, and motion and defocus.

Every function returns float32 kernels (N, K, K) that sum to 1, one per image of a batch.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from kdsharp.degradation.chance import uniform
from kdsharp.recipes.degradations import KernelMix

KERNEL_SIZE = 21  # every kernel lies in a 21x21 window, as in Real-ESRGAN
WINDOWS = (9, 15)  # smaller windows that are tried before the whole
SINC_CUTOFF_LOW = (math.pi / 3, math.pi / 5)  # for kernels below 13 pixels, and from 13 on


def gaussian_like(sigma_x: Tensor, sigma_y: Tensor, theta: Tensor, beta: Tensor, shape: str) -> Tensor:
    """Rotated Gaussians and their two relatives (Wang et al. 2021; Liu et al. 2020 for the plateau).

    Args:
        sigma_x, sigma_y: (N,) widths in pixels along the axes rotated by `theta` (N,) radians.
        beta: (N,) exponent; ignored by the plain Gaussian.
        shape: `gaussian` exp(-q/2), `generalized` exp(-q^beta/2) or `plateau` 1/(1+q^beta), with the
            quadratic form q(x, y) of the inverse covariance.
    """
    axis = _axis(sigma_x.device)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    cos, sin = theta.cos()[:, None, None], theta.sin()[:, None, None]
    along = (x * cos + y * sin) / sigma_x[:, None, None]
    across = (-x * sin + y * cos) / sigma_y[:, None, None]
    q = along**2 + across**2
    b = beta[:, None, None]
    values = {
        "gaussian": lambda: torch.exp(-q / 2),
        "generalized": lambda: torch.exp(-(q**b) / 2),
        "plateau": lambda: 1 / (1 + q**b),
    }[shape]()
    return _normalised(values)


def sinc(cutoff: Tensor) -> Tensor:
    """Circular low-pass filters, which ring as over-sharpened pictures do: omega J1(omega r) / (2 pi r).

    `cutoff` (N,) is the angular frequency omega in radians per pixel, at most pi.
    """
    axis = _axis(cutoff.device, torch.float64)
    radius = (axis[:, None] ** 2 + axis[None, :] ** 2).sqrt()
    omega = cutoff.double()[:, None, None]
    safe = radius.clamp(min=1e-9)
    values = omega * torch.special.bessel_j1(omega * safe) / (2 * math.pi * safe)
    values[:, KERNEL_SIZE // 2, KERNEL_SIZE // 2] = cutoff.double() ** 2 / (4 * math.pi)
    return _normalised(values).float()


def motion(length: Tensor, theta: Tensor) -> Tensor:
    """Straight camera shake: a line of `length` pixels at angle `theta` radians, one pixel wide, antialiased."""
    axis = _axis(length.device)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    cos, sin = theta.cos()[:, None, None], theta.sin()[:, None, None]
    beyond = ((x * cos + y * sin).abs() - (length[:, None, None] - 1) / 2).clamp(min=0)
    distance = (beyond**2 + (-x * sin + y * cos) ** 2).sqrt()
    return _normalised((1 - distance).clamp(min=0))


def defocus(radius: Tensor) -> Tensor:
    """A lens out of focus: a uniform disc of `radius` pixels with an antialiased rim."""
    axis = _axis(radius.device)
    distance = (axis[:, None] ** 2 + axis[None, :] ** 2).sqrt()
    return _normalised((radius[:, None, None] + 0.5 - distance).clamp(0, 1))


def draw(count: int, mix: KernelMix, generator: torch.Generator) -> Tensor:
    """`count` kernels (N, 21, 21) drawn as Real-ESRGAN draws them; smaller ones are padded with zeros."""
    sizes = _odd_sizes(count, generator)
    is_sinc = uniform(count, (0.0, 1.0), generator) < mix.sinc_probability
    odds = torch.tensor(mix.shape_probabilities)
    drawn = torch.multinomial(odds, count, replacement=True, generator=generator).tolist()
    turns = torch.tensor(["aniso" in mix.shapes[index] for index in drawn])
    families = [mix.shapes[index].rpartition("_")[0] or "gaussian" for index in drawn]
    sigma_x = uniform(count, mix.sigma, generator)
    sigma_y = torch.where(turns, uniform(count, mix.sigma, generator), sigma_x)
    theta = torch.where(turns, uniform(count, (-math.pi, math.pi), generator), 0.0)
    values = _draw_sinc(sizes, generator)
    bounds = {"generalized": mix.beta_generalized, "plateau": mix.beta_plateau}
    for family in ("gaussian", *bounds):
        beta = _betas(count, bounds.get(family, (1.0, 1.0)), generator)
        chosen = torch.tensor([one == family for one in families]) & ~is_sinc
        made = gaussian_like(sigma_x, sigma_y, theta, beta, family)
        values = torch.where(chosen[:, None, None], made, values)
    return _windowed(values, sizes)


def draw_sinc(count: int, probability: float, generator: torch.Generator) -> Tensor:
    """`count` final sinc kernels; with probability 1 - `probability` a kernel is the identity."""
    sizes = _odd_sizes(count, generator)
    keep = uniform(count, (0.0, 1.0), generator) < probability
    cutoff = uniform(count, (SINC_CUTOFF_LOW[0], math.pi), generator)
    identity = torch.zeros(KERNEL_SIZE, KERNEL_SIZE)
    identity[KERNEL_SIZE // 2, KERNEL_SIZE // 2] = 1
    return torch.where(keep[:, None, None], _windowed(sinc(cutoff), sizes), identity)


def convolve(images: Tensor, kernels: Tensor) -> Tensor:
    """Each image (N, C, H, W) convolved with its own kernel (N, K, K); borders are reflected.

    Most kernels are smaller than the window that all are padded to. Images whose kernels fit into the same window of
    `WINDOWS` are convolved together, all their planes as channels of one grouped call, which processors do fastest.
    """
    largest = kernels.shape[-1]
    mode = "reflect" if min(images.shape[-2:]) > largest // 2 else "replicate"
    needed, done = _support(kernels), 0  # before the move: a GPU would have to be waited for
    kernels = kernels.to(images)
    result = torch.empty_like(images, memory_format=torch.contiguous_format)
    for window in sorted({min(window, largest) for window in (*WINDOWS, largest)}):
        chosen = ((needed > done) & (needed <= window)).nonzero()[:, 0].to(images.device)
        done = window
        if len(chosen):
            inner = slice((largest - window) // 2, (largest + window) // 2)
            weight = kernels[chosen, inner, inner].repeat_interleave(images.shape[1], 0).unsqueeze(1)
            padded = F.pad(images[chosen], (window // 2,) * 4, mode=mode).flatten(0, 1)[None]
            result[chosen] = F.conv2d(padded, weight, groups=len(weight)).view(-1, *images.shape[1:])
    return result


def _draw_sinc(sizes: Tensor, generator: torch.Generator) -> Tensor:
    """Sinc kernels (N, 21, 21) whose lowest cutoff depends on the window, as Real-ESRGAN's."""
    low = torch.where(sizes < 13, *SINC_CUTOFF_LOW)
    return sinc(low + (math.pi - low) * uniform(len(sizes), (0.0, 1.0), generator))


def _betas(count: int, bounds: tuple[float, float], generator: torch.Generator) -> Tensor:
    """Half of the exponents lie below 1 and half above, whatever the range."""
    below = uniform(count, (0.0, 1.0), generator) < 0.5
    sides = (uniform(count, (bounds[0], 1.0), generator), uniform(count, (1.0, bounds[1]), generator))
    return torch.where(below, *sides)


def _odd_sizes(count: int, generator: torch.Generator) -> Tensor:
    """Window sides (N,) of 7, 9, ... 21 pixels."""
    return torch.randint(3, 11, (count,), generator=generator) * 2 + 1


def _support(kernels: Tensor) -> Tensor:
    """The side of the smallest centred window that holds all of each kernel (N,), on the CPU."""
    filled = (kernels != 0).cpu()
    lines = filled.any(dim=2) | filled.any(dim=1)
    margins = (lines | lines.flip(1)).int().argmax(dim=1)
    return kernels.shape[-1] - 2 * margins


def _axis(device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """Pixels from the window's middle: -10 to 10."""
    return torch.arange(KERNEL_SIZE, dtype=dtype, device=device) - KERNEL_SIZE // 2


def _windowed(kernels: Tensor, sizes: Tensor) -> Tensor:
    """Kernels (N, K, K) with zeros outside a centred window of each one's size (N,), summing to 1 again."""
    distance = (torch.arange(kernels.shape[-1]) - kernels.shape[-1] // 2).abs()
    inside = torch.maximum(distance[:, None], distance) <= (sizes // 2)[:, None, None]
    return _normalised(kernels * inside)


def _normalised(kernels: Tensor) -> Tensor:
    return kernels / kernels.sum(dim=(-2, -1), keepdim=True)
