"""One frame of a video through a student: luma sharpened in the decoder's own Y'CbCr, chroma at most enlarged."""

from functools import partial
from typing import Any

import cv2
import numpy as np

from kdsharp.apps.video.encoder import Pictures, is_full, planar
from kdsharp.data.enlarging import enlarge
from kdsharp.deploy.sharpen import Sharpener
from kdsharp.recipes import enlarged

# Luma of the studio range, 16 to 235, and of the full range that the students know.
_WIDEN = np.clip(np.rint((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)
_NARROW = np.rint(np.arange(256) * 219 / 255 + 16).astype(np.uint8)


def sharp(frame: Any, student: Sharpener, strength: float, chosen: Pictures) -> Any:
    """A new frame (the decoder still looks at its own) of the chosen format, `student.scale` times as large.

    The two fields of an interlaced frame are pictures of two moments, half as high: each is sharpened by itself.
    """
    flat = planar(frame, chosen.pixels)
    by_field = frame.interlaced_frame and frame.height % 4 == 0
    result = _empty_like(frame, student.scale, chosen.pixels)
    luma = _sharp_luma if chosen.bits == 8 else partial(_sharp_deep_luma, bits=chosen.bits)
    ways = [partial(luma, student=student, strength=strength, full=is_full(frame)), _enlarged, _enlarged]
    for way, before, after in zip(ways, flat.planes, result.planes, strict=True):
        target, given = plane(after, chosen.bits), plane(before, chosen.bits)
        if by_field:
            for start in (0, 1):
                field = np.ascontiguousarray(given[start::2])
                target[start::2] = way(field, (target.shape[0] // 2, target.shape[1]))
        else:
            target[:] = way(given, target.shape)
    return result


def plane(of: Any, bits: int = 8) -> np.ndarray:
    """A plane (H, W) as `uint8` or `uint16` without the padding of its lines: a view that can be written."""
    kind = np.dtype(np.uint8 if bits == 8 else np.uint16)
    lines = np.frombuffer(of, kind).reshape(of.height, of.line_size // kind.itemsize)
    return lines[:, : of.width]


def _empty_like(frame: Any, scale: float, pixels: str) -> Any:
    """A frame of the same time and colours, to be filled; that of an interlaced one says which field comes first."""
    from av import VideoFrame

    width, height = enlarged(frame.width, scale), enlarged(frame.height, scale)
    if frame.interlaced_frame:  # PyAV copies the fields' order and cannot set it; there and back makes a copy
        result = frame.reformat(format="gray").reformat(width, height, pixels)
    else:
        result = VideoFrame(width, height, pixels)
    result.pts, result.time_base, result.duration = frame.pts, frame.time_base, frame.duration
    result.color_range, result.colorspace = frame.color_range, frame.colorspace
    return result


def _enlarged(before: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    if before.shape == shape:
        return before
    return cv2.resize(before, shape[::-1], interpolation=cv2.INTER_CUBIC)


def _sharp_luma(
    luma: np.ndarray, shape: tuple[int, int], student: Sharpener, strength: float, full: bool
) -> np.ndarray:
    """`uint8` luma of either range to (scale H, scale W)."""
    wide = luma if full else cv2.LUT(luma, _WIDEN)
    result = student.luma(wide)
    if strength < 1:
        result = cv2.addWeighted(result, strength, enlarge(wide, student.scale), 1 - strength, 0)
    return result if full else cv2.LUT(result, _NARROW)


def _sharp_deep_luma(
    luma: np.ndarray, shape: tuple[int, int], student: Sharpener, strength: float, full: bool, bits: int
) -> np.ndarray:
    """The same for `uint16` with this many bits: computed in floats, so that no step is lost."""
    low, span = (0, (1 << bits) - 1) if full else (16 << (bits - 8), 219 << (bits - 8))
    wide = ((luma.astype(np.float32) - low) / span).clip(0, 1)
    result = student.deep_luma(wide)
    if strength < 1:
        result = strength * result + (1 - strength) * enlarge(wide, student.scale).clip(0, 1)
    return np.rint(result * span + low).astype(np.uint16)
