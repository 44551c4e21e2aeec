"""Spoil a photograph in the order of a call: optics, the sender's resize, noise, the codec, the receiver's resize.

What a recipe's `VideoCall` can say is done by it, so that a setting found in the panel is one to train with; other
blurs and codecs are done here.
"""

import math

import numpy as np
import torch
from torch import Tensor

from kdsharp import data, recipes
from kdsharp.degradation import RESIZE_FILTERS, add_noise, codecs, degrade, kernels, resize
from kdsharp.recipes import VideoCall

BLURS = ("none", "gaussian", "motion", "defocus", "sinc")


def spoil(
    image: np.ndarray,
    blur: str,
    amount: float,
    shrink: float,
    mode: str,
    noise: float,
    codec: str,
    quality: int,
) -> tuple[np.ndarray, Tensor, int]:
    """The spoilt picture (`uint8` RGB, same size), the blur kernel (K, K), and the coded bytes (0 without codec)."""
    kernel = blur_kernel(blur, amount)
    call = as_call(blur, amount, shrink, mode, noise, codec, quality)
    if call is not None:
        degraded = degrade(data.to_tensor(image), call, torch.Generator().manual_seed(0))
        sent = data.to_image(degraded.stages["noise"])
        return data.to_image(degraded.input), kernel[0], codecs.code(sent, codec, quality)[1]
    seen = kernels.convolve(data.to_tensor(image), kernel)
    size = [max(1, round(edge / shrink)) for edge in image.shape[:2]]
    seen = resize(seen, tuple(size), mode).clamp(0, 1)
    generator = torch.Generator().manual_seed(0)
    seen = add_noise(seen, torch.tensor([noise / 255]), torch.tensor([False]), generator)
    small, coded = data.to_image(seen), 0
    if codec != "none":
        small, coded = codecs.code(small, codec, quality)
    enlarged = resize(data.to_tensor(small), image.shape[:2], "bilinear")
    return data.to_image(enlarged), kernel[0], coded


def as_call(
    blur: str, amount: float, shrink: float, mode: str, noise: float, codec: str, quality: int
) -> VideoCall | None:
    """The same as a recipe's degradation; None for what a `VideoCall` has no words for."""
    if blur not in ("none", "gaussian") or codec != "JPEG" or mode not in RESIZE_FILTERS:
        return None
    soft = {} if blur == "none" else {"soft": (amount, amount), "soft_share": 1.0}
    return VideoCall((shrink, shrink), (mode,), (noise, noise), (quality, quality), **soft)


def as_code(
    blur: str, amount: float, shrink: float, mode: str, noise: float, codec: str, quality: int
) -> str:
    """Python that makes the same: the degradation, for `kdsharp.degrade` and recipes, or a call of `panels.spoil`."""
    call = as_call(blur, amount, shrink, mode, noise, codec, quality)
    if call is None:
        return f"panels.spoil(photo, {blur!r}, {amount:g}, {shrink:g}, {mode!r}, {noise:g}, {codec!r}, {quality})[0]"
    plain = recipes.fixed_call(shrink, quality)
    made = f"kdsharp.fixed_call({shrink:g}, {quality:g})"
    own = {name: value for name, value in vars(call).items() if value != getattr(plain, name)}
    if not own:
        return made
    return f"dataclasses.replace({made}, {', '.join(f'{name}={value!r}' for name, value in own.items())})"


def blur_kernel(blur: str, amount: float) -> Tensor:
    """One kernel (1, K, K): `amount` is sigma, length, radius, or the period of the highest wave that sinc passes."""
    one = torch.tensor([1.0])
    match blur:
        case "gaussian":
            return kernels.gaussian_like(amount * one, amount * one, 0 * one, one, "gaussian")
        case "motion":
            return kernels.motion(2 * amount * one, 0.6 * one)
        case "defocus":
            return kernels.defocus(amount * one)
        case "sinc":
            return kernels.sinc(math.pi / max(1.0, amount) * one)
    kernel = torch.zeros(1, kernels.KERNEL_SIZE, kernels.KERNEL_SIZE)
    kernel[:, kernels.KERNEL_SIZE // 2, kernels.KERNEL_SIZE // 2] = 1
    return kernel
