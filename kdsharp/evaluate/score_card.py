"""The score card: several methods on mild, medium and severe calls, one winner for each severity and measure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdsharp import recipes
from kdsharp.errors import KdsharpError
from kdsharp.evaluate.classic import best_unsharp, bicubic_upscale, unsharp
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


@dataclass(frozen=True)
class Measure:
    """A number for a picture beside its original, both `uint8` RGB; more is better. Printed with so many `decimals`."""

    of: Callable[[np.ndarray, np.ndarray], float]
    decimals: int
    extra: bool = False  # needs the extra `perception`


MEASURES = {
    "PSNR-Y": Measure(psnr, 2),
    "SSIM-Y": Measure(ssim, 4),
    "JOD": Measure(jod, 2, extra=True),
    "SSIMULACRA2": Measure(ssimulacra2, 1, extra=True),
}


def score_card(
    methods: dict[str, Upscaler],
    photos: list[Path],
    degradations: dict[str, Degradation] | None = None,
    measures: Sequence[str] | None = None,
    max_side: int | None = None,
) -> list[dict]:
    """Measure methods, doing nothing and the best unsharp mask on photographs, and name the winners.

    Args:
        methods: by name, what makes a picture of a degraded one, as in `evaluate_student`.
        degradations: by severity; `CALLS` unless told. Photograph k draws from the generator seeded k.
        measures: some of `MEASURES`, by name. All unless told; JOD and SSIMULACRA2 are left out, which is logged, where
            the extra `perception` is not installed.
        max_side: of larger photographs the middle, as in `evaluate_student`.

    Returns one row for each severity and measure: `severity`, `measure`, the mean over photographs of each method under
    its name, and `winner`, a list: the names of those that are best as printed, with the decimals of the measure.
    The unsharp mask is the one that has the highest mean PSNR on Y on these very photographs at this severity
    (`best_unsharp`), in the rows of the other measures too.
    Raises KdsharpError without a photograph, for an unknown measure, and for a method with the name of a column.
    """
    if not photos:
        raise KdsharpError("There is no photograph to measure on: give at least one.")
    if taken := {"severity", "measure", "winner", NOTHING, UNSHARP} & methods.keys():
        raise KdsharpError(f"A method cannot be called '{min(taken)}': that is a column of the score card.")
    chosen = _chosen(measures)
    rows = []
    for severity, degradation in (CALLS if degradations is None else degradations).items():
        pairs = [degraded_photo(path, degradation, k, max_side)[:2] for k, path in enumerate(photos)]
        scores: dict[str, list[list[float]]] = {}  # of each method, for each photograph, by measure
        for name, method in _beside_nothing(methods, pairs, scale_of(degradation)).items():
            pictures = [(method(given), hr) for hr, given in pairs]
            scores[name] = [[measure.of(*pair) for measure in chosen.values()] for pair in pictures]
        for place, (measure, how) in enumerate(chosen.items()):
            means = {name: float(np.mean([row[place] for row in found])) for name, found in scores.items()}
            winner = {"winner": _winners(means, how.decimals)}
            rows.append({"severity": severity, "measure": measure} | means | winner)
    return rows


def _chosen(names: Sequence[str] | None) -> dict[str, Measure]:
    if names is None:
        names = [name for name, measure in MEASURES.items() if perception_at_hand() or not measure.extra]
        if len(names) < len(MEASURES):
            left = ", ".join(name for name in MEASURES if name not in names)
            log.warning("not in the score card: %s (pip install 'kdsharp[perception]')", left)
    if unknown := [name for name in names if name not in MEASURES]:
        raise KdsharpError(f"There is no measure '{unknown[0]}'; choose from {', '.join(MEASURES)}.")
    return {name: MEASURES[name] for name in names}


def _beside_nothing(
    methods: dict[str, Upscaler], pairs: list[tuple[np.ndarray, np.ndarray]], scale: float
) -> dict[str, Upscaler]:
    """The methods after what costs nothing: the frame as it is seen, and the unsharp mask that fits these pairs."""

    def nothing(frame: np.ndarray) -> np.ndarray:
        return bicubic_upscale(frame, scale) if scale > 1 else frame

    seen = [(hr, nothing(frame)) for hr, frame in pairs]
    (radius, amount), _ = best_unsharp(seen)
    return {NOTHING: nothing, UNSHARP: lambda frame: unsharp(nothing(frame), radius, amount)} | methods


def _winners(values: dict[str, float], decimals: int) -> list[str]:
    printed = {name: round(value, decimals) for name, value in values.items()}
    return [name for name, value in printed.items() if value == max(printed.values())]
