"""Rulers beyond PSNR and SSIM: naturalness without an original, and flicker.

PSNR rewards the mean of all pictures that could have been (notebook 06); these ask other questions.
"""

import itertools
from collections.abc import Iterable

import numpy as np

from kdsharp.errors import KdsharpError
from kdsharp.teacher.reference import import_niqe

_BLOCK = 96  # pixels of NIQE's blocks


def niqe(picture: np.ndarray) -> float:
    """Natural image quality evaluator (Mittal et al. 2013) of `uint8` RGB (H, W, 3): lower is more natural.

    No original is needed. The figures are basicsr's, on Y of BT.601. Raises KdsharpError where basicsr is not installed
    (extra `reference`, Python 3.12 or older), and for pictures with fewer than four blocks of 96 pixels.
    """
    if (picture.shape[0] // _BLOCK) * (picture.shape[1] // _BLOCK) < 4:
        raise KdsharpError(
            f"NIQE needs at least four blocks of {_BLOCK} pixels: {picture.shape[:2]} is too small."
        )
    bgr = np.ascontiguousarray(picture[..., ::-1])
    return float(import_niqe()(bgr, crop_border=0, input_order="HWC", convert_to="y"))


def flicker(frames: Iterable[np.ndarray], originals: Iterable[np.ndarray]) -> float:
    """How much the error of a video changes from frame to frame: the mean absolute change, in 1/255.

    Both are `uint8` frames of one size. With e_t the difference between frame t and its original, it is the mean of
    |e_t - e_(t-1)| over pixels and frames. A still error (a blur) costs nothing, an error that jumps (noise, blocks,
    invented texture) costs what one sees.
    Raises KdsharpError for fewer than two frames.
    """
    errors = (frame.astype(np.int16) - original for frame, original in zip(frames, originals, strict=True))
    changes = [float(np.abs(new - old).mean()) for old, new in itertools.pairwise(errors)]
    if not changes:
        raise KdsharpError("Flicker needs at least two frames.")
    return float(np.mean(changes))
