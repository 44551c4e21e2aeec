"""What the tests of shaders share: the networks that can be one, and frames as a poor call brings them."""

import cv2
import numpy as np

from kdsharp import data, recipes
from kdsharp.deploy.engines.onnx import OnnxNetwork
from kdsharp.disk import checkpoints


def shaded() -> list[str]:
    """The published networks that shaders are written of."""
    recipe_of = {name: checkpoints.recipe_of(checkpoints.find(name)) for name in checkpoints.students()}
    return [name for name, recipe in recipe_of.items() if recipe.student.options.get("colour") == "luma"]


def poor(height: int, width: int) -> np.ndarray:
    """Luma (H, W) in [0, 1] of a photograph, softened so much that every network has something to do."""
    photo = cv2.cvtColor(data.read_image(data.embedded_photos("val")[0]), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(photo, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255


def enlarged(luma: np.ndarray, scale: float) -> np.ndarray:
    """Bilinear, in the place of a network's answer."""
    sides = [recipes.enlarged(side, scale) for side in luma.shape]
    return cv2.resize(luma, sides[::-1], interpolation=cv2.INTER_LINEAR)


def answer(network: OnnxNetwork, luma: np.ndarray) -> np.ndarray:
    return network(luma[None, None])[0, 0].clip(0, 1)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """The largest, in 1/255."""
    assert one.shape == other.shape
    return float(np.abs(one - other).max() * 255)
