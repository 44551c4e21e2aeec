"""Make figures/length.json and figures/length.png: what steps buy, with one optimizer and with another.

    python -m benchmarks.length --photos PHOTOS [--student x2-s] [--steps 500 1500 5000] [--folder RUNS] [--device cuda]

Each length is a training of its own, with its own warm-up and its own way down: a longer one that is looked at early
says little of a shorter one. All learn from one target store. Rows of earlier runs of the same student stay, so that
lengths can be added; runs are taken up where they were stopped.
"""

import argparse
import dataclasses
import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from benchmarks.report import format_table
from kdsharp import evaluate, recipes
from kdsharp.course import figures
from kdsharp.disk import files
from kdsharp.distill import pipeline, targets, training
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Recipe

RATES = {"adamw": 1e-3, "soap": 4e-3}  # of learning; at 2e-3 AdamW closes all of x2-s's ReLUs for good
SETS = ("Set5", "Set14")


def variant(recipe: Recipe, optimizer: str, steps: int) -> Recipe:
    """The recipe at another length; validated once, at its end."""
    changed = dataclasses.replace(
        recipe.training,
        steps=steps,
        optimizer=optimizer,
        learning_rate=RATES[optimizer],
        validate_every=steps,
        ema=min(recipe.training.ema, max(0.0, 1 - 20 / steps)),  # an average over a twentieth of the steps
    )
    # From scratch, whatever the published one went on from.
    return dataclasses.replace(recipe, training=changed, start=None)


def run(recipe: Recipe, photos: pipeline.Photos, folder: Path, lengths: list[int], device: str) -> list[dict]:
    """Rows of student, optimizer, steps, pixels seen (of the input), seconds and PSNR-Y (dB) on each of `SETS`.

    Raises KdsharpError without KDSHARP_ASSETS, whose benchmarks are measured.
    """
    assets = files.assets_dir()
    if assets is None:
        raise KdsharpError("The benchmarks are needed: set KDSHARP_ASSETS to their folder.")
    teacher = pipeline.teacher_of(recipe, photos, folder, "full", device)
    stores = (
        targets.build(folder / "targets", photos.train, recipe.degradation, recipe.store, teacher, device),
        targets.build_validation(folder / "validation", photos.validation, recipe.degradation, recipe.store),
    )
    rows = []
    for steps in lengths:
        for optimizer in RATES:
            chosen, began = variant(recipe, optimizer, steps), time.monotonic()
            made = training.train(chosen, *stores, folder / f"{optimizer}-{steps}", device)
            row = {"student": recipe.name, "optimizer": optimizer, "steps": steps}
            settings = chosen.training
            row |= {"pixels": steps * settings.batch * settings.patch**2, "seconds": time.monotonic() - began}
            rows.append(row | _scores(made.checkpoint, assets))
    return rows


def figure(rows: list[dict]) -> Figure:
    """PSNR by steps, one panel a benchmark, one line an optimizer."""
    drawn, ((*axes,),) = plt.subplots(1, len(SETS), figsize=(9, 3.6), squeeze=False, layout="constrained")
    for axis, name in zip(axes, SETS, strict=True):
        for number, optimizer in enumerate(RATES):
            found = sorted((row["steps"], row[name]) for row in rows if row["optimizer"] == optimizer)
            if found:
                axis.plot(*zip(*found, strict=True), "o-", label=optimizer, color=figures.COLOURS[number])
        axis.set(title=name, xscale="log", xlabel="steps of the whole training", ylabel="PSNR-Y, dB")
        lengths = sorted({row["steps"] for row in rows})
        axis.set_xticks(lengths, [f"{steps:,}" for steps in lengths])
        axis.minorticks_off()
        axis.legend()
    drawn.suptitle(f"{rows[0]['student']}: what steps buy, one training for each point")
    return drawn


def _scores(checkpoint: Path, assets: Path) -> dict[str, float]:
    found = {}
    for name in SETS:
        rows = evaluate.benchmark_rows(assets / "benchmarks" / name, str(checkpoint))
        found[name] = next(row["psnr_y"] for row in rows if row["method"] == str(checkpoint))
    return found


def main(arguments: list[str] | None = None) -> None:
    """The command of this file's first lines; a KdsharpError ends it with its sentence."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="photographs to learn from")
    parser.add_argument("--student", default="x2-s", help="an upscaler of the zoo (default: %(default)s)")
    parser.add_argument("--steps", type=int, nargs="+", default=[500, 1500, 5000])
    parser.add_argument("--folder", type=Path, help="where the runs lie (default: build/length)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, default=files.root() / "figures" / "length.json")
    chosen = parser.parse_args(arguments)
    try:
        recipe = recipes.preset(chosen.student)
        photos = pipeline.photos_of(recipe, "full", chosen.photos, 4)
        folder = chosen.folder or files.work_dir() / "length" / recipe.name
        rows = run(recipe, photos, folder, chosen.steps, chosen.device)
    except KdsharpError as error:
        sys.exit(str(error))
    kept = files.read_json(chosen.json)["rows"] if chosen.json.exists() else []
    measured = {(row["optimizer"], row["steps"]) for row in rows}
    rows = [
        row
        for row in kept
        if row["student"] == recipe.name and (row["optimizer"], row["steps"]) not in measured
    ] + rows
    rows.sort(key=lambda row: (row["optimizer"], row["steps"]))
    files.write_json(chosen.json, {"rows": rows})
    figures.save(figure(rows), chosen.json.with_suffix(".png"))
    print(format_table(rows))


if __name__ == "__main__":
    main()
