"""The registry of presets: each row holds a recipe, what shorter profiles change, and the network published of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from kdsharp.errors import KdsharpError
from kdsharp.recipes.as_data import override
from kdsharp.recipes.recipe import Recipe, check_training
from kdsharp.recipes.sizes import shrunk, whole_steps

PROFILES = ("quick", "medium", "full")


@dataclass(frozen=True)
class Row:
    """A preset. `shorter` holds, by profile, the settings that it changes beyond `_cut`; without, there is none."""

    recipe: Recipe
    shorter: dict[str, Sequence[str]]
    published: str | None


ROWS: dict[str, Row] = {}


def register(
    recipe: Recipe,
    quick: Sequence[str] | None = (),
    medium: Sequence[str] | None = (),
    published: str | None = None,
) -> Recipe:
    """Add a preset by its recipe's name, in place of one of that name. Returns the recipe.

    Args:
        quick: settings, as `training.steps=300`, that the profile `quick` changes beyond its general cut; None for a
            recipe that is trained at full length only.
        medium: the same of the profile `medium`.
        published: the published network that was made by the recipe, or stands for it.

    Raises KdsharpError for a recipe or a profile that cannot be trained.
    """
    check_training(recipe)
    shorter = {"quick": quick, "medium": medium}
    row = Row(recipe, {name: own for name, own in shorter.items() if own is not None}, published)
    for profile in row.shorter:
        _shortened(row, profile)
    ROWS[recipe.name] = row
    return recipe


def presets(profile: str = "full") -> list[str]:
    """Names of the presets that have a profile: the six systems, the teachers that are trained for them, the others.

    Those with `full` alone are the published networks' own recipes.
    """
    return [name for name, row in ROWS.items() if profile == "full" or profile in row.shorter]


def preset(name: str, profile: str = "full") -> Recipe:
    """The recipe called `name`; `quick` is the same system cut down to minutes on two CPU cores, `medium` on a T4.

    Quick runs keep their teacher (whoever trains takes another where no source gives it, see `pipeline.train`), and
    switch the perceptual term off, because VGG is a large download. Medium runs keep the losses. Raises KdsharpError
    for an unknown name or profile, or for a preset without it.
    """
    if name not in ROWS:
        raise KdsharpError(f"There is no preset '{name}'; choose one of {', '.join(ROWS)}.")
    if profile not in PROFILES:
        raise KdsharpError(f"There is no profile '{profile}'; choose one of {', '.join(PROFILES)}.")
    row = ROWS[name]
    if profile == "full":
        return row.recipe
    if profile not in row.shorter:
        raise KdsharpError(
            f"'{name}' is trained at full length only: leave '{profile}' out, shorten it by --set training.steps=..., "
            f"or choose one of {', '.join(presets(profile))}."
        )
    return _shortened(row, profile)


def published_for(name: str) -> str | None:
    """The published network that stands for a preset (`call-s` for `video-call`); None if there is none."""
    return ROWS[name].published if name in ROWS else None


def trains_teacher(recipe: Recipe) -> bool:
    """Whether the recipe's teacher is a preset, to be trained first, rather than a network to load."""
    return recipe.teacher in ROWS and published_for(recipe.teacher) != recipe.teacher


def _shortened(row: Row, profile: str) -> Recipe:
    cut = _quick if profile == "quick" else _medium
    return override(row.recipe, [*cut(row.recipe), *row.shorter[profile]])


def _quick(recipe: Recipe) -> list[str]:
    """The general cut of `quick`: minutes on two cores."""
    crop = 128 - 128 % whole_steps(recipe.scale)[0]
    return [
        f'store={{"crop": {crop}, "crops_per_photo": 32}}',
        "losses.perceptual=0.0",
        "training.steps=600",
        "training.batch=8",
        "training.validate_every=150",
        f"training.patch={min(recipe.training.patch, shrunk(crop, recipe.scale))}",
    ]


def _medium(recipe: Recipe) -> list[str]:
    """The general cut of `medium`: fewer steps and crops."""
    steps, crops = min(recipe.training.steps, 3000), min(recipe.store.crops_per_photo, 16)
    return [f"training.steps={steps}", "training.validate_every=300", f"store.crops_per_photo={crops}"]
