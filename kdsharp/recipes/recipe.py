"""Every default of the course in one place: what to degrade, who teaches, who learns, and for how long.

A recipe is plain data. `preset("video-call")` gives one (`SYSTEMS` names six), `dataclasses.replace` changes it, and
`to_dict`/`from_dict` carry it into a target store, a checkpoint and a card. What a setting may be stands in `checks`:
every part of a recipe is checked when it is made.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from kdsharp.errors import KdsharpError
from kdsharp.recipes.checks import check, check_training
from kdsharp.recipes.degradations import (
    DEGRADATIONS,
    Blur,
    Camera,
    Degradation,
    Downscale,
    RealEsrgan,
    VideoCall,
)


@dataclass(frozen=True)
class Network:
    """A network's family (`student`, `residual`, `unet`, `encoder-decoder`) and the keyword arguments of its class."""

    family: str = "student"
    options: dict[str, Any] = field(default_factory=dict)

    __post_init__ = check


@dataclass(frozen=True)
class Losses:
    """Weights of the terms of the training loss (see `losses`). A weight of 0 means that the term is not computed.

    `distance` is that of `hr` and `teacher`: l1, mse or charbonnier. `vgg` is 16 or 19, for the perceptual term.
    """

    hr: float = 1.0
    teacher: float = 0.0
    structure: float = 0.0
    perceptual: float = 0.0
    features: float = 0.0
    distance: str = "l1"
    soft: float = 0.0
    temperature: float = 1.0
    ms_ssim: float = 0.0
    frequency: float = 0.0
    edge: float = 0.0
    vgg: int = 19

    __post_init__ = check


@dataclass(frozen=True)
class Training:
    """How long and how fast. `patch` is in pixels of the network's input; `warmup` is a share of the steps.

    A GPU always computes in half precision (weights stay in single precision); `half_on_cpu` allows a processor to do
    the same (bfloat16) where it is faster: about twice with AVX-512 BF16 or AMX, slow on others (`precision`).
    """

    steps: int = 20_000
    batch: int = 16
    patch: int = 96
    learning_rate: float = 1e-3
    warmup: float = 0.02
    weight_decay: float = 1e-4
    clip: float = 1.0
    ema: float = 0.999
    validate_every: int = 1000
    checkpoint_seconds: float = 120.0
    seed: int = 0
    half_on_cpu: bool = False

    __post_init__ = check


@dataclass(frozen=True)
class Store:
    """The target store: square crops of `crop` HR pixels; each photo gives `crops_per_photo` of them.

    Crops of one `group` share the geometry of the degradation (shrink factor, filter), so that they travel
    as one batch; noise, kernels and JPEG quality differ from crop to crop. A photo is first shrunk by one of
    `reductions`, drawn for each group: at their full size most photographs are softer than a benchmark's small ones.
    """

    crop: int = 192
    crops_per_photo: int = 24
    group: int = 4
    seed: int = 0
    reductions: tuple[float, ...] = (1.0,)

    __post_init__ = check


@dataclass(frozen=True)
class Recipe:
    """One system from photo to student. `task` is `sharpen` (same size) or `upscale` (by `scale`).

    `teacher` is a network by name or file, or another preset, which is then trained first. `data` is `div2k` or
    `cifar10`, of which the first `photos` are learnt from. `start` names a network of the same shape, published or a
    file, whose weights training begins with.
    """

    name: str
    task: str
    scale: int
    degradation: Degradation
    student: Network
    teacher: str | None
    losses: Losses
    training: Training = Training()
    store: Store = Store()
    start: str | None = None
    data: str = "div2k"
    photos: int | None = None

    __post_init__ = check


PROFILES = ("quick", "medium", "full")

