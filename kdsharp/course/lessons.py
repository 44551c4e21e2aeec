"""What several notebooks need beside the face: a photograph, teachers, a degradation, all GPUs, what was recorded."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

from kdsharp import data, evaluate, recipes
from kdsharp.degradation import Degraded, degrade
from kdsharp.disk import files, parallel
from kdsharp.recipes import Degradation
from kdsharp.teacher import OFFICIAL, Teacher, at_hand, choose, load_teacher

SIDES = 8  # pixels: every degradation of the course divides sides that are multiples of it


def photograph(
    path: str | Path = "", side: int | None = None, at: tuple[int, int] | None = None
) -> np.ndarray:
    """A photograph, `uint8` RGB (H, W, 3), cropped to multiples of 8; the first held-out embedded one if none is given.

    Of a larger one the square of `side` pixels, where a side is given: the middle, or the one around the pixel `at`
    (row, column), moved inside where it would reach over a border. Raises KdsharpError for a file that is no picture.
    """
    image = data.crop_to_multiple(data.read_image(path or data.embedded_photos("val")[0]), SIDES)
    if not side or at is None:
        return data.centre(image, side) if side else image
    top, left = (
        max(0, min(middle - side // 2, edge - side)) for middle, edge in zip(at, image.shape[:2], strict=True)
    )
    return image[top : top + side, left : left + side]


def load_teachers(names: Iterable[str], device: str = "cpu") -> dict[str, Teacher]:
    """Teachers by name, fetched if need be; one that no source gives is left out, and a printed line says why."""
    loaded = {}
    for name in names:
        if name in OFFICIAL and name not in at_hand():
            print(f"{name} is fetched, once ...")
        chosen, why = choose(name)
        if why is None:
            loaded[name] = load_teacher(chosen, device)
        else:
            print(why)
    return loaded


def fixed_degradation(scale: int, shrink: float = 2.0, quality: int = 70) -> Degradation:
    """The same for every picture: a call (`fixed_call`), or for students that enlarge by `scale` a plain shrinking."""
    return recipes.fixed_call(shrink, quality) if scale == 1 else recipes.Downscale(scale=scale)


def degraded(picture: np.ndarray, degradation: Degradation, seed: int = 0) -> Degraded:
    """What a degradation does to `uint8` RGB (H, W, 3), stage by stage, for `figures.stages`."""
    return degrade(data.to_tensor(picture), degradation, torch.Generator().manual_seed(seed))


def enlarged(picture: np.ndarray, scale: int) -> np.ndarray:
    """What is seen without a student: `uint8` RGB as it is, or where a student enlarges, by bicubic interpolation."""
    return picture if scale == 1 else evaluate.bicubic_upscale(picture, scale)


def on_all_gpus(work: Callable[[str], object]) -> bool:
    """Call `work` with its own device in one process for each GPU, where there are several; returns whether it did."""
    return parallel.in_notebook(lambda: work(parallel.device("cuda")))


def recorded(name: str = "results") -> dict:
    """What was measured about the published networks, in hours that no notebook has: figures/results.json.

    `calls` gives figures/calls.json, calls in real codecs.
    """
    return files.read_json(files.results_file(name))
