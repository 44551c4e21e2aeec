"""Restraint (`student.Restraint`) on arrays: a picture that its student would hardly change is left alone.

Engines compute a student without its restraint, and a whole picture is judged here, by what went in and what came out.
So a picture may be computed in pieces, as a large one is: no piece is left alone beside one that is not.
"""

import cv2
import numpy as np

EVERY = 4  # of the folded rows are enough for a mean, as in the network
FLAT = 1e-4  # of the range: a picture without any step is corrected as it would be


def passing(before: np.ndarray, after: np.ndarray, full: float, fold: int) -> float:
    """How much of the change from `before` to `after` is let through, 0 to 1.

    Both are planes (C, H, W) of one kind, `uint8`, `uint16` or `float32` in [0, 1]. `full` is the share of the steps
    between neighbours from which on all of a change passes, `fold` what the network folds by.
    """
    lines = EVERY * fold
    change = np.mean([_distance(before[:, row::lines], after[:, row::lines]) for row in range(fold)])
    row = before[0, ::lines]
    pairs = row.shape[-1] // fold  # neighbours that lie in one folded pixel
    step = _distance(row[:, : pairs * fold : fold], row[:, 1 : pairs * fold : fold]) if pairs else 0.0
    flat = FLAT if before.dtype.kind == "f" else FLAT * np.iinfo(before.dtype).max
    return float(np.clip(3 * change / (step + flat) / full - 2, 0, 1))


def blended(before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    """`before` with so large a share of its change to `after`; a copy of `before` at 0, `after` itself at 1."""
    if share in (0.0, 1.0):
        return after if share else before.copy()
    lines = (picture.reshape(len(picture), -1) for picture in (after, before))  # OpenCV knows no planes
    return cv2.addWeighted(next(lines), share, next(lines), 1 - share, 0).reshape(before.shape)


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """The mean absolute difference; 0 of nothing."""
    if not one.size:
        return 0.0
    one, other = (np.ascontiguousarray(part).reshape(1, -1) for part in (one, other))
    return cv2.norm(one, other, cv2.NORM_L1) / one.size