_CALL = Recipe(
    name="video-call",
    task="sharpen",
    scale=1,
    degradation=VideoCall(),
    student=Network("student", {"scale": 1, "unshuffle": 2, "channels": 16, "body": 3, "colour": "luma"}),
    teacher="RealESRGAN_x4plus_anime_6B",
    losses=Losses(hr=1.0, teacher=0.2, perceptual=0.002),
    training=Training(steps=40_000, batch=16, patch=128, learning_rate=2e-3),
)

_UPSCALE = Recipe(
    name="real-esrgan",
    task="upscale",
    scale=4,
    degradation=RealEsrgan(scale=4),
    student=Network("student", {"scale": 4, "unshuffle": 1, "channels": 32, "body": 4, "colour": "rgb"}),
    teacher="RealESRGAN_x4plus_anime_6B",
    losses=Losses(hr=0.0, teacher=1.0, perceptual=0.005),
    training=Training(steps=40_000, batch=16, patch=48, learning_rate=2e-3),
)

_TEACHER = Recipe(
    name="self-teacher",
    task="upscale",
    scale=4,
    degradation=Downscale(scale=4, dirty_share=0.5),
    student=Network("residual", {"scale": 4, "channels": 48, "blocks": 6}),
    teacher=None,
    losses=Losses(hr=1.0),
    training=Training(steps=3000, batch=16, patch=40, learning_rate=1e-3, warmup=0.05),
)

# Four systems that student projects set out to build. Their teachers are trained first where none is released.
_RESTORMER = Recipe(
    name="restormer",
    task="sharpen",
    scale=1,
    degradation=Blur("gaussian", (0.5, 0.5)),
    student=Network("unet", {"channels": 16, "levels": 3, "blocks": 1, "unshuffle": 2}),
    teacher="restormer-motion-deblurring",
    losses=Losses(hr=0.8, teacher=0.2),
    training=Training(steps=10_000, batch=8, patch=128),
    store=Store(crops_per_photo=6),
)

_CIFAR = Recipe(
    name="cifar",
    task="sharpen",
    scale=1,
    degradation=Blur("gaussian", (0.5, 2.0)),
    student=Network("encoder-decoder", {"channels": 16, "levels": 2, "blocks": 1}),
    teacher="cifar-teacher",
    losses=Losses(hr=1.0, teacher=0.5, perceptual=0.002, features=0.01, vgg=16),
    training=Training(steps=6000, batch=32, patch=32),
    store=Store(crop=32, crops_per_photo=1, group=1),
    data="cifar10",
    photos=1000,
)

_SOFT_TARGETS = Recipe(
    name="soft-targets",
    task="sharpen",
    scale=1,
    degradation=Blur("gaussian", (0.5, 2.0)),
    student=Network("student", {"scale": 1, "unshuffle": 2, "channels": 16, "body": 3, "colour": "luma"}),
    teacher="soft-targets-teacher",
    losses=Losses(hr=0.5, distance="mse", soft=0.5, temperature=2.0),
    training=Training(steps=10_000, batch=16, patch=96, learning_rate=2e-3),
    store=Store(crops_per_photo=6),
)

_MAE = Recipe(
    name="mae",
    task="sharpen",
    scale=1,
    degradation=Camera(),
    student=Network("student", {"scale": 1, "unshuffle": 2, "channels": 16, "body": 4, "colour": "luma"}),
    teacher="mae-teacher",
    losses=Losses(hr=0.7, teacher=0.3),
    training=Training(steps=10_000, batch=16, patch=96, learning_rate=2e-3),
    store=Store(crops_per_photo=12),
    photos=300,
)


def _teacher_of(recipe: Recipe, channels: int, blocks: int, unshuffle: int, colour: str) -> Recipe:
    """A residual network for the same damage and data, which learns from the originals alone."""
    options = {"scale": 1, "channels": channels, "blocks": blocks, "unshuffle": unshuffle, "colour": colour}
    return dataclasses.replace(
        recipe,
        name=f"{recipe.name}-teacher",
        student=Network("residual", options),
        teacher=None,
        losses=Losses(hr=1.0),
        training=dataclasses.replace(recipe.training, learning_rate=5e-4),
    )


