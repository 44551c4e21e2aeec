"""What distillation is worth: the same student, data, seeds and steps, with and without each of its terms.

Most reports of distillation leave this table out. A student is trained once per variant and seed, and only the losses
differ. With one seed, all variants begin with the same weights and see the same batches, so the fair comparison is
within a seed: its mean and standard deviation over seeds say whether a difference is one, and the seconds what it cost.
"""

import dataclasses
import logging
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from kdsharp import evaluate, recipes, student
from kdsharp.deploy import load_student
from kdsharp.disk import files, identity
from kdsharp.distill import losses, pipeline, targets, training
from kdsharp.distill.features import FeatureMatch
from kdsharp.distill.perceptual import Perceptual
from kdsharp.distill.pipeline import Photos
from kdsharp.distill.targets import TargetStore
from kdsharp.recipes import Losses, Recipe

log = logging.getLogger(__name__)

COUNTED = 64  # pixels: the side of the picture on which a teacher's multiply-adds are counted


@dataclass(frozen=True)
class Variant:
    """One line of the table: its losses, and the teacher whose targets they need."""

    name: str
    losses: Losses
    teacher: str | None = None


def variants(
    perceptual_teacher: str | None, fidelity_teacher: str | None, plain: bool = False
) -> list[Variant]:
    """No distillation first, then for each teacher that is given its pictures alone, and beside the originals.

    Not `plain`: with further terms and weights, which fit systems that are not judged by PSNR alone.
    """
    chosen = [Variant("no distillation", Losses(hr=1.0))]
    if not plain:
        chosen.append(Variant("no distillation, + structure", Losses(hr=1.0, structure=0.4)))
    if teacher := perceptual_teacher:
        both = Losses(hr=0.8, teacher=0.2)
        with_vgg = dataclasses.replace(both, perceptual=0.01)
        mixed = f"0.8 original + 0.2 {Path(teacher).stem}"
        chosen += [
            Variant(f"L1 to {Path(teacher).stem} only", Losses(hr=0.0, teacher=1.0), teacher),
            Variant(mixed, both, teacher),
            Variant(f"{mixed}, + perceptual", with_vgg, teacher),
        ]
    if teacher := fidelity_teacher:
        both, mixed = Losses(hr=0.5, teacher=0.5), f"0.5 original + 0.5 {Path(teacher).stem}"
        chosen += [
            Variant(f"L1 to {Path(teacher).stem} only", Losses(hr=0.0, teacher=1.0), teacher),
            Variant(mixed, both, teacher),
        ]
        if not plain:
            mostly, with_structure = Losses(hr=0.3, teacher=0.7), dataclasses.replace(both, structure=0.4)
            chosen += [
                Variant(f"0.3 original + 0.7 {Path(teacher).stem}", mostly, teacher),
                Variant(f"{mixed}, + structure", with_structure, teacher),
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
    benchmarks: list[Path] | None = None,
) -> list[dict]:
    """Train every variant with every seed, and measure all on `evaluate.held_out`; finished runs are kept.

    A teacher that is itself a preset is trained first, at its `profile`. In `folder` every run, and every store, lies
    in a folder of its own, named by what it was made from. `benchmarks` are folders of pictures for upscalers.

    Returns one row per set of pictures (`measured`) and variant, with `student`, `seeds` (how many) and `steps`:

        psnr_y, ssim_y      mean over seeds, in dB and at most 1; with `_sd` their standard deviations
        gain_db             of `psnr_y` over doing nothing (not where the frames arrive clean)
        worth_db            gain over the first variant with the same seed: mean over seeds, `worth_db_sd` and, of every
                            seed, `worth_db_each`
        training_seconds    of a run, `target_seconds` of the targets and of a teacher that is trained first: time of
                            one core at work
        teacher_gmacs       multiply-adds of the teacher, in billions per megapixel of its picture

    Raises KdsharpError before any training if a photograph, a teacher or a term of the losses cannot be used.
    """
    folder, settings = Path(folder), (recipe.degradation, recipe.store)
    tests = evaluate.held_out(recipe, photos.validation, benchmarks or [])
    plain = {"": lambda image: evaluate.bicubic_upscale(image, recipe.scale) if recipe.scale > 1 else image}
    nothing = {name: evaluate.mean_scores(plain, pairs(), recipe.scale)[""] for name, pairs in tests.items()}
    place = _own(folder, "validation", targets.describe(photos.validation, *settings, None))
    validation = targets.build_validation(place, photos.validation, *settings, device)
    taught = {
        name: _taught(dataclasses.replace(recipe, teacher=name), photos, folder, device, profile)
        for name in dict.fromkeys(variant.teacher for variant in chosen)
    }
    for variant in chosen:
        _check(recipe, variant, taught[variant.teacher].network, vgg)
    runs = [
        [
            _trained(recipe, variant, seed, taught[variant.teacher], validation, folder, vgg, device)
            for seed in seeds
        ]
        for variant in chosen
    ]
    rows = []
    for name, scores in _measured(runs, tests, recipe.scale, device).items():
        for variant, own, checkpoints in zip(chosen, scores, runs, strict=True):
            row = {"student": recipe.name, "measured": name, "variant": variant.name, "seeds": len(seeds)}
            row |= {"steps": recipe.training.steps} | _compared(own, scores[0], nothing[name])
            row["training_seconds"] = float(np.mean([_spent(path.parent) for path in checkpoints]))
            rows.append(row | taught[variant.teacher].cost)
    return rows


