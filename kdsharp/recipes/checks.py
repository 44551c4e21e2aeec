"""What every setting of a recipe may be, and which of them have to agree; `check` runs whenever a part is made.

PyTorch is not imported: the runtimes of exported students read recipes without it. What the tables repeat from other
modules (the networks' options, the losses' distances, the filters) is compared with them in the tests.
"""

import reprlib
from collections.abc import Callable
from typing import Any, NamedTuple

from kdsharp.errors import KdsharpError

FILTERS = ("area", "bilinear", "bicubic")
DISTANCES = ("l1", "mse", "charbonnier")
BLURS = ("gaussian", "motion", "defocus")
SHAPES = ("iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso")
TASKS = ("sharpen", "upscale")
SOURCES = ("div2k", "cifar10")
COLOURS = ("luma", "rgb")
# The options of each family of networks, with their defaults.
NETWORKS: dict[str, dict[str, Any]] = {
    "student": {
        **{"scale": 1, "unshuffle": 4, "channels": 32, "body": 3, "colour": "rgb"},
        **{"attention": False, "branches": 1},
    },
    "residual": {"scale": 4, "channels": 48, "blocks": 10, "unshuffle": 1, "colour": "rgb"},
    "unet": {
        **{"scale": 1, "channels": 24, "levels": 3, "blocks": 1},
        **{"skips": True, "unshuffle": 1, "colour": "rgb"},
    },
    "encoder-decoder": {
        **{"scale": 1, "channels": 24, "levels": 3, "blocks": 1},
        **{"unshuffle": 1, "colour": "rgb"},
    },
}
_LARGEST = 2**31 - 1
_KERNEL = 21.0  # pixels: every blur kernel lies in a window of this side


class Rule(NamedTuple):
    """Whether a value is allowed, and what is, as the end of a sentence."""

    holds: Callable[[Any], bool]
    allowed: str


def whole(low: int, high: int = _LARGEST) -> Rule:
    """A whole number from `low` to `high`; True and False are none."""
    limits = f"of at least {low}" if high == _LARGEST else f"from {low} to {high}"
    return Rule(lambda value: _is_whole(value) and low <= value <= high, f"a whole number {limits}")


def number(low: float, high: float = float("inf"), above: bool = False) -> Rule:
    """A finite number from `low` to `high`; with `above`, not `low` itself."""
    start = f"above {low:g}" if above else f"of at least {low:g}"
    limits = start if high == float("inf") else f"{start} and at most {high:g}"
    return Rule(lambda value: _within(value, low, high, above), f"a number {limits}")


def span(low: float, high: float, above: bool = False) -> Rule:
    """A pair (from, to) of finite numbers in order, both from `low` to `high`; with `above`, not `low` itself."""
    limits = f"above {low:g} and at most {high:g}" if above else f"from {low:g} to {high:g}"
    return Rule(
        lambda value: (
            isinstance(value, tuple)
            and len(value) == 2
            and all(_within(end, low, high, above) for end in value)
            and value[0] <= value[1]
        ),
        f"a pair of numbers, the smaller first, {limits}",
    )


def several(each: Rule, count: int | None = None, empty: bool = False) -> Rule:
    """A tuple whose values `each` allows: `count` of them, or any number."""
    return Rule(
        lambda values: (
            isinstance(values, tuple)
            and (len(values) == count if count else empty or len(values) > 0)
            and all(each.holds(value) for value in values)
        ),
        f"a tuple of {count or 'values'}, each {each.allowed}",
    )


def one_of(*words: Any) -> Rule:
    """One of some words or numbers."""
    return Rule(
        lambda value: any(type(value) is type(word) and value == word for word in words),
        f"one of {', '.join(map(str, words))}",
    )


def optional(rule: Rule) -> Rule:
    """None, or what `rule` allows."""
    return Rule(lambda value: value is None or rule.holds(value), f"none, or {rule.allowed}")


def part(*classes: str) -> Rule:
    """A part of a recipe with settings of its own."""
    return Rule(
        lambda value: type(value).__name__ in classes, "what has its settings, or change one of them by name"
    )


