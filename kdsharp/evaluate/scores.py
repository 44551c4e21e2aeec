"""PSNR and SSIM as the literature takes them, and honest tables beside doing nothing.

Conventions: `uint8` RGB pictures (H, W, 3); luma Y of BT.601 in the studio range (16 to 235); for upscaling, a
border of `scale` pixels is left out. SSIM is Wang et al. 2004 (Gaussian window of 11 pixels, sigma 1.5): the figures of
scikit-image's `structural_similarity`, in less time. `benchmark_rows` reproduces the published bicubic rows.
"""

import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from kdsharp import data
from kdsharp.degradation import degrade, resize
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Degradation
from kdsharp.teacher import Teacher, target_for

Upscaler = Callable[[np.ndarray], np.ndarray]
METRICS = ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "psnr_y_teacher", "ssim_y_teacher")
SSIM_WINDOW = 11  # pixels; a picture must be at least as large
_STUDIO = np.array([65.481, 128.553, 24.966]) / 255


def luma(image: np.ndarray) -> np.ndarray:
    """Y of BT.601, studio range: float64 (H, W), 16 to 235, of RGB (H, W, 3), 0 to 255."""
    return 16 + image.astype(np.float64) @ _STUDIO


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


def unsharp(image: np.ndarray, radius: float = 1.5, amount: float = 0.7) -> np.ndarray:
    """The classic sharpener: add `amount` times what a Gaussian blur of `radius` pixels takes away."""
    blurred = cv2.GaussianBlur(image, (0, 0), radius)
    return cv2.addWeighted(image, 1 + amount, blurred, -amount, 0)


def bicubic_upscale(image: np.ndarray, scale: int) -> np.ndarray:
    """Enlarge `uint8` (H, W, C) by bicubic interpolation (a = -0.5, as MATLAB's `imresize`)."""
    return _imresize(image, image.shape[0] * scale, image.shape[1] * scale)


