"""`kdsharp train`: photographs to a student."""

import dataclasses
from argparse import Namespace
from pathlib import Path

from kdsharp.apps.cli.arguments import (
    Commands,
    add_device,
    add_recipe,
    add_vgg,
    check_teacher,
    command,
    number,
    recipe_of,
)
from kdsharp.errors import KdsharpError
from kdsharp.recipes import checks


def add(commands: Commands) -> None:
    text = "train a preset's student (or the self-taught teacher); resumes by itself"
    added = command(commands, "train", run, text, resumes=True)
    add_device(added)
    add_recipe(added)
    added.add_argument("--folder", type=Path, help="where the run lies (default: build/train/PRESET)")
    added.add_argument("--validation", type=Path, help="a folder of photographs to validate on")
    whole = number(checks.whole(0))
    added.add_argument("--holdout", type=whole, default=4, help="photos of --photos kept for validation")
    add_vgg(added)


def run(chosen: Namespace) -> None:
    from kdsharp import data
    from kdsharp.disk import files, parallel
    from kdsharp.distill import pipeline

    recipe = pipeline.for_folder(recipe_of(chosen), chosen.photos)
    check_teacher(chosen, recipe)
    folder = chosen.folder or files.work_dir() / "train" / recipe.name
    held_out, parts = (0, ("train",)) if chosen.validation else (chosen.holdout, ("train", "val"))
    if chosen.photos and not (held_out or chosen.validation):
        raise KdsharpError(
            "--holdout 0 leaves nothing to validate on: hold out at least one, or give --validation."
        )
    photos = pipeline.photos_of(recipe, chosen.profile, chosen.photos, held_out, parts)
    if chosen.validation:
        validation = data.list_photos(chosen.validation, recipe.store.crop)
        photos = dataclasses.replace(photos, validation=validation)
    device = parallel.device(chosen.device)
    result = pipeline.train(recipe, photos, folder, chosen.profile, device, chosen.vgg)
    if parallel.rank() == 0:
        print(f"{result.checkpoint}: {result.history[-1]['val_psnr']:.2f} dB on held-out crops")
