"""PSNR and SSIM as the literature takes them.

Conventions: `uint8` RGB pictures (H, W, 3); luma Y of BT.601 in the studio range (16 to 235); for upscaling, a
border of `scale` pixels is left out. SSIM is Wang et al. 2004 (Gaussian window of 11 pixels, sigma 1.5): the figures of
scikit-image's `structural_similarity`, in less time.
"""

import cv2
import numpy as np

from kdsharp.data.colour import STUDIO, STUDIO_BLACK
from kdsharp.errors import KdsharpError

METRICS = ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "psnr_y_teacher", "ssim_y_teacher")
SSIM_WINDOW = 11  # pixels; a picture must be at least as large


def luma(image: np.ndarray) -> np.ndarray:
    """Y of BT.601, studio range: float64 (H, W), 16 to 235, of RGB (H, W, 3), 0 to 255."""
    return STUDIO_BLACK + image.astype(np.float64) @ (np.array(STUDIO) / 255)


def psnr(first: np.ndarray, second: np.ndarray, border: int = 0, channel: str = "y") -> float:
    """Peak signal-to-noise ratio in dB (peak 255) on `y` or `rgb`; infinite for equal pictures."""
    one, two = _planes(first, second, border, channel)
    error = np.mean((one - two) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def ssim(first: np.ndarray, second: np.ndarray, border: int = 0, channel: str = "y") -> float:
    """Structural similarity (Wang et al. 2004), at most 1, on `y` or as the mean over `rgb`.

    Raises KdsharpError where less than the window of 11 pixels is left inside the border.
    """
    one, two = _planes(first, second, border, channel)
    if min(one.shape[:2]) < SSIM_WINDOW:
        raise KdsharpError(
            f"SSIM needs {SSIM_WINDOW} pixels inside the border, but {one.shape[:2]} are left: take a larger picture."
        )
    mean_one, mean_two = _window_mean(one), _window_mean(two)
    variances = _window_mean(one * one) - mean_one**2 + _window_mean(two * two) - mean_two**2
    covariance = _window_mean(one * two) - mean_one * mean_two
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similar = (2 * mean_one * mean_two + c1) * (2 * covariance + c2)
    return float(np.mean(similar / ((mean_one**2 + mean_two**2 + c1) * (variances + c2))))


def share_of_the_way(student: np.ndarray, given: np.ndarray, target: np.ndarray) -> float:
    """How far a student has come from what it is `given` to its teacher's picture, the `target`: pictures of one shape.

    1 - mean|student - target| / mean|given - target|: 0 for a student that does nothing, 1 for one that is the teacher,
    negative for one that goes elsewhere. Raises KdsharpError where the target is what was given: there is no way.
    """
    student, given, target = (np.asarray(picture, np.float64) for picture in (student, given, target))
    if not student.shape == given.shape == target.shape:
        raise KdsharpError(
            f"Cannot compare pictures of {student.shape}, {given.shape} and {target.shape}: bring them to one size."
        )
    whole = np.abs(given - target).mean()
    if whole == 0:
        raise KdsharpError("The target is what was given: there is no way to go, and no share of it.")
    return float(1 - np.abs(student - target).mean() / whole)


def compare(
    hr: np.ndarray,
    candidates: dict[str, np.ndarray],
    references: dict[str, np.ndarray] | None = None,
    border: int = 0,
) -> list[dict]:
    """One row of `METRICS` per candidate picture against the original `hr`, all `uint8` RGB of one size.

    Each of `references` (a teacher's picture, say) adds `psnr_y_NAME` and `ssim_y_NAME`; a picture is not compared
    with itself, because its PSNR would be infinite.
    """
    return [
        {"method": name} | _score(picture, hr, references or {}, border)
        for name, picture in candidates.items()
    ]


def _score(
    picture: np.ndarray, hr: np.ndarray, references: dict[str, np.ndarray], border: int
) -> dict[str, float]:
    row = {}
    for channel in ("y", "rgb"):
        row[f"psnr_{channel}"] = psnr(picture, hr, border, channel)
        row[f"ssim_{channel}"] = ssim(picture, hr, border, channel)
    for name, reference in references.items():
        if picture is not reference:
            row[f"psnr_y_{name}"] = psnr(picture, reference, border)
            row[f"ssim_y_{name}"] = ssim(picture, reference, border)
    return row


def _planes(
    first: np.ndarray, second: np.ndarray, border: int, channel: str
) -> tuple[np.ndarray, np.ndarray]:
    if first.shape != second.shape:
        raise KdsharpError(
            f"Cannot compare pictures of {first.shape} and {second.shape}: bring them to one size."
        )
    if channel not in ("y", "rgb"):
        raise KdsharpError(f"There is no channel '{channel}'; choose y or rgb.")
    if min(first.shape[:2]) <= 2 * border:
        raise KdsharpError(
            f"A picture of {first.shape[:2]} has nothing left inside a border of {border} pixels."
        )
    inside = slice(border, -border or None)
    pictures = [picture[inside, inside] for picture in (first, second)]
    if channel == "y" and first.ndim == 3:
        pictures = [luma(picture) for picture in pictures]
    return pictures[0].astype(np.float64), pictures[1].astype(np.float64)


def _window_mean(plane: np.ndarray) -> np.ndarray:
    """The Gaussian-weighted mean of every window that lies inside the picture: 10 rows and columns fewer."""
    kernel = cv2.getGaussianKernel(SSIM_WINDOW, 1.5)
    reach = SSIM_WINDOW // 2
    return cv2.sepFilter2D(plane, cv2.CV_64F, kernel, kernel)[reach:-reach, reach:-reach]
