"""A recipe: every setting of one system from photograph to student, as plain data.

`preset("video-call")` gives one, `dataclasses.replace` changes it, and `to_dict` and `from_dict` carry it into a target
store, a checkpoint and a card. What a setting may be stands beside it: every part is checked when it is made.
"""

from dataclasses import dataclass, replace

from kdsharp.errors import KdsharpError
from kdsharp.recipes.checks import (
    SEED,
    SHARE,
    TEXT,
    WEIGHT,
    YES_OR_NO,
    Rule,
    checked,
    number,
    one_of,
    optional,
    part,
    required,
    setting,
    several,
    whole,
)
from kdsharp.recipes.degradations import DEGRADATIONS, Degradation, UnknownDegradation, scale_of
from kdsharp.recipes.network import FAMILIES, Network, UnknownNetwork, check_network
from kdsharp.recipes.sizes import shrunk, whole_steps

DISTANCES = ("l1", "mse", "charbonnier")
OPTIMIZERS = ("adamw", "soap")
SOURCES = ("div2k", "cifar10")
_WEIGHTS = Rule(
    lambda value: isinstance(value, dict) and all(map(WEIGHT.holds, value.values())),
    f"weights by name, each {WEIGHT.allowed}",
)
_DEGRADATION = Rule(
    lambda value: type(value) in (*DEGRADATIONS.values(), UnknownDegradation),
    "the settings of a registered degradation, or change one of them by name",
)


@dataclass(frozen=True)
class Losses:
    """Weights of the terms of the training loss (see `losses`). A weight of 0 means that the term is not computed.

    `distance` is that of `hr` and `teacher`: l1, mse or charbonnier. `vgg` is 16 or 19, for the perceptual term.
    `others` weighs terms that were registered from outside, by name.
    """

    hr: float = setting(1.0, WEIGHT)
    teacher: float = setting(0.0, WEIGHT)
    structure: float = setting(0.0, WEIGHT)
    perceptual: float = setting(0.0, WEIGHT)
    features: float = setting(0.0, WEIGHT)
    distance: str = setting("l1", one_of(*DISTANCES))
    soft: float = setting(0.0, WEIGHT)
    temperature: float = setting(1.0, number(0, above=True))
    ms_ssim: float = setting(0.0, WEIGHT)
    frequency: float = setting(0.0, WEIGHT)
    edge: float = setting(0.0, WEIGHT)
    vgg: int = setting(19, one_of(16, 19))
    contrast: float = setting(0.0, WEIGHT, later=True)
    others: dict[str, float] = setting({}, _WEIGHTS, later=True)
    relative: float = setting(0.0, WEIGHT, later=True)

    __post_init__ = checked("losses.")


@dataclass(frozen=True)
class Training:
    """How long and how fast. `patch` is in pixels of the network's input; `warmup` is a share of the steps.

    A GPU always computes in half precision (weights stay in single precision); `half_on_cpu` allows a processor to do
    the same (bfloat16) where it is faster: about twice with AVX-512 BF16 or AMX, slow on others (`precision`).
    """

    steps: int = setting(20_000, whole(1))
    batch: int = setting(16, whole(1))
    patch: int = setting(96, whole(1))
    learning_rate: float = setting(1e-3, number(0, above=True))
    warmup: float = setting(0.02, SHARE)
    weight_decay: float = setting(1e-4, number(0))
    clip: float = setting(1.0, number(0, above=True))
    ema: float = setting(0.999, SHARE)
    validate_every: int = setting(1000, whole(1))
    checkpoint_seconds: float = setting(120.0, number(0))
    seed: int = setting(0, SEED)
    half_on_cpu: bool = setting(False, YES_OR_NO)
    optimizer: str = setting("adamw", one_of(*OPTIMIZERS), later=True)

    __post_init__ = checked("training.")


