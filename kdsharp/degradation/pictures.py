"""A picture through a degradation, without tensors."""

import numpy as np
import torch

from kdsharp import data, recipes
from kdsharp.degradation.registry import degrade
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Degradation


def degrade_picture(
    image: np.ndarray, degradation: Degradation | str = "video-call", seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """(what was sent, what is received) of a sharp picture; all `uint8` RGB (H, W, 3).

    What is sent is the small frame of a call, which a teacher sees; received is what a student gets: the same enlarged
    by the receiver. Where nothing is enlarged, both are one picture.

    Args:
        degradation: settings such as `fixed_call(2, 70)`, or a name of `recipes.DEGRADATIONS` for its defaults.
        seed: what chance draws follows from it alone.

    Raises KdsharpError for an unknown name, or a picture whose sides an upscaling task's scale does not divide.
    """
    if isinstance(degradation, str):
        if degradation not in recipes.DEGRADATIONS:
            names = ", ".join(recipes.DEGRADATIONS)
            raise KdsharpError(f"There is no degradation '{degradation}'; choose one of {names}.")
        degradation = recipes.DEGRADATIONS[degradation]()
    degraded = degrade(data.to_tensor(image), degradation, torch.Generator().manual_seed(seed))
    return data.to_image(degraded.small), data.to_image(degraded.input)