def bicubic_shrink(image: np.ndarray, scale: int) -> np.ndarray:
    """Shrink `uint8` (H, W, C) by bicubic with antialiasing; H and W must be multiples of `scale`."""
    return _imresize(image, image.shape[0] // scale, image.shape[1] // scale)


def bicubic_benchmark(folder: Path, scale: int) -> tuple[float, float]:
    """Mean (PSNR dB, SSIM) on Y of bicubic enlargement over a benchmark folder, as the published tables.

    Luma is taken first and resized then, rounded to 8 bits each time; a greyscale file is its own luma.
    """
    scores = []
    for path in data.list_photos(folder, min_size=8):
        y = data.crop_to_multiple(_published_luma(path), scale)
        up = bicubic_upscale(bicubic_shrink(y[..., None], scale), scale)[..., 0]
        scores.append((psnr(up, y, scale), ssim(up, y, scale)))
    return tuple(np.mean(scores, axis=0).tolist())


def network_benchmark(upscale: Upscaler, folder: Path, scale: int) -> tuple[float, float]:
    """The same for an upscaler of `uint8` RGB pictures, which gets the RGB picture shrunk by bicubic."""
    scores = []
    for path in data.list_photos(folder, min_size=8):
        hr = data.crop_to_multiple(data.read_image(path), scale)
        up = upscale(bicubic_shrink(hr, scale))
        scores.append((psnr(up, hr, scale), ssim(up, hr, scale)))
    return tuple(np.mean(scores, axis=0).tolist())


def benchmark_rows(folder: Path, upscaler: str | Path) -> list[dict]:
    """Bicubic (as published, and in RGB as the network gets it) and one of our upscalers, on one benchmark."""
    from kdsharp.deploy.sharpen import load_student

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


def evaluate_student(
    student: Upscaler,
    photos: list[Path],
    degradation: Degradation,
    seed: int = 0,
    teacher: Teacher | None = None,
    others: dict[str, Upscaler] | None = None,
    max_side: int | None = None,
) -> list[dict]:
    """Mean PSNR and SSIM over photographs of doing nothing, unsharp mask, students and teacher.

    Args:
        student: takes the degraded `uint8` picture, and enlarges by the degradation's scale; `others` are further
            students by name.
        degradation: photo k draws from the generator seeded (seed + k).
        teacher: with one, every row is also compared with the teacher's picture.
        max_side: centre-crop larger photographs to this many pixels (for quick runs), rounded down to a
            multiple of 4 and of the scale.

    Returns one row per method with the keys of `METRICS` (those against the teacher only where there is one), and
    `max_side` (pixels) where one is set. Raises KdsharpError if there is no photograph.
    """
    if not photos:
        raise KdsharpError("There is no photograph to evaluate on: give at least one.")
    scale = scale_of(degradation)

    def enlarged(image: np.ndarray) -> np.ndarray:
        return bicubic_upscale(image, scale) if scale > 1 else image

    methods: dict[str, Upscaler] = {
        "bicubic" if scale > 1 else "input (nothing)": enlarged,
        "unsharp mask": lambda image: unsharp(enlarged(image)),
        "student": student,
    } | (others or {})
    scores: dict[str, list[dict]] = {}
    limit = {"max_side": _whole(max_side, scale)} if max_side else {}
    for number, path in enumerate(photos):
        hr, entering, small = degraded_photo(path, degradation, seed + number, max_side)
        pictures = {name: method(entering) for name, method in methods.items()}
        references = {"teacher": teacher_picture(teacher, small, hr)} if teacher else {}
        rows = compare(hr, pictures | references, references, border=scale if scale > 1 else 0)
        for row in rows:
            scores.setdefault(row.pop("method"), []).append(row)
    return [
        {"method": name} | {key: float(np.mean([row[key] for row in rows])) for key in rows[0]} | limit
        for name, rows in scores.items()
    ]


def degraded_photo(
    path: Path, degradation: Degradation, seed: int = 0, max_side: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(hr, what the student gets, what the teacher gets) of a photograph, all `uint8` RGB."""
    scale = scale_of(degradation)
    image = data.crop_to_multiple(data.read_for(path, degradation), math.lcm(4, scale))
    if max_side:
        image = data.centre(image, _whole(max_side, scale))
    result = degrade(data.to_tensor(image), degradation, torch.Generator().manual_seed(seed))
    return image[..., :3], data.to_image(result.input), data.to_image(result.small)


def teacher_picture(teacher: Teacher, small: np.ndarray, hr: np.ndarray) -> np.ndarray:
    """The teacher's picture of the small frame at the size of `hr`, `uint8` RGB."""
    return data.to_image(target_for(teacher, data.to_tensor(small), hr.shape[:2]))


def scale_of(degradation: Degradation) -> int:
    """By how much the student enlarges what this degradation leaves: 1 where it sharpens."""
    return getattr(degradation, "scale", 1)


def format_table(rows: list[dict]) -> str:
    """Rows as aligned text: dB with two decimals, SSIM with four."""
    if not rows:
        return "(no rows)"
    keys = [key for key in METRICS if any(key in row for row in rows)]
    width = max(len(str(row["method"])) for row in rows)
    widths = {key: max(7, len(key)) for key in keys}
    lines = [f"{'method':{width}}  " + "  ".join(f"{key:>{widths[key]}}" for key in keys)]
    for row in rows:
        cells = (
            f"{row[key]:{widths[key]}.{2 if key[0] == 'p' else 4}f}"
            if key in row
            else f"{'-':>{widths[key]}}"
            for key in keys
        )
        lines.append(f"{row['method']:{width}}  " + "  ".join(cells))
    if side := rows[0].get("max_side"):
        lines.append(f"(of photographs larger than {side} pixels, the middle {side})")
    return "\n".join(lines)


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


def _published_luma(path: Path) -> np.ndarray:
    """8-bit luma as MATLAB's scripts took it: rgb2ycbcr rounds, and a grey file is left as it is."""
    with Image.open(path) as opened:
        if opened.mode == "L":
            return np.array(opened)
    return np.rint(luma(data.read_image(path))).astype(np.uint8)


def _imresize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bicubic resize of `uint8` (H, W, C), continued by its mirror image at the border as MATLAB does."""
    # The margin must map to whole pixels of the result, and outreach the (widened) kernel.
    shrink = max(1, image.shape[0] // height)
    margin = 4 * shrink
    padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    tensor = torch.from_numpy(padded).permute(2, 0, 1)[None].double() / 255
    ratio = height / image.shape[0]
    outer = round(margin * ratio)
    resized = resize(tensor, (height + 2 * outer, width + 2 * outer), "bicubic")[0]
    inner = resized[:, outer : outer + height, outer : outer + width]
    return (inner.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()


def _whole(side: int, scale: int) -> int:
    """`side` rounded down to what every degradation can divide."""
    multiple = math.lcm(4, scale)
    return max(multiple, side // multiple * multiple)
