"""What the tests of shaders share: networks, small ones of every kind too, and frames as a poor call brings them."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from kdsharp import data, recipes, student
from kdsharp.disk import checkpoints
from kdsharp.recipes import Network

# Fold, scale, restraint and width in all combinations that shaders tell apart, and fast to compile.
KINDS = {
    "restrained": {"restraint": 0.3},
    "wide": {"channels": 40, "body": 0},
    "unfolded": {"unshuffle": 1},
    "folded by 4": {"unshuffle": 4, "restraint": 0.3},
    "x1.5": {"scale": 1.5},
    "x2 and folded": {"scale": 2, "channels": 12},
    "x3": {"scale": 3, "unshuffle": 1},
    "x4": {"scale": 4, "unshuffle": 1, "channels": 5},
}


def shaded() -> list[str]:
    """The published networks that shaders are written of."""
    recipe_of = {name: checkpoints.recipe_of(checkpoints.find(name)) for name in checkpoints.students()}
    return [name for name, recipe in recipe_of.items() if recipe.student.options.get("colour") == "luma"]


def save(path: Path, **options: object) -> Path:
    """An untrained student of luma, whose last layer matters."""
    smallest = {"scale": 1, "unshuffle": 2, "channels": 8, "body": 1, "colour": "luma"}
    network = Network("student", smallest | options)
    scale = network.options["scale"]
    degradation = recipes.SmallFrame(scale) if scale == 1.5 else recipes.Downscale(scale)
    recipe = dataclasses.replace(recipes.preset("call-xs"), degradation=degradation, student=network)
    torch.manual_seed(0)
    built = student.build(network)
    with torch.no_grad():
        built.last.weight.mul_(3)
        for name, value in built.named_parameters():
            if name.endswith("bias"):
                value.uniform_(-0.1, 0.1)
    return checkpoints.save(path, built, recipe)


def reference(source: Path, restrained: bool = True) -> Callable[[np.ndarray], np.ndarray]:
    """What PyTorch makes of luma (H, W) by a network of ours, in [0, 1]."""
    network, _ = student.load_network(source)
    if not restrained:
        network.restraint = None

    def answer(luma: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(luma)[None, None])[0, 0].clamp(0, 1).numpy()

    return answer


def between() -> np.ndarray:
    """RGB (180, 320, 3), as soft as an unsharp camera: `call-xs` lets half of its change pass, and unrounded more."""
    photo = cv2.resize(
        data.read_image(data.embedded_photos("val")[0]), (512, 512), interpolation=cv2.INTER_AREA
    )
    small = cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    soft = cv2.resize(small, (512, 512), interpolation=cv2.INTER_LINEAR)
    return cv2.addWeighted(soft, 0.8, photo, 0.2, 0)[30:210, 60:380]


def poor(height: int, width: int) -> np.ndarray:
    """Luma (H, W) in [0, 1] of a photograph, softened so much that every network has something to do."""
    photo = cv2.cvtColor(data.read_image(data.embedded_photos("val")[0]), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(photo, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255


def as_video(luma: np.ndarray, bits: int, full: bool) -> tuple[list[str], bytes, np.ndarray]:
    """Luma (H, W) in [0, 1] as a grey frame: what FFmpeg is told of it, its bytes, and the luma rounded to its bits."""
    low, span = (0, (1 << bits) - 1) if full else (16 << (bits - 8), 219 << (bits - 8))
    codes = np.rint(luma * span + low)
    grey = np.full((2, *luma.shape), 1 << (bits - 1))
    kind, pixels = (np.uint8, "yuv444p") if bits == 8 else (np.uint16, f"yuv444p{bits}le")
    told = [
        "-f",
        "rawvideo",
        "-pix_fmt",
        pixels,
        "-s",
        f"{luma.shape[1]}x{luma.shape[0]}",
        "-colorspace",
        "bt709",
    ]
    told += ["-color_range", "pc" if full else "tv"]
    frame = np.concatenate([codes[None], grey]).astype(kind).tobytes()
    return told, frame, ((codes - low) / span).astype(np.float32)


def enlarged(luma: np.ndarray, scale: float) -> np.ndarray:
    """Bilinear, in the place of a network's answer."""
    sides = [recipes.enlarged(side, scale) for side in luma.shape]
    return cv2.resize(luma, sides[::-1], interpolation=cv2.INTER_LINEAR)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """The largest, in 1/255."""
    assert one.shape == other.shape
    return float(np.abs(one - other).max() * 255)
