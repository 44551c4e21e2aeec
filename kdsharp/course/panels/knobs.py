"""The knobs of a recipe: which there are, what each is for, and where its value belongs."""

import dataclasses
import json
from typing import Any

import ipywidgets as widgets

from kdsharp import recipes
from kdsharp.course.panels.controls import choice, log_slider, slider
from kdsharp.distill.losses import DISTANCES
from kdsharp.distill.perceptual import vgg_at_hand
from kdsharp.recipes import FAMILIES, Recipe


def knobs(recipe: Recipe) -> dict[str, widgets.Widget]:
    """A control for each setting that does something in this recipe, by the setting's name.

    What listens to a teacher is left out where the recipe has none; `features` where its teacher shows none, and
    `perceptual` where VGG's weights would have to be fetched first, unless the recipe asks for them already.
    """
    return _losses(recipe) | _training(recipe) | _sizes(recipe)


def with_values(recipe: Recipe, values: dict[str, float | int | str]) -> Recipe:
    """`recipe` with the values of sliders, whose names are those of the settings, put where they belong."""
    places = (recipe.student.options, vars(recipe.losses), vars(recipe.training))
    size, weights, named = ({key: values[key] for key in values if key in place} for place in places)
    return dataclasses.replace(
        recipe,
        losses=dataclasses.replace(recipe.losses, **weights),
        training=dataclasses.replace(recipe.training, **named),
        student=dataclasses.replace(recipe.student, options=recipe.student.options | size),
    )


def changes(start: Recipe, values: dict[str, Any]) -> list[str]:
    """The settings that make `with_values(start, values)` of `start`, as `kdsharp.override` takes them."""
    places = {
        "student.options": start.student.options,
        "losses": vars(start.losses),
        "training": vars(start.training),
    }
    return [
        f"{path}.{name}={json.dumps(value) if not isinstance(value, str) else value}"
        for name, value in values.items()
        for path, place in places.items()
        if name in place and place[name] != value
    ]


def shows_features(recipe: Recipe) -> bool:
    """Whether the recipe's teacher is one of this course that looks at the same colours, as `FeatureMatch` wants it."""
    if recipe.teacher not in recipes.presets():
        return False
    colours = [
        (FAMILIES.get(network.family, {}) | network.options).get("colour")
        for network in (recipe.student, recipes.preset(recipe.teacher).student)
    ]
    return colours[0] == colours[1]


def _losses(recipe: Recipe) -> dict[str, widgets.Widget]:
    losses, weight = recipe.losses, "Weight of"
    found = {"hr": slider("to original", losses.hr, 0.0, 2.0, 0.1, f"{weight} the distance to the original.")}
    if recipe.teacher is not None:
        found |= {
            "teacher": slider(
                "to teacher", losses.teacher, 0.0, 2.0, 0.1, f"{weight} the distance to the teacher's answer."
            ),
            "soft": slider(
                *("soft targets", losses.soft, 0.0, 2.0, 0.1),
                f"{weight} the KL divergence to the teacher's answer, taken as distributions over grey levels.",
            ),
            "temperature": slider(
                *("temperature", losses.temperature, 0.5, 8.0, 0.5),
                "How wide the soft targets' distributions are; without a weight for them it does nothing.",
            ),
        }
    found |= {
        "distance": choice(
            *("distance", list(DISTANCES), losses.distance),
            "How the distances to original and teacher are taken: mse dislikes large errors most.",
        ),
        "structure": slider(
            *("1 - SSIM", losses.structure, 0.0, 1.0, 0.05),
            f"{weight} what is lost in local structure (SSIM).",
        ),
        "ms_ssim": slider(
            *("1 - MS-SSIM", losses.ms_ssim, 0.0, 1.0, 0.05), f"{weight} the same at several scales."
        ),
    }
    if losses.perceptual or vgg_at_hand(16) or vgg_at_hand(19):
        found |= {
            "perceptual": slider(
                *("perceptual", losses.perceptual, 0.0, 0.02, 0.001),
                f"{weight} the distance of what the network VGG sees in both pictures.",
            ),
            "vgg": choice("VGG", [16, 19], losses.vgg, "Which VGG: 16 or 19 layers."),
        }
    if losses.features or shows_features(recipe):
        found["features"] = slider(
            *("features", losses.features, 0.0, 0.1, 0.01),
            f"{weight} the distance of inner features to the teacher's.",
        )
    return found | {
        "frequency": slider(
            "Fourier", losses.frequency, 0.0, 1.0, 0.05, f"{weight} the distance of Fourier coefficients."
        ),
        "edge": slider("edges", losses.edge, 0.0, 1.0, 0.05, f"{weight} the distance of Laplacians: edges."),
        "contrast": slider(
            *("local contrast", losses.contrast, 0.0, 5.0, 0.1),
            f"{weight} how unlike detail is in strength, wherever it lies.",
        ),
    }


def _training(recipe: Recipe) -> dict[str, widgets.Widget]:
    training, largest = recipe.training, recipes.shrunk(recipe.store.crop, recipe.scale)
    return {
        "learning_rate": log_slider(
            "learning rate", training.learning_rate, -5, -1, "How far a step goes, at its highest."
        ),
        "steps": slider(
            "steps",
            training.steps,
            50,
            max(3000, 2 * training.steps),
            50,
            "How often the weights are changed.",
        ),
        "batch": slider(
            "batch", training.batch, 2, max(32, training.batch), 2, "Patches that a step looks at."
        ),
        "patch": slider("patch in pixels", training.patch, 16, largest, 8, "Width of a patch at the input."),
    }


def _sizes(recipe: Recipe) -> dict[str, widgets.Widget]:
    options = recipe.student.options
    sizes = {
        "channels": lambda value: slider("channels", value, 8, 64, 4, "Planes that each inner layer has."),
        "body": lambda value: slider("body layers", value, 0, 8, 1, "Layers between the first and the last."),
        "levels": lambda value: slider(
            "levels", value, 1, 4, 1, "Sizes at which it works, each half as large."
        ),
        "blocks": lambda value: slider("blocks", value, 1, 16, 1, "Pairs of layers with a way around them."),
        "unshuffle": lambda value: choice(
            "unshuffle",
            [1, 2, 4, 8],
            value,
            "How far pixels are folded into planes: 2 makes a quarter of the places.",
        ),
        "colour": lambda value: choice(
            "colour",
            ["luma", "rgb"],
            value,
            "Whether it works on brightness alone, or on red, green and blue.",
        ),
    }
    return {name: make(options[name]) for name, make in sizes.items() if name in options}
