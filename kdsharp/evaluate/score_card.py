"""The score card: several methods on mild, medium and severe calls, one winner for each severity and measure."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdsharp import recipes
from kdsharp.errors import KdsharpError
from kdsharp.evaluate.classic import bicubic_upscale, unsharp
from kdsharp.evaluate.metrics import psnr, ssim
from kdsharp.evaluate.perception import jod, perception_at_hand, ssimulacra2
from kdsharp.evaluate.photographs import Upscaler, degraded_photo
from kdsharp.recipes import Degradation, scale_of

log = logging.getLogger(__name__)

CALLS = {
    "mild": recipes.fixed_call(1.5, 85),
    "medium": recipes.fixed_call(2.0, 70),
    "severe": recipes.fixed_call(3.0, 50),
}
NOTHING, UNSHARP = "doing nothing", "best unsharp mask"
# Radius in pixels, amount.
MASKS = tuple(itertools.product((0.7, 1.0, 1.5, 2.0, 3.0), (0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0)))
_NOT_METHODS = ("severity", "measure", "winner")


@dataclass(frozen=True)
class Measure:
    """A number for a picture beside its original, both `uint8` RGB; more is better. Printed with so many `decimals`."""

    of: Callable[[np.ndarray, np.ndarray], float]
    decimals: int


def measures_at_hand() -> dict[str, Measure]:
    """PSNR and SSIM on Y; with the extra `perception` also JOD and SSIMULACRA2."""
    found = {"PSNR-Y": Measure(psnr, 2), "SSIM-Y": Measure(ssim, 4)}
    if not perception_at_hand():
        log.warning("no JOD and SSIMULACRA2 in the score card: they need pip install kdsharp[perception]")
        return found
    return found | {
        "JOD": Measure(jod, 2),
        "SSIMULACRA2": Measure(ssimulacra2, 1),
    }


def score_card(
    methods: dict[str, Upscaler],
    photos: list[Path],
    degradations: dict[str, Degradation] | None = None,
    measures: dict[str, Measure] | None = None,
    max_side: int | None = None,
) -> list[dict]:
    """Measure methods, doing nothing and the best unsharp mask on photographs, and name the winners.

    Args:
        methods: by name, what makes a picture of a degraded one, as in `evaluate_student`.
        degradations: by severity; `CALLS` unless told. Photograph k draws from the generator seeded k.
        measures: by name; `measures_at_hand` unless told.
        max_side: of larger photographs the middle, as in `evaluate_student`.

    Returns one row for each severity and measure: `severity`, `measure`, the mean over photographs of each method under
    its name, and `winner`, a list: the names of those that are best as printed, with the decimals of the measure.
    The unsharp mask is that of `MASKS` with the highest mean PSNR on Y on these very photographs at this severity,
    which favours it: a fair rival has to be beaten so.
    Raises KdsharpError without a photograph, and for a method with the name of a column.
    """
    if not photos:
        raise KdsharpError("There is no photograph to measure on: give at least one.")
    if taken := {*_NOT_METHODS, NOTHING, UNSHARP} & methods.keys():
        raise KdsharpError(f"A method cannot be called '{min(taken)}': that is a column of the score card.")
    measures = measures_at_hand() if measures is None else measures
    rows = []
    for severity, degradation in (CALLS if degradations is None else degradations).items():
        pairs = [degraded_photo(path, degradation, k, max_side)[:2] for k, path in enumerate(photos)]
        every = _beside_nothing(methods, pairs, scale_of(degradation))
        scores = {
            name: [[measure.of(method(given), hr) for measure in measures.values()] for hr, given in pairs]
            for name, method in every.items()
        }
        for place, (name, measure) in enumerate(measures.items()):
            values = {
                method: float(np.mean([row[place] for row in found])) for method, found in scores.items()
            }
            rows.append(
                {"severity": severity, "measure": name}
                | values
                | {"winner": _winners(values, measure.decimals)}
            )
    return rows


def _beside_nothing(
    methods: dict[str, Upscaler], pairs: list[tuple[np.ndarray, np.ndarray]], scale: int
) -> dict[str, Upscaler]:
    """The methods after what costs nothing: the frame as it is seen, and the unsharp mask that fits these pairs."""

    def nothing(frame: np.ndarray) -> np.ndarray:
        return bicubic_upscale(frame, scale) if scale > 1 else frame

    seen = [(hr, nothing(frame)) for hr, frame in pairs]
    radius, amount = max(MASKS, key=lambda mask: sum(psnr(unsharp(frame, *mask), hr) for hr, frame in seen))
    return {NOTHING: nothing, UNSHARP: lambda frame: unsharp(nothing(frame), radius, amount)} | methods


def _winners(values: dict[str, float], decimals: int) -> list[str]:
    printed = {name: round(value, decimals) for name, value in values.items()}
    return [name for name, value in printed.items() if value == max(printed.values())]