SYSTEMS = ("video-call", "real-esrgan", "restormer", "cifar", "soft-targets", "mae")
PRESETS: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        *(_CALL, _UPSCALE, _RESTORMER, _CIFAR, _SOFT_TARGETS, _MAE),
        _TEACHER,
        _teacher_of(_RESTORMER, 32, 9, 2, "rgb"),  # for `quick`, which downloads nothing
        _teacher_of(_CIFAR, 64, 8, 1, "rgb"),
        _teacher_of(_SOFT_TARGETS, 64, 10, 2, "luma"),
        _teacher_of(_MAE, 64, 10, 2, "luma"),
    )
}
# The published networks, by the recipe that they come from.
PUBLISHED: dict[str, str] = {"video-call": "call-s", "real-esrgan": "x4", "self-teacher": "teacher-x4"}
# What `quick` changes beyond its general cut, so that each system, its teacher included, takes a minute or two.
_SMALL_TEACHER = ("student.options.channels=24", "student.options.blocks=4")
_SHORT = (
    "training.steps=300",
    "training.validate_every=100",
    "training.patch=64",
    "store.crops_per_photo=16",
)
_QUICK_CIFAR = ("store.crop=32", "store.crops_per_photo=250", "training.patch=32")
_QUICK: dict[str, tuple[str, ...]] = {
    "real-esrgan": ("training.steps=1000", "training.validate_every=250"),
    "restormer": (*_SHORT, "training.steps=600", "training.learning_rate=2e-3", "teacher=restormer-teacher"),
    "cifar": (*_SHORT, "training.batch=16", *_QUICK_CIFAR),
    "soft-targets": (*_SHORT,),
    "mae": (*_SHORT,),
    "restormer-teacher": (*_SHORT, "training.steps=200"),
    "cifar-teacher": (*_SHORT, *_SMALL_TEACHER, "training.batch=16", *_QUICK_CIFAR),
    "soft-targets-teacher": (*_SHORT, *_SMALL_TEACHER),
    "mae-teacher": (*_SHORT, *_SMALL_TEACHER),
}
# What `medium` changes beyond fewer steps and crops: a teacher for photographs that a T4 asks in seconds.
_PHOTOGRAPHIC = ("teacher=realesr-general-x4v3",)
_MEDIUM: dict[str, tuple[str, ...]] = {
    "video-call": _PHOTOGRAPHIC,
    "real-esrgan": _PHOTOGRAPHIC,
    "restormer": ("teacher=restormer-teacher",),  # needs no extra package
}


def presets() -> list[str]:
    """Names of all presets: the six systems first, then the teachers that are trained for them."""
    return list(PRESETS)