def format_table(rows: list[dict]) -> str:
    """One line per set of pictures and variant."""
    columns = {
        "measured": "{measured}",
        "variant": "{variant}",
        "PSNR-Y": "{psnr_y:.2f} ± {psnr_y_sd:.2f}",
        "SSIM-Y": "{ssim_y:.4f} ± {ssim_y_sd:.4f}",
        "over nothing": "{gain_db:+.2f} dB",
        "over no distillation": "{worth_db:+.3f} ± {worth_db_sd:.3f} dB",
        "training": "{training_seconds:.0f} s",
        "targets": "{target_seconds:.0f} s",
    }
    return evaluate.text_table(rows, columns, texts=2)


def _measured(
    runs: list[list[Path]], tests: dict[str, evaluate.Pairs], scale: int, device: str
) -> dict[str, list[list[dict]]]:
    """The scores on each of the `tests` of the students of all `runs`, which are laid out alike: variants of seeds."""
    students = {path: load_student(path, device) for checkpoints in runs for path in checkpoints}
    found = {name: evaluate.mean_scores(students, pairs(), scale) for name, pairs in tests.items()}
    return {
        name: [[scores[path] for path in checkpoints] for checkpoints in runs]
        for name, scores in found.items()
    }


def _compared(scores: list[dict], first: list[dict], nothing: dict) -> dict:
    """Mean and deviation of a variant's `scores`, one for each seed, and the gain over `first`, the first variant's."""
    row = {}
    for key in ("psnr_y", "ssim_y"):
        row[key], row[f"{key}_sd"] = _mean_and_deviation([score[key] for score in scores])
    if nothing["psnr_y"] < evaluate.EXACT:
        row["gain_db"] = row["psnr_y"] - nothing["psnr_y"]
    worth = [one["psnr_y"] - other["psnr_y"] for one, other in zip(scores, first, strict=True)]
    row["worth_db"], row["worth_db_sd"] = _mean_and_deviation(worth)
    return row | {"worth_db_each": worth}


def _mean_and_deviation(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=min(1, len(values) - 1)))


@dataclass(frozen=True)
class _Taught:
    """The store with a teacher's targets, its network for the feature term, and what it cost."""

    store: TargetStore
    network: nn.Module | None
    cost: dict[str, float]


def _taught(recipe: Recipe, photos: Photos, folder: Path, device: str, profile: str) -> _Taught:
    """The targets of the recipe's teacher, which is trained first where it is a preset."""
    began, settings = time.process_time(), (recipe.degradation, recipe.store)
    described = [targets.describe(paths, *settings, None) for paths in (photos.train, photos.validation)]
    place = _own(folder, "teacher", [recipe.teacher, profile, *described])  # of one that is trained first
    listening = dataclasses.replace(recipe, losses=Losses(teacher=1.0))
    teacher = pipeline.teacher_of(listening, photos, place, profile, device)
    place = _own(folder, "targets", targets.describe(photos.train, *settings, teacher))
    store = targets.build(place, photos.train, *settings, teacher, device)
    if teacher is None:
        return _Taught(store, None, {"target_seconds": 0.0, "teacher_gmacs": 0.0})
    seconds = _spent(place, time.process_time() - began)
    work = student.multiply_adds(teacher.network, COUNTED, COUNTED) / (COUNTED * teacher.scale) ** 2 / 1e3
    return _Taught(store, teacher.network, {"target_seconds": seconds, "teacher_gmacs": round(work, 1)})


def _trained(
    recipe: Recipe,
    variant: Variant,
    seed: int,
    taught: _Taught,
    validation: TargetStore,
    folder: Path,
    vgg: str | Path | None,
    device: str,
) -> Path:
    """Train one variant with one seed; returns the student's file."""
    seeded = dataclasses.replace(recipe.training, seed=seed)
    own = dataclasses.replace(recipe, teacher=variant.teacher, losses=variant.losses, training=seeded)
    made_from = [recipes.to_dict(own), taught.store.about["made_from"], validation.about["made_from"]]
    place, began = _own(folder, f"{variant.name}-{seed}", made_from), time.process_time()
    made = training.train(own, taught.store, validation, place, device, vgg, teacher_network=taught.network)
    _spent(place, time.process_time() - began)
    log.info("%s, seed %d: validation %.2f dB", variant.name, seed, made.history[-1]["val_psnr"])
    return made.checkpoint


def _spent(place: Path, seconds: float = 0.0) -> float:
    """The seconds that what lies in `place` took when it was made: written once, because later it is only opened.

    Of what was stopped and taken up again, those since then.
    """
    record = place / "seconds.json"
    if not record.exists():
        files.write_json(record, seconds)
    return files.read_json(record)


def _check(
    recipe: Recipe, variant: Variant, teacher_network: nn.Module | None, vgg: str | Path | None
) -> None:
    """See that a variant's networks can be had and have what its losses look at, before anything is trained."""
    needs = losses.needed(variant.losses)
    if "features" in needs:
        FeatureMatch(student.build(recipe.student), teacher_network)
    if "vgg" in needs:
        Perceptual(vgg, depth=variant.losses.vgg)


def _own(folder: Path, name: str, made_from: Any) -> Path:
    """A folder's name that tells what it was made from: another teacher, photograph or setting gets another."""
    # A name has room for 255 bytes, of which a letter may take four.
    plain = re.sub(r"[^\w.]+", "-", name)[:60]
    return folder / f"{plain}-{identity.digest(made_from)[:12]}"