YES_OR_NO = Rule(lambda value: isinstance(value, bool), "true or false")
TEXT = Rule(lambda value: isinstance(value, str) and bool(value.strip()), "a name")
SHARE = number(0, 1)
WEIGHT = number(0)
SEED = whole(0)
QUALITIES = span(1, 100)
GREY_LEVELS = span(0, 255)
SCALE = whole(1, 8)

# By class, and in it by setting.
RULES: dict[str, dict[str, Rule]] = {
    "Network": {
        "family": one_of(*NETWORKS),
        "options": Rule(lambda value: isinstance(value, dict), "options by name"),
    },
    "Losses": {
        "hr": WEIGHT,
        "teacher": WEIGHT,
        "structure": WEIGHT,
        "perceptual": WEIGHT,
        "features": WEIGHT,
        "distance": one_of(*DISTANCES),
        "soft": WEIGHT,
        "temperature": number(0, above=True),
        "ms_ssim": WEIGHT,
        "frequency": WEIGHT,
        "edge": WEIGHT,
        "vgg": one_of(16, 19),
    },
    "Training": {
        "steps": whole(1),
        "batch": whole(1),
        "patch": whole(1),
        "learning_rate": number(0, above=True),
        "warmup": SHARE,
        "weight_decay": number(0),
        "clip": number(0, above=True),
        "ema": SHARE,
        "validate_every": whole(1),
        "checkpoint_seconds": number(0),
        "seed": SEED,
        "half_on_cpu": YES_OR_NO,
    },
    "Store": {
        "crop": whole(1),
        "crops_per_photo": whole(1),
        "group": whole(1),
        "seed": SEED,
        "reductions": several(number(1)),
    },
    "Recipe": {
        "name": TEXT,
        "task": one_of(*TASKS),
        "scale": SCALE,
        "degradation": part("Downscale", "VideoCall", "Blur", "Camera", "Pairs", "RealEsrgan"),
        "student": part("Network"),
        "teacher": optional(TEXT),
        "losses": part("Losses"),
        "training": part("Training"),
        "store": part("Store"),
        "start": optional(TEXT),
        "data": one_of(*SOURCES),
        "photos": optional(whole(1)),
    },
    "Downscale": {"scale": SCALE, "dirty_share": SHARE, "noise": GREY_LEVELS, "jpeg": QUALITIES},
    "VideoCall": {
        "shrink": span(1, 16),
        "filters": several(one_of(*FILTERS)),
        "noise": GREY_LEVELS,
        "jpeg": QUALITIES,
        "enlarge": one_of(*FILTERS, "nearest"),
        "usual": several(number(1, 16), empty=True),
        "usual_share": SHARE,
        "clean_share": SHARE,
    },
    "Blur": {"kind": one_of(*BLURS), "amount": span(0, _KERNEL, above=True), "lean": number(0, above=True)},
    "Camera": {
        "motion": span(0, _KERNEL),
        "exposure": span(0, 1, above=True),
        "noise": GREY_LEVELS,
        "jpeg": QUALITIES,
    },
    "Pairs": {},
    "KernelMix": {
        "sinc_probability": SHARE,
        "sigma": span(0, _KERNEL, above=True),
        "beta_generalized": span(0, 100, above=True),
        "beta_plateau": span(0, 100, above=True),
        "shapes": several(one_of(*SHAPES)),
        "shape_probabilities": several(SHARE),
    },
    "DegradeOnce": {
        "blur_probability": SHARE,
        "kernel": part("KernelMix"),
        "resize_probabilities": several(SHARE, count=3),
        "resize": span(0, 16, above=True),
        "gaussian_probability": SHARE,
        "noise": GREY_LEVELS,
        "poisson": span(0, 100),
        "grey_noise_probability": SHARE,
        "jpeg": QUALITIES,
    },
    "RealEsrgan": {
        "scale": SCALE,
        "first": part("DegradeOnce"),
        "second": part("DegradeOnce"),
        "final_sinc_probability": SHARE,
    },
}
OPTIONS: dict[str, Rule] = {
    "scale": SCALE,
    "unshuffle": whole(1, 16),
    "channels": whole(1, 1024),
    "body": whole(0, 1024),
    "blocks": whole(0, 1024),
    "levels": whole(1, 8),
    "branches": whole(1, 8),
    "colour": one_of(*COLOURS),
    "attention": YES_OR_NO,
    "skips": YES_OR_NO,
}
# How a reader writes them on the command line.
_SECTIONS = {
    "Network": "student.",
    "Losses": "losses.",
    "Training": "training.",
    "Store": "store.",
    "Recipe": "",
}
_INNER = {"KernelMix": "a kernel's ", "DegradeOnce": "a round's "}  # they stand at several places of a recipe