def preset(name: str, profile: str = "full") -> Recipe:
    """The recipe called `name`; `quick` is the same system cut down to minutes on two CPU cores, `medium` on a T4.

    Quick runs learn from the project's own small teachers and switch the perceptual term off, because both the
    official teachers and VGG are downloads. Medium runs keep the losses. Raises KdsharpError for an unknown name or
    profile.
    """
    if name not in PRESETS:
        raise KdsharpError(f"There is no preset '{name}'; choose one of {', '.join(PRESETS)}.")
    if profile not in PROFILES:
        raise KdsharpError(f"There is no profile '{profile}'; choose one of {', '.join(PROFILES)}.")
    recipe = PRESETS[name]
    if profile == "full":
        return recipe
    if profile == "medium":
        steps, crops = min(recipe.training.steps, 3000), min(recipe.store.crops_per_photo, 16)
        changes = [f"training.steps={steps}", "training.validate_every=300", f"store.crops_per_photo={crops}"]
        return override(recipe, [*changes, *_MEDIUM.get(name, ())])
    short = dataclasses.replace(
        recipe,
        teacher=recipe.teacher if recipe.teacher in (*PRESETS, None) else PUBLISHED["self-teacher"],
        losses=dataclasses.replace(recipe.losses, perceptual=0.0),
        training=dataclasses.replace(
            recipe.training,
            steps=600,
            batch=8,
            validate_every=150,
            patch=min(recipe.training.patch, 128 // recipe.scale),
        ),
        store=Store(crop=128, crops_per_photo=32),
    )
    return override(short, list(_QUICK.get(name, ())))


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON-ready data; `from_dict` is its inverse."""
    kinds = {kind: name for name, kind in DEGRADATIONS.items()}
    return dataclasses.asdict(recipe) | {"degradation_kind": kinds[type(recipe.degradation)]}


def digest(recipe: Recipe) -> str:
    """Six characters that differ between recipes: for the folder of a run whose recipe was changed by hand."""
    return hashlib.sha256(json.dumps(to_dict(recipe), sort_keys=True).encode()).hexdigest()[:6]


def from_dict(data: dict[str, Any]) -> Recipe:
    """The recipe that `to_dict` (or a JSON file made from it) holds.

    Raises KdsharpError that names a setting which is missing, unknown or not allowed.
    """
    data = dict(data)
    kind = data.pop("degradation_kind", None)
    if str(kind) not in DEGRADATIONS or not isinstance(data.get("degradation"), dict):
        raise KdsharpError(f"There is no degradation {kind!r}; choose one of {', '.join(DEGRADATIONS)}.")
    data["degradation"] = _rebuild(DEGRADATIONS[kind], data["degradation"], "degradation.")
    return _rebuild(Recipe, data)


def override(recipe: Recipe, settings: list[str]) -> Recipe:
    """The recipe with settings such as `losses.perceptual=0` or `training.steps=2000` changed.

    Values are JSON (numbers, lists for ranges, quoted or bare words). Raises KdsharpError for an unknown name or a
    value that is not allowed.
    """
    described = json.loads(json.dumps(to_dict(recipe)))
    for setting in settings:
        name, _, text = setting.partition("=")
        *path, last = name.split(".")
        place: Any = described
        for step in path:
            place = place.get(step) if isinstance(place, dict) else None
        is_option = path == ["student", "options"]  # which ones there are depends on the family
        if not isinstance(place, dict) or not (last in place or is_option) or not text:
            raise KdsharpError(
                f"The recipe has no setting '{setting}': write name=value, as training.steps=2000."
            )
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        if isinstance(place.get(last), dict) and not isinstance(value, dict):
            raise KdsharpError(
                f"'{name}' has settings of its own: change one, as {name}.{next(iter(place[last]))}."
            )
        place[last] = value
        if name == "degradation_kind" and str(value) in DEGRADATIONS:
            described["degradation"] = dataclasses.asdict(DEGRADATIONS[value]())
    changed = from_dict(described)
    check_training(changed)
    return changed


def _rebuild(kind: type, values: dict[str, Any], place: str = "") -> Any:
    """`kind(**values)` with nested dataclasses and tuples restored from JSON's objects and lists.

    A setting that is not there holds its default: the recipe was written before there was such a setting.
    """
    fields = {item.name: item for item in dataclasses.fields(kind)}
    if unknown := values.keys() - fields.keys():
        raise KdsharpError(
            f"The recipe has no setting '{place}{min(unknown)}': choose among {', '.join(fields)}."
        )
    restored = {}
    for name, value in values.items():
        if isinstance(value, dict) and dataclasses.is_dataclass(fields[name].type):
            value = _rebuild(fields[name].type, value, f"{place}{name}.")
        restored[name] = tuple(value) if isinstance(value, list) else value
    try:
        return kind(**restored)
    except TypeError as error:  # what has no default is not there
        raise KdsharpError(f"The recipe is not whole ({error}): make it by `to_dict`.") from error
