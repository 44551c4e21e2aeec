"""Many students on the same pictures: what a system is measured on, and the mean scores of each student there."""

from collections.abc import Callable, Hashable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from kdsharp import data
from kdsharp.evaluate.classic import bicubic_shrink
from kdsharp.evaluate.metrics import psnr, ssim
from kdsharp.evaluate.photographs import Upscaler, border_of, degraded_photo
from kdsharp.evaluate.score_card import CALLS
from kdsharp.recipes import Degradation, Recipe, whole_steps
from kdsharp.recipes.degradations import VideoCall

CLEAN = "clean"
MIDDLE = 768  # pixels of a photograph that are measured: every student sees every frame
EXACT = 60.0  # dB, for a picture equal to the original, whose PSNR is infinite: rounding to 8 bits leaves 59

Pair = tuple[np.ndarray, np.ndarray]
Pairs = Callable[[], Iterator[Pair]]


def held_out(recipe: Recipe, photos: list[Path], benchmarks: list[Path]) -> dict[str, Pairs]:
    """What the recipe's students are measured on, by name: functions that give pairs of (original, what they get).

    Calls: the three of `CALLS`, and frames that arrive clean. Other degradations: `photos`, as the recipe damages them.
    Of photographs the middle `MIDDLE` pixels; photograph k gets the k-th draw. Upscalers also get `benchmarks`, folders
    of whole pictures, shrunk by bicubic as the literature does. All pictures are `uint8` RGB.
    """
    is_call = isinstance(recipe.degradation, VideoCall)
    damages = CALLS if is_call else {"photos": recipe.degradation}

    def damaged(degradation: Degradation) -> Iterator[Pair]:
        for number, path in enumerate(photos):
            yield degraded_photo(path, degradation, number, max_side=MIDDLE)[:2]

    def clean() -> Iterator[Pair]:
        for path in photos:
            original = data.centre(data.read_image(path), MIDDLE)
            yield original, original

    def shrunk(folder: Path) -> Iterator[Pair]:
        for path in data.list_photos(folder, min_size=8):
            original = data.crop_to_multiple(data.read_image(path), whole_steps(recipe.scale)[0])
            yield original, bicubic_shrink(original, recipe.scale)

    named = {folder.name: partial(shrunk, folder) for folder in benchmarks if recipe.scale > 1}
    named |= {name: partial(damaged, degradation) for name, degradation in damages.items()}
    return named | ({CLEAN: clean} if is_call else {})


def mean_scores(
    methods: dict[Hashable, Upscaler], pairs: Iterator[Pair], scale: float
) -> dict[Hashable, dict[str, float]]:
    """Mean `psnr_y` (dB, at most `EXACT`) and `ssim_y` over pairs of (original, what the methods get), by method.

    Without a border of `scale` pixels (rounded up) where a method enlarges, as the literature does.
    """
    border, found = border_of(scale), {name: [] for name in methods}
    for original, entering in pairs:
        for name, method in methods.items():
            picture = method(entering)
            fidelity = min(EXACT, psnr(picture, original, border))
            found[name].append((fidelity, ssim(picture, original, border)))
    means = {name: np.mean(scores, axis=0).tolist() for name, scores in found.items()}
    return {name: {"psnr_y": mean[0], "ssim_y": mean[1]} for name, mean in means.items()}
