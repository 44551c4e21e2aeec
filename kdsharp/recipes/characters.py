"""One student, three upbringings: without a teacher, with one for fidelity, with one that draws detail.

What a student becomes follows from whom it listens to. Trained side by side from the same initial weights, on the same
inputs, the three show what a teacher brings, and what it costs.
"""

import dataclasses

from kdsharp.recipes.degradations import Degradation, Downscale, RealEsrgan, SmallFrame, VideoCall, scale_of
from kdsharp.recipes.recipe import Losses, Recipe
from kdsharp.recipes.teaching import FIDELITY_TEACHER, LIKE_FIDELITY_TEACHER

# Trained against a discriminator: what the damage took away, they draw anew. RealESRNet is none of them.
_DRAWS_DETAIL = ("RealESRGAN_", "realesr-")
_PLAIN = {"perceptual": 0.0, "contrast": 0.0}  # without the terms that ask for crispness


def characters(recipe: Recipe) -> dict[str, Recipe]:
    """The recipe's student as up to three recipes that differ in teacher and losses alone, by character.

    `alone` learns from the originals without any teacher. `fidelity` has a teacher that was trained to be right: the
    recipe's own if it is such a one, else `call-ceiling` for calls, SPAN for plain upscaling by 2 or 4, RealESRNet for
    Real-ESRGAN's degradation. `perceptual` is the recipe itself, whose teacher or losses want what looks crisp.

    Network, seed (so the initial weights), degradation and store are the recipe's in all three. A character that there
    is not is left out: `fidelity` where nobody teaches it, `perceptual` where the recipe is one of the other two.
    """
    name = fidelity_teacher(recipe)
    faithful = None
    if name == recipe.teacher and name is not None:
        faithful = dataclasses.replace(recipe, losses=dataclasses.replace(recipe.losses, **_PLAIN))
    elif name is not None:
        faithful = dataclasses.replace(recipe, teacher=name, losses=LIKE_FIDELITY_TEACHER)
    found = {"alone": dataclasses.replace(recipe, teacher=None, losses=_alone((faithful or recipe).losses))}
    if faithful:
        found["fidelity"] = faithful
    if recipe.teacher and recipe != faithful:
        found["perceptual"] = recipe
    return {
        character: one if one == recipe else dataclasses.replace(one, name=f"{recipe.name}-{character}")
        for character, one in found.items()
    }


def fidelity_teacher(recipe: Recipe) -> str | None:
    """The teacher that the recipe's student would learn fidelity from; None if none is known."""
    known = _fidelity_teacher_for(recipe.degradation)
    if known or recipe.teacher is None or recipe.teacher.startswith(_DRAWS_DETAIL):
        return known
    return recipe.teacher


def _fidelity_teacher_for(degradation: Degradation) -> str | None:
    """A network that was trained to undo just this damage, by a distance to the originals."""
    scale = scale_of(degradation)
    if isinstance(degradation, VideoCall | SmallFrame):
        return FIDELITY_TEACHER
    if isinstance(degradation, Downscale) and scale in (2, 4):
        return f"spanx{scale}_ch48"
    if isinstance(degradation, RealEsrgan) and scale == 4:
        return "RealESRNet_x4plus"
    return None


def _alone(losses: Losses) -> Losses:
    """The same losses with all that went to a teacher given to the original."""
    share = losses.hr + losses.teacher + losses.soft or 1.0
    return dataclasses.replace(losses, hr=share, teacher=0.0, soft=0.0, features=0.0, **_PLAIN)
