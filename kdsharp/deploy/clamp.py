"""No value beyond those around it: what keeps a sharpened edge from ringing, and takes some of its bite."""

import cv2
import numpy as np

from kdsharp.recipes import enlarged

_NEIGHBOURS = np.ones((3, 3), np.uint8)


def clamped(before: np.ndarray, after: np.ndarray, scale: float = 1) -> np.ndarray:
    """`after` between the smallest and the largest of the 3x3 pixels of `before` around each place.

    A plane (H, W) or a picture (H, W, 3), each colour by itself, and its answer, `scale` times as large, of one kind:
    `uint8`, `uint16` or `float32`.
    """
    low, high = cv2.erode(before, _NEIGHBOURS), cv2.dilate(before, _NEIGHBOURS)
    if scale > 1:
        size = tuple(enlarged(side, scale) for side in before.shape[1::-1])
        low, high = (cv2.resize(bound, size, interpolation=cv2.INTER_NEAREST) for bound in (low, high))
    return cv2.min(cv2.max(after, low), high)
