"""A faint blur of some frames, as a lens or a camera's own processing leaves it."""

import torch
from torch import Tensor

from kdsharp.degradation import kernels
from kdsharp.degradation.chance import uniform


def soften(images: Tensor, sigma: tuple[float, float], share: float, generator: torch.Generator) -> Tensor:
    """A `share` of the images (N, C, H, W) in [0, 1] blurred by Gaussians whose `sigma`, in pixels, is drawn."""
    soft = uniform(len(images), (0.0, 1.0), generator) < share
    width = uniform(len(images), sigma, generator).clamp(min=0.05)  # which blurs nothing
    round_ = torch.zeros_like(width), torch.ones_like(width)
    blurred = kernels.convolve(images, kernels.gaussian_like(width, width, *round_, "gaussian")).clamp(0, 1)
    return torch.where(soft.to(images.device)[:, None, None, None], blurred, images)