@dataclass(frozen=True)
class Store:
    """The target store: square crops of `crop` HR pixels; each photo gives `crops_per_photo` of them.

    Crops of one `group` share the geometry of the degradation (shrink factor, filter), so that they travel
    as one batch; noise, kernels and JPEG quality differ from crop to crop. A photo is first shrunk by one of
    `reductions`, drawn for each group: at their full size most photographs are softer than a benchmark's small ones.
    """

    crop: int = setting(192, whole(1))
    crops_per_photo: int = setting(24, whole(1))
    group: int = setting(4, whole(1))
    seed: int = setting(0, SEED)
    reductions: tuple[float, ...] = setting((1.0,), several(number(1)))

    __post_init__ = checked("store.")


def _fit_network(recipe: "Recipe") -> None:
    """Have the network enlarge by what the degradation shrinks: its option is filled in where it is left out."""
    network, scale = recipe.student, recipe.scale
    default = FAMILIES.get(network.family, {}).get("scale", 1)
    found = network.options.get("scale", scale if isinstance(network, UnknownNetwork) else default)
    if found == scale:
        return
    if "scale" in network.options:
        raise KdsharpError(
            f"student.options.scale is {found}, but the degradation's scale is {scale}: leave the first out, or "
            "change both (on the command line, scale=2 does)."
        )
    fitted = replace(network, options={"scale": scale, **network.options})
    object.__setattr__(recipe, "student", fitted)  # the recipe is frozen, and is being made


@dataclass(frozen=True)
class Recipe:
    """One system from photo to student.

    `teacher` is a network by name or file, or another preset, which is then trained first. `data` is `div2k` or
    `cifar10`, of which the first `photos` are learnt from. `start` names a network of the same shape, published or a
    file, whose weights training begins with.
    """

    name: str = required(TEXT)
    degradation: Degradation = required(_DEGRADATION)
    student: Network = required(part(Network))
    teacher: str | None = required(optional(TEXT))
    losses: Losses = required(part(Losses))
    training: Training = setting(Training(), part(Training))
    store: Store = setting(Store(), part(Store))
    start: str | None = setting(None, optional(TEXT))
    data: str = setting("div2k", one_of(*SOURCES))
    photos: int | None = setting(None, optional(whole(1)))

    __post_init__ = checked("", _fit_network)

    @property
    def scale(self) -> float:
        """By how much the student enlarges: what the degradation shrinks by, 1 for the same size."""
        return scale_of(self.degradation)

    @property
    def task(self) -> str:
        """`sharpen` (same size in and out) or `upscale`."""
        return "upscale" if self.scale > 1 else "sharpen"


def check_training(recipe: Recipe) -> None:
    """See that a recipe can be trained: all is registered, and patches fit into the store's crops and the network.

    Apart from what is checked when it is made, because students of earlier versions, which cut their patches down
    silently, and of others' families are still read. Raises KdsharpError, one sentence.
    """
    if isinstance(recipe.degradation, UnknownDegradation):
        kind, known = recipe.degradation.kind, ", ".join(DEGRADATIONS)
        raise KdsharpError(f"There is no degradation '{kind}'; choose one of {known}.")
    check_network(recipe.student)
    crop, patch, scale = recipe.store.crop, recipe.training.patch, recipe.scale
    large, small = whole_steps(scale)
    if crop % large:
        raise KdsharpError(f"store.crop is {crop}: give a multiple of {large}, for a scale of {scale}.")
    if patch > shrunk(crop, scale):
        raise KdsharpError(
            f"training.patch is {patch}, larger than a crop at the network's input: give at most {shrunk(crop, scale)} "
            f"(store.crop={crop} by scale={scale}), or a larger store.crop."
        )
    options = FAMILIES[recipe.student.family] | recipe.student.options
    fold = options.get("unshuffle", 1) * 2 ** (options.get("levels", 1) - 1)
    if patch % fold:
        raise KdsharpError(
            f"training.patch is {patch}: give a multiple of {fold}, by which the network folds its input."
        )
    if patch % small:
        raise KdsharpError(f"training.patch is {patch}: give a multiple of {small}, for a scale of {scale}.")
