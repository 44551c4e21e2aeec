"""What can happen to a photograph, as plain settings; `degrade` does it.

A further degradation is a dataclass like these, with a default for every setting, and `register_degradation`.
"""

from dataclasses import dataclass, is_dataclass
from inspect import Parameter, signature
from typing import Any

from kdsharp.errors import KdsharpError
from kdsharp.recipes.checks import (
    GREY_LEVELS,
    OPTIONS,
    QUALITIES,
    SCALE,
    SHARE,
    TEXT,
    WHOLE_SCALE,
    check,
    checked,
    demand,
    number,
    one_of,
    one_or_several,
    part,
    required,
    setting,
    several,
    span,
)

Range = tuple[float, float]

FILTERS = ("area", "bilinear", "bicubic", "box")
# What enlarges a small frame. `bicubic` (a = -0.5) and `lanczos` (3 lobes) are Pillow's, those of `-opencv` have
# a = -0.75 and 4 lobes; `mitchell` is what browsers take for smooth pictures.
RECEIVERS = (
    "bilinear",
    "bicubic",
    "bicubic-opencv",
    "lanczos",
    "lanczos-opencv",
    "mitchell",
    "nearest",
    "nearest-smooth",
)
BLURS = ("gaussian", "motion", "defocus")
SHAPES = ("iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso")
_KERNEL = 21.0  # pixels: every blur kernel lies in a window of this side


@dataclass(frozen=True)
class Downscale:
    """Shrink by a whole factor, as the super-resolution literature does (plain bicubic by default).

    One of `filters` is drawn for each batch; a teacher sees the bicubic one all the same, which it was trained on.
    `dirty_share` of the images also get noise (standard deviation in 1/255) and JPEG (quality 1 to 100).
    """

    scale: int = setting(4, WHOLE_SCALE)
    dirty_share: float = setting(0.0, SHARE)
    noise: Range = setting((0.0, 4.0), GREY_LEVELS)
    jpeg: Range = setting((40.0, 95.0), QUALITIES)
    filters: tuple[str, ...] = setting(("bicubic",), several(one_of(*FILTERS)), later=True)

    __post_init__ = check


@dataclass(frozen=True)
class VideoCall:
    """A poor video call: shrink, camera noise, JPEG, and the receiver's enlargement back to full size.

    `enlarge` is how the receiver does that, one of `RECEIVERS`, or several, one of which is drawn for each batch.
    At a factor of 1 nothing is shrunk or enlarged: what is lost is lost by JPEG.

    Real calls shrink by a few ratios (1080p sent as 720p, 540p or 360p is 1.5, 2 or 3), whose pixels fall on the same
    few phases again and again: `usual_share` of the draws take one of the `usual` ratios, the others any in `shrink`.
    `clean_share` of the batches arrive as they were sent, so that a student learns to leave a good picture alone.
    `soft_share` of the frames, clean ones too, are a little out of focus before they are sent: a Gaussian blur whose
    sigma in pixels is drawn from `soft`. The sharp original stays what a student is to find. `noise_share` of the
    batches have a camera's noise, of a standard deviation from `noise` in 1/255.
    """

    shrink: Range = setting((1.5, 4.0), span(1, 16))
    filters: tuple[str, ...] = setting(("area", "bilinear", "bicubic"), several(one_of(*FILTERS)))
    noise: Range = setting((0.0, 4.0), GREY_LEVELS)
    jpeg: Range = setting((30.0, 95.0), QUALITIES)
    # "area" is a word of earlier recipes: where it enlarges, it is bilinear, as in OpenCV.
    enlarge: str | tuple[str, ...] = setting("bilinear", one_or_several(*RECEIVERS, "area"))
    usual: tuple[float, ...] = setting((), several(number(1, 16), empty=True))
    usual_share: float = setting(0.0, SHARE)
    clean_share: float = setting(0.0, SHARE)
    soft: Range = setting((0.0, 0.0), span(0, _KERNEL), later=True)
    soft_share: float = setting(0.0, SHARE, later=True)
    noise_share: float = setting(1.0, SHARE, later=True)

    __post_init__ = check


