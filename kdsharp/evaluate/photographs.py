"""Students on photographs, beside doing nothing, an unsharp mask and the teacher."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kdsharp import data
from kdsharp.errors import KdsharpError
from kdsharp.evaluate.classic import bicubic_upscale, unsharp
from kdsharp.evaluate.metrics import METRICS, compare
from kdsharp.evaluate.perception import jod, ssimulacra2
from kdsharp.evaluate.tables import text_table
from kdsharp.recipes import Degradation, scale_of, whole_steps

if TYPE_CHECKING:
    from kdsharp.teacher import Teacher

Upscaler = Callable[[np.ndarray], np.ndarray]


def evaluate_student(
    student: Upscaler,
    photos: list[Path],
    degradation: Degradation,
    seed: int = 0,
    teacher: Teacher | None = None,
    others: dict[str, Upscaler] | None = None,
    max_side: int | None = None,
    perception: bool = False,
) -> list[dict]:
    """Mean PSNR and SSIM over photographs of doing nothing, unsharp mask, students and teacher.

    Args:
        student: takes the degraded `uint8` picture, and enlarges by the degradation's scale; `others` are further
            students by name.
        degradation: photo k draws from the generator seeded (seed + k).
        teacher: with one, every row is also compared with the teacher's picture.
        max_side: centre-crop larger photographs to this many pixels (for quick runs), rounded down to a
            multiple of 4 and of what the scale divides.
        perception: also `jod` and `ssimulacra2` (extra `perception`), a second or two for each megapixel.

    Returns one row per method with the keys of `METRICS` (those against the teacher only where there is one), and
    `max_side` (pixels) where one is set. Raises KdsharpError if there is no photograph.
    """
    scale = scale_of(degradation)

    def enlarged(image: np.ndarray) -> np.ndarray:
        return bicubic_upscale(image, scale) if scale > 1 else image

    methods: dict[str, Upscaler] = {
        "bicubic" if scale > 1 else "input (nothing)": enlarged,
        "unsharp mask": lambda image: unsharp(enlarged(image)),
        "student": student,
    } | (others or {})
    return evaluate_methods(methods, photos, degradation, seed, teacher, max_side, perception)


def evaluate_methods(
    methods: dict[str, Upscaler],
    photos: list[Path],
    degradation: Degradation,
    seed: int = 0,
    teacher: Teacher | None = None,
    max_side: int | None = None,
    perception: bool = False,
) -> list[dict]:
    """Mean PSNR and SSIM over photographs of methods by name; arguments, rows and errors as of `evaluate_student`."""
    if not photos:
        raise KdsharpError("There is no photograph to evaluate on: give at least one.")
    scale = scale_of(degradation)
    scores: dict[str, list[dict]] = {}
    limit = {"max_side": _whole(max_side, scale)} if max_side else {}
    for number, path in enumerate(photos):
        hr, entering, small = degraded_photo(path, degradation, seed + number, max_side)
        pictures = {name: method(entering) for name, method in methods.items()}
        # A teacher of the same size gets what the student gets, whichever way the receiver has enlarged it.
        taught = entering if teacher and teacher.scale == 1 else small
        references = {"teacher": teacher_picture(teacher, taught, hr)} if teacher else {}
        rows = compare(hr, pictures | references, references, border=border_of(scale))
        for row in rows:
            if perception:
                picture = (pictures | references)[row["method"]]
                row |= {"jod": jod(picture, hr), "ssimulacra2": ssimulacra2(picture, hr)}
            scores.setdefault(row.pop("method"), []).append(row)
    return [
        {"method": name} | {key: float(np.mean([row[key] for row in rows])) for key in rows[0]} | limit
        for name, rows in scores.items()
    ]


def degraded_photo(
    path: Path, degradation: Degradation, seed: int = 0, max_side: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(hr, what the student gets, what the teacher gets) of a photograph, all `uint8` RGB."""
    import torch  # here, so that metrics need none of it

    from kdsharp.degradation import degrade

    scale = scale_of(degradation)
    image = data.crop_to_multiple(data.read_for(path, degradation), _multiple(scale))
    if max_side:
        image = data.centre(image, _whole(max_side, scale))
    result = degrade(data.to_tensor(image), degradation, torch.Generator().manual_seed(seed))
    return image[..., :3], data.to_image(result.input), data.to_image(result.small)


def teacher_picture(teacher: Teacher, small: np.ndarray, hr: np.ndarray) -> np.ndarray:
    """The teacher's picture of the small frame at the size of `hr`, `uint8` RGB."""
    from kdsharp.teacher import target_for

    return data.to_image(target_for(teacher, data.to_tensor(small), hr.shape[:2]))


def format_table(rows: list[dict]) -> str:
    """Rows as aligned text: dB and JOD with two decimals, SSIM with four, SSIMULACRA2 with one."""
    decimals = {key: 2 if key.startswith("psnr") else 4 for key in METRICS} | {"jod": 2, "ssimulacra2": 1}
    measured = [key for key in decimals if any(key in row for row in rows)]
    columns = {key: f"{{{key}:.{decimals[key]}f}}" for key in measured}
    table = text_table(rows, {"method": "{method}"} | columns)
    if rows and (side := rows[0].get("max_side")):
        table += f"\n(of photographs larger than {side} pixels, the middle {side})"
    return table


def border_of(scale: float) -> int:
    """Pixels at each side that are not measured: none in pictures that are not enlarged."""
    return math.ceil(scale) if scale > 1 else 0


def _multiple(scale: float) -> int:
    return math.lcm(4, whole_steps(scale)[0])


def _whole(side: int, scale: float) -> int:
    """`side` rounded down to what every degradation can divide."""
    multiple = _multiple(scale)
    return max(multiple, side // multiple * multiple)
