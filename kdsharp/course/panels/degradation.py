"""Panel: spoil a photograph step by step, and see picture, kernel and spectrum at once."""

import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from kdsharp import data, evaluate
from kdsharp.course.panels.panel import Panel, Shown, choice, slider
from kdsharp.degradation import RESIZE_FILTERS, add_noise, codecs, kernels, resize

BLURS = ("none", "gaussian", "motion", "defocus", "sinc")


def degradation_panel(photos: list[Path], side: int = 256) -> Panel:
    """Blur, shrink, noise and codec of the middle `side` pixels of a photograph.

    The order is that of a call: optics, the sender's resize, the sensor's noise, the codec, the receiver's resize.
    """
    controls = {
        "photo": choice("photograph", {path.stem: path for path in photos}),
        "blur": choice("blur", list(BLURS), "gaussian"),
        "amount": slider("blur in pixels", 1.0, 0.5, 6.0, 0.25),
        "shrink": slider("shrink", 2.0, 1.0, 4.0, 0.25),
        "mode": choice("resize filter", list(RESIZE_FILTERS)),
        "noise": slider("noise (of 255)", 2, 0, 30),
        "codec": choice("codec", ["none", *codecs.available()], "JPEG"),
        "quality": slider("quality", 50, 5, 95, 5),
    }

    def show(photo: Path, **settings) -> Shown:
        image = data.centre(data.read_image(photo), side)
        spoilt, kernel, size = spoil(image, **settings)
        weight = (
            f"{size / 1024:.1f} KiB ({8 * size / spoilt[..., 0].size:.2f} bits per pixel)" if size else "-"
        )
        scores = f"PSNR-Y {evaluate.psnr(spoilt, image):.2f} dB, SSIM {evaluate.ssim(spoilt, image):.4f}"
        return _figure(image, spoilt, kernel), f"{scores}, coded size {weight}"

    return Panel("Spoil a photograph", controls, show)


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


def spectrum(image: np.ndarray) -> np.ndarray:
    """log10 of 1 + the magnitude of the luma's Fourier transform, low frequencies in the middle.

    A Hann window hides the jump between opposite borders, which would draw a bright cross.
    """
    luma = evaluate.luma(image) - evaluate.luma(image).mean()
    window = np.outer(np.hanning(luma.shape[0]), np.hanning(luma.shape[1]))
    return np.log10(1 + np.abs(np.fft.fftshift(np.fft.fft2(luma * window))))


def _figure(image: np.ndarray, spoilt: np.ndarray, kernel: Tensor) -> Figure:
    figure, axes = plt.subplots(2, 3, figsize=(10, 6.9), layout="constrained")
    difference = np.clip(128 + 2 * (spoilt.astype(int) - image), 0, 255).astype(np.uint8)
    top = {"original": image, "spoilt": spoilt, "difference x 2 (grey: none)": difference}
    for axis, (name, picture) in zip(axes[0], top.items(), strict=True):
        axis.imshow(picture, interpolation="nearest")
        axis.set_title(name)
    axes[1, 0].imshow(kernel, cmap="magma")
    axes[1, 0].set_title("blur kernel")
    before, after = spectrum(image), spectrum(spoilt)
    for axis, values, name in zip(axes[1, 1:], (before, after), ("original", "spoilt"), strict=True):
        axis.imshow(values, cmap="viridis", vmin=0, vmax=before.max())
        axis.set_title(f"spectrum, {name}")
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    return figure
