"""What can happen to a photograph, as plain settings; `degrade` does it."""

from dataclasses import dataclass

from kdsharp.recipes.checks import check

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

    __post_init__ = check


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

    __post_init__ = check


@dataclass(frozen=True)
class Blur:
    """Blur only, same size in and out: `gaussian` (sigma), `motion` (length) or `defocus` (radius), in pixels.

    A `lean` of 1 draws all amounts alike. Above 1, light blurs come more often: low + (high - low) u^lean, u uniform.
    """

    kind: str = "gaussian"
    amount: Range = (0.5, 2.0)
    lean: float = 1.0

    __post_init__ = check


@dataclass(frozen=True)
class Camera:
    """A hand-held camera in a dark room, and a file that had to be small: motion blur, low light with noise, JPEG.

    `motion` is a length in pixels. `exposure` is the share of the light that there should be: the picture is darkened
    by it, gets sensor noise (`noise`, standard deviation in 1/255), and is brightened again, noise and all.
    """

    motion: Range = (1.0, 7.0)
    exposure: Range = (0.3, 1.0)
    noise: Range = (0.5, 3.0)
    jpeg: Range = (50.0, 95.0)

    __post_init__ = check


@dataclass(frozen=True)
class Pairs:
    """The damage lies in files: every photograph in `sharp_Image/` has its partner of one name in `blur_Image/`."""

    __post_init__ = check


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

    __post_init__ = check


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

    __post_init__ = check


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

    __post_init__ = check


Degradation = Downscale | VideoCall | Blur | Camera | Pairs | RealEsrgan
DEGRADATIONS: dict[str, type] = {
    "downscale": Downscale,
    "video-call": VideoCall,
    "blur": Blur,
    "camera": Camera,
    "pairs": Pairs,
    "real-esrgan": RealEsrgan,
}


def fixed_call(shrink: float = 2.0, quality: float = 70.0, enlarge: str = "bilinear") -> VideoCall:
    """A video call without chance: the same shrink factor (area filter), JPEG quality and no noise each time."""
    return VideoCall((shrink, shrink), ("area",), (0.0, 0.0), (quality, quality), enlarge)
