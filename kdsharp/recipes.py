"""Every default of the course in one place: what to degrade, who teaches, who learns, and for how long.

A recipe is plain data. `preset("video-call")` gives one, `dataclasses.replace` changes it, and
`to_dict`/`from_dict` carry it into a target store, a checkpoint and a card.
"""

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Any

from kdsharp.errors import KdsharpError

Range = tuple[float, float]


@dataclass(frozen=True)
class Downscale:
    """Shrink by a whole factor, as the super-resolution literature does (plain bicubic by default).

    `dirty_share` of the images also get noise (standard deviation in 1/255) and JPEG (quality 1 to 100).
    """

    scale: int = 4
    dirty_share: float = 0.0
    noise: Range = (0.0, 4.0)
    jpeg: Range = (40.0, 95.0)


@dataclass(frozen=True)
class VideoCall:
    """A poor video call: shrink, camera noise, JPEG, and the receiver's enlargement back to full size.

    Real calls shrink by a few ratios (1080p sent as 720p, 540p or 360p is 1.5, 2 or 3), whose pixels fall on the same
    few phases again and again: `usual_share` of the draws take one of the `usual` ratios, the others any in `shrink`.
    `clean_share` of the frames arrive as they were sent, so that a student learns to leave a good picture alone.
    """

    shrink: Range = (1.5, 4.0)
    filters: tuple[str, ...] = ("area", "bilinear", "bicubic")
    noise: Range = (0.0, 4.0)
    jpeg: Range = (30.0, 95.0)
    enlarge: str = "bilinear"
    usual: tuple[float, ...] = ()
    usual_share: float = 0.0
    clean_share: float = 0.0


@dataclass(frozen=True)
class Blur:
    """Blur only, same size in and out: `gaussian` (sigma), `motion` (length) or `defocus` (radius), in pixels.

    A `lean` of 1 draws all amounts alike. Above 1, light blurs come more often: low + (high - low) u^lean, u uniform.
    """

    kind: str = "gaussian"
    amount: Range = (0.5, 2.0)
    lean: float = 1.0


@dataclass(frozen=True)
class KernelMix:
    """How one blur kernel of Real-ESRGAN is drawn (Wang et al. 2021, section 3.2 and their option files)."""

    sinc_probability: float = 0.1
    sigma: Range = (0.2, 3.0)
    beta_generalized: Range = (0.5, 4.0)
    beta_plateau: Range = (1.0, 2.0)
    shapes: tuple[str, ...] = (
        "iso",
        "aniso",
        "generalized_iso",
        "generalized_aniso",
        "plateau_iso",
        "plateau_aniso",
    )
    shape_probabilities: tuple[float, ...] = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)


@dataclass(frozen=True)
class DegradeOnce:
    """One of Real-ESRGAN's two rounds: blur, resize (up, down, keep), noise (Gaussian or Poisson), JPEG."""

    blur_probability: float = 1.0
    kernel: KernelMix = KernelMix()
    resize_probabilities: tuple[float, float, float] = (0.2, 0.7, 0.1)
    resize: Range = (0.15, 1.5)
    gaussian_probability: float = 0.5
    noise: Range = (1.0, 30.0)
    poisson: Range = (0.05, 3.0)
    grey_noise_probability: float = 0.4
    jpeg: Range = (30.0, 95.0)


@dataclass(frozen=True)
class RealEsrgan:
    """The second-order degradation of Real-ESRGAN (Wang et al. 2021), with sinc filters."""

    scale: int = 4
    first: DegradeOnce = DegradeOnce()
    second: DegradeOnce = DegradeOnce(
        blur_probability=0.8,
        kernel=KernelMix(sigma=(0.2, 1.5)),
        resize_probabilities=(0.3, 0.4, 0.3),
        resize=(0.3, 1.2),
        noise=(1.0, 25.0),
        poisson=(0.05, 2.5),
    )
    final_sinc_probability: float = 0.8


Degradation = Downscale | VideoCall | Blur | RealEsrgan
DEGRADATIONS: dict[str, type] = {
    "downscale": Downscale,
    "video-call": VideoCall,
    "blur": Blur,
    "real-esrgan": RealEsrgan,
}


@dataclass(frozen=True)
class Network:
    """A network's family (`student`, `residual`) and the keyword arguments of its class."""

    family: str = "student"
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Losses:
    """Weights of the terms of the training loss. A weight of 0 means that the term is not computed."""

    hr: float = 1.0
    teacher: float = 0.0
    structure: float = 0.0
    perceptual: float = 0.0
    features: float = 0.0


