"""The brief's own test: more than a hundred frames in five categories, through mild, medium and severe calls.

An SSIM figure without its degradation says nothing, so every row names its call, beside doing nothing.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from benchmarks import scenes
from kdsharp import data, evaluate, recipes
from kdsharp.degradation import degrade
from kdsharp.errors import KdsharpError
from kdsharp.evaluate.score_card import CALLS as SCORE_CARD

CALLS = {
    name: (call.shrink[0], call.jpeg[0]) for name, call in SCORE_CARD.items()
}  # shrink factor, JPEG quality
DRAWN = {"text": 8, "graphics": 6}  # frames that `scenes` adds to a folder's own
Method = Callable[[np.ndarray], np.ndarray]


def frames(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """(category, `uint8` RGB picture) of a folder with one subfolder per category, then of the drawn frames.

    Pictures are cropped to a multiple of 4. Raises KdsharpError if the folder has no subfolder with pictures.
    """
    photos = {
        inner.name: data.list_photos(inner)
        for inner in sorted(Path(folder).iterdir() if Path(folder).is_dir() else [])
        if inner.is_dir()
    }
    if not any(photos.values()):
        raise KdsharpError(f"{folder} needs one subfolder of pictures per category, as people/ and text/.")
    for category, paths in photos.items():
        for path in paths:
            yield category, data.crop_to_multiple(data.read_image(path), 4)
    for category, count in DRAWN.items():
        for number in range(count):
            yield category, scenes.draw(category, number)


def run(folder: Path, methods: dict[str, Method]) -> list[dict]:
    """Mean SSIM and PSNR on Y of every method, by call and category; doing nothing and unsharp mask come first.

    Args:
        folder: one subfolder per category.
        methods: each takes the received `uint8` RGB frame and gives one of the same size.

    Rows have the keys method, call, category, frames, ssim_y, psnr_y; the category `all` is the mean over frames.
    """
    methods = {"nothing": lambda frame: frame, "unsharp mask": evaluate.unsharp} | methods
    scores: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    for category, hr in tqdm(frames(folder), desc="frames", unit="frame"):
        for call, (shrink, quality) in CALLS.items():
            settings = recipes.fixed_call(shrink, quality)
            received = degrade(data.to_tensor(hr), settings, torch.Generator().manual_seed(0)).input
            received = data.to_image(received)
            for name, method in methods.items():
                picture = method(received)
                score = evaluate.ssim(picture, hr), evaluate.psnr(picture, hr)
                for group in (category, "all"):
                    scores.setdefault((name, call, group), []).append(score)
    return [
        {
            "method": method,
            "call": call,
            "category": category,
            "frames": len(values),
            "ssim_y": float(np.mean([ssim for ssim, _ in values])),
            "psnr_y": float(np.mean([psnr for _, psnr in values])),
        }
        for (method, call, category), values in scores.items()
    ]