def check(settings: Any) -> None:
    """See that each setting of a dataclass in `RULES` is allowed, and fits the others.

    Raises KdsharpError that names the setting, its value and what is allowed.
    """
    kind = type(settings).__name__
    prefix = _SECTIONS.get(kind) or _INNER.get(kind, "" if kind == "Recipe" else "degradation.")
    for name, rule in RULES[kind].items():
        demand(prefix + name, getattr(settings, name), rule)
    if kind == "Network":
        _check_options(settings)
    elif kind == "KernelMix":
        _check_odds(settings.shapes, settings.shape_probabilities, "shape_probabilities")
    elif kind == "DegradeOnce":
        _check_odds(("up", "down", "keep"), settings.resize_probabilities, "resize_probabilities")
        if not settings.resize[0] <= 1 <= settings.resize[1]:
            raise KdsharpError(f"a round's resize is {settings.resize}: give a pair with 1 inside.")
    elif kind == "Recipe":
        _check_scales(settings)


def demand(name: str, value: Any, rule: Rule) -> None:
    """Raise KdsharpError, one sentence about the setting `name`, if the rule does not allow its value."""
    if not rule.holds(value):
        raise KdsharpError(f"{name} is {reprlib.repr(value)}: give {rule.allowed}.")


def check_training(recipe: Any) -> None:
    """See that patches lie inside the store's crops, and fill the network's folding and the degradation's shrinking.

    Apart from `check`, because students of earlier versions, which cut their patches down silently, are still read.
    """
    crop, patch, scale = recipe.store.crop, recipe.training.patch, recipe.scale
    if crop % scale:
        raise KdsharpError(f"store.crop is {crop}: give a multiple of the scale, {scale}.")
    if patch > crop // scale:
        raise KdsharpError(
            f"training.patch is {patch}, larger than a crop at the network's input: give at most {crop // scale} "
            f"(store.crop={crop} by scale={scale}), or a larger store.crop."
        )
    options = NETWORKS[recipe.student.family] | recipe.student.options
    fold = options["unshuffle"] * 2 ** (options.get("levels", 1) - 1)
    if patch % fold:
        raise KdsharpError(
            f"training.patch is {patch}: give a multiple of {fold}, by which the network folds its input."
        )


def _check_options(network: Any) -> None:
    known = NETWORKS[network.family]
    for name, value in network.options.items():
        if name not in known:
            raise KdsharpError(
                f"The network '{network.family}' has no option {name!r}: choose among {', '.join(known)}."
            )
        demand(f"student.options.{name}", value, OPTIONS[name])


def _check_odds(things: tuple, odds: tuple, name: str) -> None:
    if len(things) != len(odds) or not sum(odds):
        raise KdsharpError(f"{name} is {odds}: give {len(things)} shares that are not all 0.")


def _check_scales(recipe: Any) -> None:
    """One fact that stands at four places: by how much the student enlarges."""
    if (recipe.task == "upscale") != (recipe.scale > 1):
        raise KdsharpError(
            f"task is '{recipe.task}' and scale is {recipe.scale}: to sharpen has scale 1, to upscale 2 or more."
        )
    network = (NETWORKS[recipe.student.family] | recipe.student.options)["scale"]
    damage = getattr(recipe.degradation, "scale", 1)
    if not recipe.scale == network == damage:
        raise KdsharpError(
            f"scale is {recipe.scale}, but student.options.scale is {network} and degradation.scale is {damage}: "
            "they have to be equal, so change all of them."
        )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _within(value: Any, low: float, high: float, above: bool) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return (low < value if above else low <= value) and value <= high and value < float("inf")
