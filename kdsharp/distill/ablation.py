"""What distillation is worth: the same student, data, seeds and steps, with and without each of its terms.

Most reports of distillation leave this table out. A student is trained once per variant and seed, and only the losses
differ; the mean and the standard deviation over seeds say whether a difference is one.
"""

import dataclasses
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from kdsharp import evaluate, recipes, student
from kdsharp.deploy import load_student
from kdsharp.disk import identity
from kdsharp.distill import losses, pipeline, targets, training
from kdsharp.distill.features import FeatureMatch
from kdsharp.distill.perceptual import Perceptual
from kdsharp.distill.pipeline import Photos
from kdsharp.distill.targets import TargetStore
from kdsharp.recipes import Losses, Recipe
from kdsharp.recipes.degradations import VideoCall

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Variant:
    """One line of the table: its losses, and the teacher whose targets they need."""

    name: str
    losses: Losses
    teacher: str | None = None


def variants(perceptual_teacher: str, fidelity_teacher: str | None) -> list[Variant]:
    """No distillation, then each term alone and added, with a perceptual and (if given) a fidelity teacher."""
    chosen = [
        Variant("no distillation", Losses(hr=1.0)),
        Variant("no distillation, + structure", Losses(hr=1.0, structure=0.4)),
        Variant(f"L1 to {perceptual_teacher} only", Losses(hr=0.0, teacher=1.0), perceptual_teacher),
        Variant(f"HR + L1 to {perceptual_teacher}", Losses(hr=0.8, teacher=0.2), perceptual_teacher),
        Variant("the same + perceptual", Losses(hr=0.8, teacher=0.2, perceptual=0.01), perceptual_teacher),
    ]
    if fidelity_teacher:
        chosen += [
            Variant(f"L1 to {fidelity_teacher} only", Losses(hr=0.0, teacher=1.0), fidelity_teacher),
            Variant(f"HR + L1 to {fidelity_teacher}", Losses(hr=0.5, teacher=0.5), fidelity_teacher),
            Variant("the same + features", Losses(hr=0.5, teacher=0.5, features=0.02), fidelity_teacher),
            Variant("the same + structure", Losses(hr=0.5, teacher=0.5, structure=0.4), fidelity_teacher),
        ]
    return chosen


def run(
    recipe: Recipe,
    chosen: list[Variant],
    seeds: list[int],
    photos: Photos,
    folder: Path,
    vgg: str | Path | None = None,
    device: str = "cpu",
    profile: str = "full",
) -> list[dict]:
    """Train every variant with every seed and measure it on the recipe's own degradation; finished runs are kept.

    Calls are measured at one call of (2, 70); of any other degradation, photograph k gets the k-th draw, the same for
    all. A teacher that is itself a preset is trained first, at its `profile`. In `folder` every run, and every store,
    lies in a folder of its own, named by what it was made from.
    Returns one row per variant: variant, seeds, and mean and standard deviation (over seeds) of `psnr_y` in dB and
    `ssim_y` on the photographs for validation, and their gain over doing nothing.
    Raises KdsharpError before any training if a photograph, a teacher or a term of the losses cannot be used.
    """
    folder, settings = Path(folder), (recipe.degradation, recipe.store)
    is_call = isinstance(recipe.degradation, VideoCall)
    measured = recipes.fixed_call(2, 70) if is_call else recipe.degradation
    nothing = evaluate.evaluate_student(_do_nothing(recipe), photos.validation, measured)[0]
    place = _own(folder, "validation", targets.describe(photos.validation, *settings, None))
    validation = targets.build_validation(place, photos.validation, *settings, device)
    taught = {
        name: _taught(dataclasses.replace(recipe, teacher=name), photos, folder, device, profile)
        for name in dict.fromkeys(variant.teacher for variant in chosen)
    }
    for variant in chosen:
        _check(recipe, variant, taught[variant.teacher][1], vgg)
    rows = []
    for variant in chosen:
        store, network = taught[variant.teacher]
        scores = []
        for seed in seeds:
            seeded = dataclasses.replace(recipe.training, seed=seed)
            own = dataclasses.replace(recipe, teacher=variant.teacher, losses=variant.losses, training=seeded)
            made_from = [recipes.to_dict(own), store.about["made_from"], validation.about["made_from"]]
            place = _own(folder, f"{variant.name}-{seed}", made_from)
            result = training.train(own, store, validation, place, device, vgg, teacher_network=network)
            trained = load_student(result.checkpoint, device)
            scores.append(evaluate.evaluate_student(trained, photos.validation, measured)[-1])
            log.info("%s, seed %d: %.2f dB", variant.name, seed, scores[-1]["psnr_y"])
        rows.append(_row(variant.name, recipe.training.steps, scores, nothing))
    return rows


def format_table(rows: list[dict]) -> str:
    """One line per variant: PSNR and SSIM on Y as mean and standard deviation over seeds."""
    columns = {
        "variant": "{variant}",
        "PSNR-Y": "{psnr_y:.2f} ± {psnr_y_sd:.2f}",
        "SSIM-Y": "{ssim_y:.4f} ± {ssim_y_sd:.4f}",
        "gain over nothing": "{gain_db:+.2f} dB",
    }
    return evaluate.text_table(rows, columns)


def _row(name: str, steps: int, scores: list[dict], nothing: dict) -> dict:
    """A variant's line: mean and standard deviation of its `scores`, one for each seed."""
    row = {"variant": name, "seeds": len(scores), "steps": steps}
    for key in ("psnr_y", "ssim_y"):
        values = [score[key] for score in scores]
        row[key] = float(np.mean(values))
        row[f"{key}_sd"] = float(np.std(values, ddof=min(1, len(values) - 1)))
    return row | {"gain_db": row["psnr_y"] - nothing["psnr_y"]}


def _taught(
    recipe: Recipe, photos: Photos, folder: Path, device: str, profile: str
) -> tuple[TargetStore, nn.Module | None]:
    """The store with the targets of the recipe's teacher, and its network for the feature term."""
    settings = (recipe.degradation, recipe.store)
    described = [targets.describe(paths, *settings, None) for paths in (photos.train, photos.validation)]
    place = _own(folder, "teacher", [recipe.teacher, profile, *described])  # of one that is trained first
    listening = dataclasses.replace(recipe, losses=Losses(teacher=1.0))
    teacher = pipeline.teacher_of(listening, photos, place, profile, device)
    place = _own(folder, "targets", targets.describe(photos.train, *settings, teacher))
    return targets.build(place, photos.train, *settings, teacher, device), teacher and teacher.network


def _check(
    recipe: Recipe, variant: Variant, teacher_network: nn.Module | None, vgg: str | Path | None
) -> None:
    """See that a variant's networks can be had and have what its losses look at, before anything is trained."""
    needs = losses.needed(variant.losses)
    if "features" in needs:
        FeatureMatch(student.build(recipe.student), teacher_network)
    if "vgg" in needs:
        Perceptual(vgg, depth=variant.losses.vgg)


def _do_nothing(recipe: Recipe) -> evaluate.Upscaler:
    return lambda image: evaluate.bicubic_upscale(image, recipe.scale) if recipe.scale > 1 else image


def _own(folder: Path, name: str, made_from: Any) -> Path:
    """A folder's name that tells what it was made from: another teacher, photograph or setting gets another."""
    # A name has room for 255 bytes, of which a letter may take four.
    plain = re.sub(r"[^\w.]+", "-", name)[:60]
    return folder / f"{plain}-{identity.digest(made_from)[:12]}"
