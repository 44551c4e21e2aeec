"""Upscalers on the benchmarks of the literature; `bicubic_benchmark` reproduces the published bicubic rows."""

from pathlib import Path

import numpy as np
from PIL import Image

from kdsharp import data
from kdsharp.deploy import load_student
from kdsharp.errors import KdsharpError
from kdsharp.evaluate.classic import bicubic_shrink, bicubic_upscale
from kdsharp.evaluate.metrics import luma, psnr, ssim
from kdsharp.evaluate.photographs import Upscaler, border_of
from kdsharp.recipes import whole_steps


def bicubic_benchmark(folder: Path, scale: float) -> tuple[float, float]:
    """Mean (PSNR dB, SSIM) on Y of bicubic enlargement over a benchmark folder, as the published tables.

    Luma is taken first and resized then, rounded to 8 bits each time; a greyscale file is its own luma.
    """
    scores, (multiple, _), border = [], whole_steps(scale), border_of(scale)
    for path in data.list_photos(folder, min_size=8):
        y = data.crop_to_multiple(published_luma(path), multiple)
        up = bicubic_upscale(bicubic_shrink(y[..., None], scale), scale)[..., 0]
        scores.append((psnr(up, y, border), ssim(up, y, border)))
    return tuple(np.mean(scores, axis=0).tolist())


def network_benchmark(upscale: Upscaler, folder: Path, scale: float) -> tuple[float, float]:
    """The same for an upscaler of `uint8` RGB pictures, which gets the RGB picture shrunk by bicubic."""
    scores, (multiple, _), border = [], whole_steps(scale), border_of(scale)
    for path in data.list_photos(folder, min_size=8):
        hr = data.crop_to_multiple(data.read_image(path), multiple)
        up = upscale(bicubic_shrink(hr, scale))
        scores.append((psnr(up, hr, border), ssim(up, hr, border)))
    return tuple(np.mean(scores, axis=0).tolist())


def benchmark_rows(folder: Path, upscaler: str | Path) -> list[dict]:
    """Bicubic (as published, and in RGB as the network gets it) and one of our upscalers, on one benchmark."""
    network = load_student(upscaler)
    scale = network.scale
    if scale == 1:
        raise KdsharpError(f"'{upscaler}' sharpens and does not upscale: benchmarks want x4 or teacher-x4.")
    measured = {
        f"bicubic x{scale} (published protocol)": bicubic_benchmark(folder, scale),
        f"bicubic x{scale} (RGB)": network_benchmark(
            lambda small: bicubic_upscale(small, scale), folder, scale
        ),
        str(upscaler): network_benchmark(network, folder, scale),
    }
    return [{"method": name, "psnr_y": scores[0], "ssim_y": scores[1]} for name, scores in measured.items()]


def published_luma(path: Path) -> np.ndarray:
    """8-bit luma as MATLAB's scripts took it: rgb2ycbcr rounds, and a grey file is left as it is."""
    with Image.open(path) as opened:
        if opened.mode == "L":
            return np.array(opened)
    return np.rint(luma(data.read_image(path))).astype(np.uint8)