@dataclass(frozen=True)
class Training:
    """How long and how fast. `patch` is in pixels of the network's input; `warmup` is a share of the steps.

    A GPU always computes in bfloat16 (weights stay in single precision); `half_on_cpu` does the same on a processor:
    about twice as fast on those with AVX-512 BF16 or AMX, slow on others.
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


@dataclass(frozen=True)
class Recipe:
    """One system from photo to student. `task` is `sharpen` (same size) or `upscale` (by `scale`).

    `start` names a network of the same shape, published or a file, whose weights training begins with.
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


PROFILES = ("quick", "full")

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

PRESETS: dict[str, Recipe] = {recipe.name: recipe for recipe in (_CALL, _UPSCALE, _TEACHER)}
# The published networks, by the recipe that they come from.
PUBLISHED: dict[str, str] = {"video-call": "call-s", "real-esrgan": "x4", "self-teacher": "teacher-x4"}


def preset(name: str, profile: str = "full") -> Recipe:
    """The recipe called `name`; `quick` is the same system cut down to minutes on two CPU cores.

    Quick runs learn from the project's own small teacher and switch the perceptual term off, because both the
    official teachers and VGG19 are downloads. Raises KdsharpError for an unknown name or profile.
    """
    if name not in PRESETS:
        raise KdsharpError(f"There is no preset '{name}'; choose one of {', '.join(PRESETS)}.")
    if profile not in PROFILES:
        raise KdsharpError(f"There is no profile '{profile}'; choose one of {', '.join(PROFILES)}.")
    recipe = PRESETS[name]
    if profile == "full":
        return recipe
    return dataclasses.replace(
        recipe,
        teacher=recipe.teacher and PUBLISHED["self-teacher"],
        losses=dataclasses.replace(recipe.losses, perceptual=0.0),
        training=dataclasses.replace(recipe.training, steps=600, batch=8, validate_every=150),
        store=Store(crop=128, crops_per_photo=32),
    )


def profile_from_environment(default: str = "quick") -> str:
    """`quick` or `full`: the variable KDSHARP_PROFILE where it is set, else `default`."""
    profile = os.environ.get("KDSHARP_PROFILE", default)
    if profile not in PROFILES:
        raise KdsharpError(f"KDSHARP_PROFILE is '{profile}'; set it to one of {', '.join(PROFILES)}.")
    return profile


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON-ready data; `from_dict` is its inverse."""
    kinds = {kind: name for name, kind in DEGRADATIONS.items()}
    return dataclasses.asdict(recipe) | {"degradation_kind": kinds[type(recipe.degradation)]}


def digest(recipe: Recipe) -> str:
    """Six characters that differ between recipes: for the folder of a run whose recipe was changed by hand."""
    return hashlib.sha256(json.dumps(to_dict(recipe), sort_keys=True).encode()).hexdigest()[:6]


def from_dict(data: dict[str, Any]) -> Recipe:
    """The recipe that `to_dict` (or a JSON file made from it) holds."""
    data = dict(data)
    data["degradation"] = _rebuild(DEGRADATIONS[data.pop("degradation_kind")], data["degradation"])
    return _rebuild(Recipe, data)


def override(recipe: Recipe, settings: list[str]) -> Recipe:
    """The recipe with settings such as `losses.perceptual=0` or `training.steps=2000` changed.

    Values are JSON (numbers, lists for ranges, quoted or bare words). Raises KdsharpError for an unknown name or a
    value of another kind.
    """
    described = json.loads(json.dumps(to_dict(recipe)))
    for setting in settings:
        name, _, text = setting.partition("=")
        *path, last = name.split(".")
        place: Any = described
        for step in path:
            place = place.get(step) if isinstance(place, dict) else None
        if not isinstance(place, dict) or last not in place or not text:
            raise KdsharpError(
                f"The recipe has no setting '{setting}': write name=value, as training.steps=2000."
            )
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        if isinstance(value, str) != isinstance(place[last], str) and place[last] is not None:
            raise KdsharpError(f"'{setting}' has a value of another kind than the recipe's {place[last]!r}.")
        place[last] = value
    return from_dict(described)


def _rebuild(kind: type, values: dict[str, Any]) -> Any:
    """`kind(**values)` with nested dataclasses and tuples restored from JSON's objects and lists."""
    restored = {}
    for item in dataclasses.fields(kind):
        if item.name not in values:  # written before there was such a setting: its default holds
            continue
        value = values[item.name]
        if isinstance(value, dict) and dataclasses.is_dataclass(item.type):
            value = _rebuild(item.type, value)
        restored[item.name] = tuple(value) if isinstance(value, list) else value
    return kind(**restored)
