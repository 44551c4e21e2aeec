"""Plain enlargement beside a student's: for chroma, transparency, and what a result is blended with."""

import cv2
import numpy as np

from kdsharp.recipes import enlarged, whole_steps


def enlarge(image: np.ndarray, scale: float) -> np.ndarray:
    """A picture or plane, (H, W) or (H, W, C), enlarged by OpenCV's bicubic interpolation; itself at a scale of 1.

    At a scale of 1.5 an odd side is continued by one pixel, as students continue it: stretched to its rounded size, a
    picture would drift away from theirs.
    """
    if scale == 1:
        return image
    large, small = whole_steps(scale)
    height, width = image.shape[:2]
    bottom, right = -height % small, -width % small
    if bottom or right:
        image = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    size = tuple(side // small * large for side in image.shape[1::-1])
    whole = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(whole[: enlarged(height, scale), : enlarged(width, scale)])
