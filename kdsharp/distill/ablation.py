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
from kdsharp.deploy import sharpen
from kdsharp.disk import identity
from kdsharp.distill import losses, pipeline, targets, training
from kdsharp.distill.features import FeatureMatch
from kdsharp.distill.perceptual import Perceptual
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
    photos: list[Path],
    held_out: list[Path],
    folder: Path,
    vgg: str | Path | None = None,
    device: str = "cpu",
    profile: str = "full",
) -> list[dict]:
    """Train every variant with every seed and measure it on the recipe's own damage; finished trainings are kept.

    Calls are measured at one call of (2, 70); of any other damage, photograph k gets the k-th draw, the same for all.
    A teacher that is itself a preset is trained first, at its `profile`. In `folder` every run, and every store, lies
    in a folder of its own, named by what it was made from.
    Returns one row per variant: variant, seeds, and mean and standard deviation (over seeds) of `psnr_y` in dB and
    `ssim_y` on the held-out photographs, and their gain over doing nothing.
    Raises KdsharpError before any training if a photograph, a teacher or a term of the losses cannot be used.
    """
    folder, settings = Path(folder), (recipe.degradation, recipe.store)
    is_call = isinstance(recipe.degradation, VideoCall)
    damage = recipes.fixed_call(2, 70) if is_call else recipe.degradation
    nothing = evaluate.evaluate_student(_do_nothing(recipe), held_out, damage)[0]
    validation_folder = _own(folder, "validation", targets.describe(held_out, *settings, None))
    validation = targets.build_validation(validation_folder, held_out, *settings, device)
    teachers = {
        name: _taught(recipe, name, photos, held_out, folder, device, profile)
        for name in dict.fromkeys(variant.teacher for variant in chosen)
    }
    for variant in chosen:
        _check(recipe, variant, teachers[variant.teacher][1], vgg)
    rows = []
    for variant in chosen:
        store, guide = teachers[variant.teacher]
        scores = []
        for seed in seeds:
            seeded = dataclasses.replace(recipe.training, seed=seed)
            changed = dataclasses.replace(
                recipe, teacher=variant.teacher, losses=variant.losses, training=seeded
            )
            made_from = [recipes.to_dict(changed), store.about["made_from"], validation.about["made_from"]]
            place = _own(folder, f"{variant.name}-{seed}", made_from)
            result = training.train(changed, store, validation, place, device, vgg, teacher_network=guide)
            trained = sharpen.load_student(result.checkpoint, device)
            measured = evaluate.evaluate_student(trained, held_out, damage)[-1]
            scores.append((measured["psnr_y"], measured["ssim_y"]))
            log.info("%s, seed %d: %.2f dB", variant.name, seed, measured["psnr_y"])
        means, deviations = np.mean(scores, axis=0), np.std(scores, axis=0, ddof=min(1, len(seeds) - 1))
        rows.append(
            {
                "variant": variant.name,
                "seeds": len(seeds),
                "steps": recipe.training.steps,
                "psnr_y": float(means[0]),
                "psnr_y_sd": float(deviations[0]),
                "ssim_y": float(means[1]),
                "ssim_y_sd": float(deviations[1]),
                "gain_db": float(means[0]) - nothing["psnr_y"],
            }
        )
    return rows


def format_table(rows: list[dict]) -> str:
    """One line per variant: PSNR and SSIM on Y as mean and standard deviation over seeds."""
    width = max(len(row["variant"]) for row in rows)
    lines = [f"{'variant':{width}}  {'PSNR-Y':>14}  {'SSIM-Y':>16}  gain over nothing"]
    for row in rows:
        psnr = f"{row['psnr_y']:.2f} ± {row['psnr_y_sd']:.2f}"
        ssim = f"{row['ssim_y']:.4f} ± {row['ssim_y_sd']:.4f}"
        lines.append(f"{row['variant']:{width}}  {psnr:>14}  {ssim:>16}  {row['gain_db']:+.2f} dB")
    return "\n".join(lines)


def _taught(
    recipe: Recipe,
    name: str | None,
    photos: list[Path],
    held_out: list[Path],
    folder: Path,
    device: str,
    profile: str,
) -> tuple[TargetStore, nn.Module | None]:
    """The store with a teacher's targets, and its network for the feature term."""
    settings = (recipe.degradation, recipe.store)
    taught = dataclasses.replace(recipe, teacher=name, losses=Losses(teacher=1.0))
    made_from = [name, profile, *(targets.describe(paths, *settings, None) for paths in (photos, held_out))]
    place = _own(folder, "teacher", made_from)  # of one that is trained first
    guide = pipeline.teacher_of(taught, pipeline.Photos(photos, held_out), place, profile, device)
    store_folder = _own(folder, "targets", targets.describe(photos, *settings, guide))
    return targets.build(store_folder, photos, *settings, guide, device), guide and guide.network


def _check(recipe: Recipe, variant: Variant, guide: nn.Module | None, vgg: str | Path | None) -> None:
    """See that a variant's networks can be had and have what its losses look at, before anything is trained."""
    needs = losses.needed(variant.losses)
    if "features" in needs:
        FeatureMatch(student.build(recipe.student), guide)
    if "vgg" in needs:
        Perceptual(vgg, depth=variant.losses.vgg)


def _do_nothing(recipe: Recipe) -> evaluate.Upscaler:
    return lambda image: evaluate.bicubic_upscale(image, recipe.scale) if recipe.scale > 1 else image


def _own(folder: Path, name: str, made_from: Any) -> Path:
    """A folder's name that tells what it was made from: another teacher, photograph or setting gets another."""
    # A name has room for 255 bytes, of which a letter may take four.
    plain = re.sub(r"[^\w.]+", "-", name)[:60]
    return folder / f"{plain}-{identity.digest(made_from)[:12]}"