@dataclass(frozen=True)
class SmallFrame:
    """The small frame of a poor video call, as it is decoded: `VideoCall` before the receiver enlarges it.

    1080p sent as 720p, 540p or 360p is shrunk by a `scale` of 1.5, 2 or 3, which divides the sides of the original.
    All else is as in a `VideoCall`, but that every share is one of frames; clean ones are shrunk, and spared noise and
    JPEG.
    """

    scale: float = setting(2, one_of(1.5, 2, 3))
    filters: tuple[str, ...] = setting(("area", "bilinear", "bicubic"), several(one_of(*FILTERS)))
    noise: Range = setting((0.0, 4.0), GREY_LEVELS)
    jpeg: Range = setting((30.0, 95.0), QUALITIES)
    soft: Range = setting((0.0, 0.0), span(0, _KERNEL))
    soft_share: float = setting(0.0, SHARE)
    noise_share: float = setting(1.0, SHARE)
    clean_share: float = setting(0.0, SHARE)

    __post_init__ = check


@dataclass(frozen=True)
class Blur:
    """Blur only, same size in and out: `gaussian` (sigma), `motion` (length) or `defocus` (radius), in pixels.

    A `lean` of 1 draws all amounts alike. Above 1, light blurs come more often: low + (high - low) u^lean, u uniform.
    """

    kind: str = setting("gaussian", one_of(*BLURS))
    amount: Range = setting((0.5, 2.0), span(0, _KERNEL, above=True))
    lean: float = setting(1.0, number(0, above=True))

    __post_init__ = check


@dataclass(frozen=True)
class Camera:
    """A hand-held camera in a dark room, and a file that had to be small: motion blur, low light with noise, JPEG.

    `motion` is a length in pixels. `exposure` is the share of the light that there should be: the picture is darkened
    by it, gets sensor noise (`noise`, standard deviation in 1/255), and is brightened again, noise and all.
    """

    motion: Range = setting((1.0, 7.0), span(0, _KERNEL))
    exposure: Range = setting((0.3, 1.0), span(0, 1, above=True))
    noise: Range = setting((0.5, 3.0), GREY_LEVELS)
    jpeg: Range = setting((50.0, 95.0), QUALITIES)

    __post_init__ = check


@dataclass(frozen=True)
class Pairs:
    """What happened lies in files: every photograph in `sharp_Image/` has its partner of one name in `blur_Image/`."""

    __post_init__ = check


def _check_shares(name: str, shares: tuple[float, ...], count: int) -> None:
    if len(shares) != count or not sum(shares):
        raise KdsharpError(f"{name} is {shares}: give {count} shares that are not all 0.")


def _check_odds(kernels: "KernelMix") -> None:
    _check_shares("a kernel's shape_probabilities", kernels.shape_probabilities, len(kernels.shapes))


@dataclass(frozen=True)
class KernelMix:
    """How one blur kernel of Real-ESRGAN is drawn (Wang et al. 2021, section 3.2 and their option files)."""

    sinc_probability: float = setting(0.1, SHARE)
    sigma: Range = setting((0.2, 3.0), span(0, _KERNEL, above=True))
    beta_generalized: Range = setting((0.5, 4.0), span(0, 100, above=True))
    beta_plateau: Range = setting((1.0, 2.0), span(0, 100, above=True))
    shapes: tuple[str, ...] = setting(SHAPES, several(one_of(*SHAPES)))
    shape_probabilities: tuple[float, ...] = setting((0.45, 0.25, 0.12, 0.03, 0.12, 0.03), several(SHARE))

    __post_init__ = checked("a kernel's ", _check_odds)


def _check_round(once: "DegradeOnce") -> None:
    _check_shares("a round's resize_probabilities", once.resize_probabilities, 3)
    if not once.resize[0] <= 1 <= once.resize[1]:
        raise KdsharpError(f"a round's resize is {once.resize}: give a pair with 1 inside.")


