"""What distillation is worth: the same student, data, seeds and steps, with and without each of its terms.

Most reports of distillation leave this table out. A student is trained once per variant and seed, and only the losses
differ; the mean and the standard deviation over seeds say whether a difference is one.
"""

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from kdsharp import distill, evaluate, sharpen, targets, teacher
from kdsharp.recipes import Losses, Recipe
from kdsharp.targets import TargetStore

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
) -> list[dict]:
    """Train every variant with every seed and measure it at a call of (2, 70); finished trainings are not repeated.

    Returns one row per variant: variant, seeds, and mean and standard deviation (over seeds) of `psnr_y` in dB and
    `ssim_y` on the held-out photographs, and their gain over doing nothing.
    """
    folder = Path(folder)
    stores: dict[str | None, tuple[TargetStore, TargetStore, nn.Module | None]] = {}
    rows = []
    for variant in chosen:
        if variant.teacher not in stores:
            stores[variant.teacher] = _stores(recipe, variant.teacher, photos, held_out, folder, device)
        store, validation, guide = stores[variant.teacher]
        scores = []
        for seed in seeds:
            training = dataclasses.replace(recipe.training, seed=seed)
            changed = dataclasses.replace(recipe, losses=variant.losses, training=training)
            place = folder / f"{variant.name.replace(' ', '-')}-{seed}"
            result = distill.train(changed, store, validation, place, device, vgg, guide=guide)
            student = sharpen.load_student(result.checkpoint, device)
            nothing, _unsharp, measured = evaluate.evaluate_student(
                student, changed, held_out, evaluate.fixed_call(2, 70)
            )
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


def _stores(
    recipe: Recipe,
    name: str | None,
    photos: list[Path],
    held_out: list[Path],
    folder: Path,
    device: str,
) -> tuple[TargetStore, TargetStore, nn.Module | None]:
    """Training and validation store with a teacher's targets, and its network for the feature term."""
    guide = teacher.load_teacher(name, device) if name else None
    stem = Path(name).stem if name else "none"
    store = targets.build(folder / f"targets-{stem}", photos, recipe, guide, device)
    validation = targets.build_validation(folder / "validation", held_out, recipe, device)
    return store, validation, guide.network if guide else None
