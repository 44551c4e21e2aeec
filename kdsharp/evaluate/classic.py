"""What needs no network: the classic sharpener, and bicubic resizing as MATLAB's."""

import cv2
import numpy as np

from kdsharp.evaluate.metrics import psnr
from kdsharp.recipes import enlarged, shrunk, whole_steps

RADII = (0.7, 1.0, 1.5, 2.0, 3.0)  # pixels
AMOUNTS = (0.2, 0.4, 0.6, 0.8, 1.0, 1.3, 1.6, 2.0, 2.5, 3.0)


def unsharp(image: np.ndarray, radius: float = 1.5, amount: float = 0.7) -> np.ndarray:
    """The classic sharpener: add `amount` times what a Gaussian blur of `radius` pixels takes away."""
    blurred = cv2.GaussianBlur(image, (0, 0), radius)
    return cv2.addWeighted(image, 1 + amount, blurred, -amount, 0)


def best_unsharp(pairs: list[tuple[np.ndarray, np.ndarray]]) -> tuple[tuple[float, float], float]:
    """((radius, amount), mean PSNR on Y in dB) of the unsharp mask that scores best on (original, received) pairs.

    Pictures are `uint8` RGB (H, W, 3). It is searched on the very pictures that it is measured on, which favours the
    filter: a learnt sharpener that beats it beats every setting of `RADII` and `AMOUNTS`.
    """
    scores = {
        (radius, amount): float(
            np.mean([psnr(unsharp(received, radius, amount), hr) for hr, received in pairs])
        )
        for radius in RADII
        for amount in AMOUNTS
    }
    best = max(scores, key=scores.__getitem__)
    return best, scores[best]


def bicubic_upscale(image: np.ndarray, scale: float) -> np.ndarray:
    """Enlarge `uint8` (H, W, C) by bicubic interpolation (a = -0.5, as MATLAB's `imresize`)."""
    large, small = whole_steps(scale)
    return _imresize(image, large, small, [enlarged(side, scale) for side in image.shape[:2]])


def bicubic_shrink(image: np.ndarray, scale: float) -> np.ndarray:
    """Shrink `uint8` (H, W, C) by bicubic with antialiasing; `scale` must divide H and W into whole pixels."""
    large, small = whole_steps(scale)
    return _imresize(image, small, large, [shrunk(side, scale) for side in image.shape[:2]])


def _imresize(image: np.ndarray, new: int, old: int, size: list[int]) -> np.ndarray:
    """Bicubic resize of `uint8` (H, W, C), continued by its mirror image at the border as MATLAB does.

    `old` pixels become `new` ones, of which the first `size` (height, width) are kept.
    """
    import torch  # here, so that metrics need none of it

    from kdsharp.degradation import resize

    # The margin must map to whole pixels of the result, and outreach the (widened) kernel.
    margin, outer = 4 * old, 4 * new
    around = [(margin, margin + -side % old) for side in image.shape[:2]]
    padded = np.pad(image, (*around, (0, 0)), mode="symmetric")
    tensor = torch.from_numpy(padded).permute(2, 0, 1)[None].double() / 255
    resized = resize(tensor, tuple(side // old * new for side in padded.shape[:2]), "bicubic")[0]
    inner = resized[:, outer : outer + size[0], outer : outer + size[1]]
    return (inner.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