@dataclass(frozen=True)
class DegradeOnce:
    """One of Real-ESRGAN's two rounds: blur, resize (up, down, keep), noise (Gaussian or Poisson), JPEG."""

    blur_probability: float = setting(1.0, SHARE)
    kernel: KernelMix = setting(KernelMix(), part(KernelMix))
    resize_probabilities: tuple[float, float, float] = setting((0.2, 0.7, 0.1), several(SHARE, count=3))
    resize: Range = setting((0.15, 1.5), span(0, 16, above=True))
    gaussian_probability: float = setting(0.5, SHARE)
    noise: Range = setting((1.0, 30.0), GREY_LEVELS)
    poisson: Range = setting((0.05, 3.0), span(0, 100))
    grey_noise_probability: float = setting(0.4, SHARE)
    jpeg: Range = setting((30.0, 95.0), QUALITIES)

    __post_init__ = checked("a round's ", _check_round)


@dataclass(frozen=True)
class RealEsrgan:
    """The second-order degradation of Real-ESRGAN (Wang et al. 2021), with sinc filters."""

    scale: int = setting(4, WHOLE_SCALE)
    first: DegradeOnce = setting(DegradeOnce(), part(DegradeOnce))
    second: DegradeOnce = setting(
        DegradeOnce(
            blur_probability=0.8,
            kernel=KernelMix(sigma=(0.2, 1.5)),
            resize_probabilities=(0.3, 0.4, 0.3),
            resize=(0.3, 1.2),
            noise=(1.0, 25.0),
            poisson=(0.05, 2.5),
        ),
        part(DegradeOnce),
    )
    final_sinc_probability: float = setting(0.8, SHARE)

    __post_init__ = check


@dataclass(frozen=True)
class UnknownDegradation:
    """A degradation that is not registered here, as it was written: its students can be used, but not trained."""

    kind: str = required(TEXT)
    settings: dict[str, Any] = required(OPTIONS)

    __post_init__ = checked("degradation.", lambda unknown: demand("degradation.scale", unknown.scale, SCALE))

    @property
    def scale(self) -> float:
        return self.settings.get("scale", 1)


# One of these, or of the classes that `register_degradation` has added.
Degradation = Downscale | VideoCall | SmallFrame | Blur | Camera | Pairs | RealEsrgan | UnknownDegradation
DEGRADATIONS: dict[str, type] = {
    "downscale": Downscale,
    "video-call": VideoCall,
    "small-frame": SmallFrame,
    "blur": Blur,
    "camera": Camera,
    "pairs": Pairs,
    "real-esrgan": RealEsrgan,
}


def register_degradation(name: str, settings_class: type) -> None:
    """Make a degradation's settings known by name: in recipes, files, cards and on the command line.

    Raises KdsharpError for what is no dataclass with a default for each setting.
    """
    if not is_dataclass(settings_class) or any(
        one.default is Parameter.empty for one in signature(settings_class).parameters.values()
    ):
        raise KdsharpError(f"The settings of '{name}' are no dataclass with a default for each of them.")
    DEGRADATIONS[name] = settings_class


def kind_of(degradation: Degradation) -> str:
    """The name that a degradation is registered by. Raises KdsharpError for one that is not."""
    for name, settings_class in DEGRADATIONS.items():
        if type(degradation) is settings_class:
            return name
    if isinstance(degradation, UnknownDegradation):
        return degradation.kind
    raise KdsharpError(f"{type(degradation).__name__} is no registered degradation.")


def scale_of(degradation: Degradation) -> float:
    """How many times smaller than the original the degraded picture is: 1 (same size), 1.5, 2, 3 or 4."""
    return getattr(degradation, "scale", 1)


def fixed_call(shrink: float = 2.0, quality: float = 70.0) -> VideoCall:
    """A video call without chance: the same shrink factor (area filter), JPEG quality and no noise each time."""
    return VideoCall((shrink, shrink), ("area",), (0.0, 0.0), (quality, quality))


def fixed_small_frame(shrink: float = 2.0, quality: float = 70.0) -> SmallFrame:
    """What `fixed_call` sends, before the receiver enlarges it; shrunk by 1.5, 2 or 3."""
    scale = shrink if shrink % 1 else int(shrink)
    return SmallFrame(scale, ("area",), (0.0, 0.0), (quality, quality))
