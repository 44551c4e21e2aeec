"""A whole system: its photographs, its teacher (trained first where none is released), its stores, its student.

The same loop trains teachers and students; what differs is the recipe.
"""

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path

import torch

from kdsharp import data, recipes
from kdsharp.deploy.sharpen import Sharpener, load_student
from kdsharp.disk import files
from kdsharp.distill import losses, precision, targets, training
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Recipe
from kdsharp.recipes.degradations import Pairs
from kdsharp.teacher import OFFICIAL, Teacher, choose, load_teacher

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Photos:
    """Photographs to learn from, and others to validate on."""

    train: list[Path]
    validation: list[Path]


def photos_of(
    recipe: Recipe,
    profile: str,
    folder: Path | None = None,
    held_out: int = 4,
    parts: tuple[str, ...] = ("train", "val"),
) -> Photos:
    """The recipe's own photographs, of which only `parts` are fetched; or those of `folder`, `held_out` for validation.

    A folder with `sharp_Image/` and `blur_Image/` holds pairs, and only a recipe for `Pairs` can learn from it: see
    `for_folder`.
    """
    if folder is None:
        train, validation = (
            data.photos_for(profile, part, recipe.data) if part in parts else [] for part in ("train", "val")
        )
        return Photos(train[: recipe.photos], validation)
    wanted = data.list_pairs if isinstance(recipe.degradation, Pairs) else data.list_photos
    return Photos(*data.holdout(wanted(folder, recipe.store.crop), held_out))


def for_folder(recipe: Recipe, folder: Path | None) -> Recipe:
    """The recipe for what `folder` holds: with pairs, the degradation lies in the files. Scale 1 only."""
    if folder is None or not data.is_paired(folder):
        return recipe
    if recipe.scale != 1:
        raise KdsharpError(
            f"{folder} holds pairs of one size, and {recipe.name} enlarges: choose another preset."
        )
    return dataclasses.replace(recipe, degradation=Pairs())


def train(
    recipe: Recipe,
    photos: Photos,
    folder: Path,
    profile: str,
    device: str = "cpu",
    vgg: str | Path | None = None,
    teacher_recipe: Recipe | None = None,
) -> training.TrainingResult:
    """Make the stores and train the student in `folder`; its teacher, where that is another preset, before.

    `teacher_recipe` replaces that preset. In `quick`, a teacher that no source gives is replaced: see `at_hand`.
    Everything goes on where it was stopped; raises KdsharpError as the steps do.
    """
    recipes.check_training(recipe)
    recipe = at_hand(recipe, profile)
    teacher = teacher_of(recipe, photos, folder, profile, device, teacher_recipe)
    store = targets.build(folder / "targets", photos.train, recipe.degradation, recipe.store, teacher, device)
    validation = targets.build_validation(
        folder / "validation", photos.validation, recipe.degradation, recipe.store, device
    )
    network = teacher.network if teacher and "features" in losses.needed(recipe.losses) else None
    return training.train(recipe, store, validation, folder, device, vgg, teacher_network=network)


def at_hand(recipe: Recipe, profile: str) -> Recipe:
    """The recipe with a teacher that this machine can have: its own, fetched if need be.

    In `quick`, which has to run anywhere, the stand-in replaces one that no source gives: a warning says so, and the
    recipe, which goes into stores, runs and cards, names it. Longer profiles keep theirs, and say what is missing.
    """
    if profile != "quick" or recipe.teacher not in OFFICIAL or not _asks(recipe):
        return recipe
    name, why = choose(recipe.teacher)
    if why is None:
        return recipe
    log.warning("%s teaches instead of %s: %s", name, recipe.teacher, why)
    return dataclasses.replace(recipe, teacher=name)


def _asks(recipe: Recipe) -> bool:
    """Whether the recipe's losses listen to its teacher."""
    return bool(losses.needed(recipe.losses) & {"target", "vgg", "features"})


def teacher_of(
    recipe: Recipe,
    photos: Photos,
    folder: Path,
    profile: str,
    device: str = "cpu",
    teacher_recipe: Recipe | None = None,
) -> Teacher | None:
    """The recipe's teacher, if its losses listen to one: loaded, or trained first in `folder`/teacher."""
    if recipe.teacher is None or not _asks(recipe):
        return None
    # Targets are rounded to bytes: bfloat16 is precise enough, where it is faster. A GPU decides for itself.
    half = None if device.startswith("cuda") else recipe.training.half_on_cpu and precision.bfloat16_pays()
    if not recipes.trains_teacher(recipe):
        return load_teacher(recipe.teacher, device, half=half)
    first = teacher_recipe or recipes.preset(recipe.teacher, profile)
    first = dataclasses.replace(first, degradation=recipe.degradation)
    log.info("%s learns first", first.name)
    made = train(first, photos, folder / "teacher", profile, device)
    return load_teacher(made.checkpoint, device, half=half)


def train_student(
    photos: Path | None = None,
    recipe: Recipe | str = "video-call",
    folder: Path | None = None,
    profile: str = "quick",
    device: str | None = None,
    held_out: int = 4,
) -> Sharpener:
    """From photographs to a student that is ready for use: its teacher, target store, training and file inside.

    Args:
        photos: a folder of your own; None takes the recipe's (see `data.photos_for`).
        recipe: one by `recipes.preset`, or a preset's name, of which `profile` says how much of it.
        folder: where targets and run lie; a second call with the same goes on where the first was stopped.
        device: `cpu` or `cuda`; None takes the GPU where there is one.
        held_out: photographs of your folder that are kept for validation.

    Raises KdsharpError as the steps do: for an unknown preset, a folder without photographs, or another run's folder.
    """
    recipe = recipes.preset(recipe, profile) if isinstance(recipe, str) else recipe
    recipe = for_folder(recipe, photos)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    found = photos_of(recipe, profile, photos, held_out)
    made = train(recipe, found, Path(folder or files.work_dir() / "train" / recipe.name), profile, device)
    return load_student(made.checkpoint, device)
