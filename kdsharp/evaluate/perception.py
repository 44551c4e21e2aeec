"""What models of human sight say: ColorVideoVDP in JOD, of pictures and videos, and SSIMULACRA2 (extra `perception`).

PSNR and SSIM compare numbers; these two model sight, and were fitted to the answers of people who were shown pictures
beside their originals. Both need the original, and both count sharpness that was never there as damage.

At most the middle 2048 x 2048 pixels are measured, on the CPU: two megapixels take 1 GB of memory and some seconds.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from io import BytesIO

import numpy as np
from PIL import Image

from kdsharp import data
from kdsharp.errors import KdsharpError, naming_the_extra, quiet

DISPLAY = "standard_fhd"
_SIDE = 2048  # pixels: sides of what is measured of a larger picture
_SMALLEST = 16  # pixels: less than this has no detail that both could weigh


def perception_at_hand() -> bool:
    """Whether the extra `perception` is installed, without loading it."""
    return all(find_spec(name) is not None for name in ("pycvvdp", "ssimulacra2"))


def jod(picture: np.ndarray, original: np.ndarray, display: str = DISPLAY) -> float:
    """Quality of a picture beside its original in just-objectionable differences (ColorVideoVDP): 10 is the original.

    One JOD less, and three of four people would prefer the other (Mantiuk et al. 2024, "ColorVideoVDP: A visual
    difference predictor for image, video and display distortions", ACM Transactions on Graphics 43(4)); the scale goes
    below zero where there is hardly a likeness.

    Args:
        picture: `uint8` RGB (H, W, 3), as is `original`, of the same size.
        display: what it is looked at on, and from where: one of ColorVideoVDP's display models. The default is the
            desk of a video call: a 24-inch Full HD monitor of 200 cd/m² in an office (250 lux), from 60 cm, which
            is 38 pixels a degree. A finer display (`standard_4k`, 75 pixels a degree) hides more.

    Raises KdsharpError for pictures of two sizes, or smaller than 16 pixels, for an unknown display, and where the
    extra is not installed.
    """
    _check(picture, original)
    one, other = (np.ascontiguousarray(data.centre(image, _SIDE)) for image in (picture, original))
    return _predict(one, other, "HWC", 0, display)


def jod_of_video(
    frames: Iterable[np.ndarray], originals: Iterable[np.ndarray], rate: float, display: str = DISPLAY
) -> float:
    """Quality of a video beside its original in JOD, 10 at most: what `jod` sees, and flicker too.

    Frames are `uint8` RGB (H, W, 3) of one size, `rate` of them a second; all of them are held in memory. As to an eye,
    what flickers in fine detail many times a second fades, and a flicker of whole areas does not.
    Raises KdsharpError as `jod` does, for fewer than two frames, for two lengths, and for a rate of 0 or less.
    """
    frames, originals = list(frames), list(originals)
    if len(frames) != len(originals):
        raise KdsharpError(f"Cannot compare a video of {len(frames)} frames with one of {len(originals)}.")
    if len(frames) < 2:
        raise KdsharpError("JOD of a video needs at least two frames: take `jod` for a picture.")
    if rate <= 0:
        raise KdsharpError(f"The rate of a video is the number of its frames a second, not {rate}.")
    for frame, original in zip(frames, originals, strict=True):
        _check(frame, original)
    if len({frame.shape for frame in frames}) > 1:
        raise KdsharpError("The frames of a video must have one size.")
    one, other = (np.stack([data.centre(frame, _SIDE) for frame in video]) for video in (frames, originals))
    return _predict(one, other, "FHWC", rate, display)


def ssimulacra2(picture: np.ndarray, original: np.ndarray) -> float:
    """SSIMULACRA2 of a picture beside its original: 100 is the original, 90 cannot be told from it, 30 is poor.

    Sneyers (Cloudinary), "SSIMULACRA 2" (https://github.com/cloudinary/ssimulacra2), as the package `ssimulacra2`
    computes it: a structural similarity on six scales, with terms for what was lost and what was added, in the colours
    of JPEG XL, weighted by the answers of people about compressed pictures. It goes below zero for a bad one.

    `uint8` RGB (H, W, 3) of one size; all six scales count from 225 pixels a side on. Raises KdsharpError for pictures
    of two sizes, or smaller than 16 pixels, and where the extra is not installed.
    """
    _check(picture, original)
    with naming_the_extra("SSIMULACRA2 needs"):
        from ssimulacra2 import compute_ssimulacra2
    return float(compute_ssimulacra2(_as_file(original), _as_file(picture)))


def _check(picture: np.ndarray, original: np.ndarray) -> None:
    if picture.shape != original.shape:
        raise KdsharpError(
            f"Cannot compare pictures of {picture.shape} and {original.shape}: bring them to one size."
        )
    for image in (picture, original):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise KdsharpError(
                f"JOD and SSIMULACRA2 take uint8 RGB of (H, W, 3), not {image.dtype} of {image.shape}."
            )
    if min(picture.shape[:2]) < _SMALLEST:
        raise KdsharpError(f"JOD and SSIMULACRA2 need {_SMALLEST} pixels a side, not {picture.shape[:2]}.")


def _predict(picture: np.ndarray, original: np.ndarray, order: str, rate: float, display: str) -> float:
    """ColorVideoVDP's answer, at most 10; `order` names the axes as its `predict` does."""
    import torch  # here, so that metrics need none of it

    with _quietly(), torch.inference_mode():
        with naming_the_extra("JOD needs"):
            from pycvvdp import cvvdp, vq_exception
        try:
            metric = cvvdp(display_name=display, quiet=True, device=torch.device("cpu"))
        except (RuntimeError, vq_exception) as error:
            raise KdsharpError(f"ColorVideoVDP has no display '{display}': take '{DISPLAY}'.") from error
        score, _ = metric.predict(picture, original, dim_order=order, frames_per_second=rate)
    return float(score)


def _as_file(picture: np.ndarray) -> BytesIO:
    """The middle of a picture as the uncompressed file that the package reads."""
    file = BytesIO()
    Image.fromarray(data.centre(picture, _SIDE)).save(file, "PPM")
    file.seek(0)
    return file


@contextmanager
def _quietly() -> Iterator[None]:
    """Within, what pycvvdp says of itself stays unsaid, and its calls of `logging.debug` set nothing up."""
    root, silent = logging.getLogger(), logging.NullHandler()
    root.addHandler(silent)
    try:
        with quiet():
            yield
    finally:
        root.removeHandler(silent)
