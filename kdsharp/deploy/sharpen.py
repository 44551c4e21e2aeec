"""Use a trained student: a uint8 picture in, a uint8 picture out, by the engine that suits the machine."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from kdsharp.deploy import (
    choosing,
    engines,  # noqa: F401 (each registers itself)
    restraint,
)
from kdsharp.deploy.clamp import clamped
from kdsharp.deploy.engines.base import Engine, all_engines, find_engine
from kdsharp.deploy.engines.onnx import OnnxNetwork
from kdsharp.disk import checkpoints, files
from kdsharp.errors import KdsharpError, naming_the_extra
from kdsharp.recipes import Recipe


@dataclass(frozen=True)
class Sharpener:
    """A student ready for use. Call it with a `uint8` RGB array (H, W, 3) of any size.

    Returns `uint8` RGB (scale H, scale W, 3), as `recipes.enlarged` rounds. Raises KdsharpError for any other kind of
    array. `run` is the engine; with `clamp` no value goes beyond those around it (`clamp.clamped`).
    """

    recipe: Recipe
    run: Engine
    clamp: bool = False

    @property
    def scale(self) -> float:
        return self.run.scale

    @property
    def engine(self) -> str:
        return self.run.name

    @property
    def device(self) -> str:
        return self.run.device

    def __call__(self, image: np.ndarray) -> np.ndarray:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise KdsharpError(
                f"A student takes a uint8 RGB picture (H, W, 3), not {image.dtype} of shape {image.shape}."
            )
        return self._within(image, self.run.frame(image))

    def luma(self, plane: np.ndarray) -> np.ndarray:
        """`uint8` luma (H, W), full range, to (scale H, scale W). Raises KdsharpError for a student of colours."""
        return self._within(plane, self.run.luma(plane))

    def deep(self, image: np.ndarray) -> np.ndarray:
        """The same for `uint16` RGB. Raises KdsharpError on a GPU, whose frames are bytes."""
        return self._within(image, self.run.deep(image))

    def deep_luma(self, plane: np.ndarray) -> np.ndarray:
        """`float32` luma (H, W) in [0, 1] to (scale H, scale W). Raises KdsharpError for a student of colours."""
        return self._within(plane, self.run.deep_luma(plane))

    def unrestrained(self) -> "Sharpener":
        """The same without the student's restraint, for pieces of a picture that `restrained` judges as a whole."""
        return replace(self, run=self.run.unrestrained())

    def restrained(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """The answer of `unrestrained` as the student's restraint lets it pass.

        RGB pictures (H, W, 3) of one size, `uint8` or `uint16`. Where the student has no restraint, `after` itself.
        """
        if not self.run.restraint:
            return after
        luma = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[None] for picture in (before, after))
        share = restraint.passing(*luma, self.run.restraint, self.run.multiple)
        return restraint.blended(before, after, share)

    def remembering(self) -> "Sharpener":
        """The same for the frames of one stream, `uint8`: what has not changed since the last is not computed again.

        Each frame comes out as by itself, to the bit. For OpenVINO; other engines compute all.
        """
        return replace(self, run=self.run.remembering())

    def stream(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Sharpen frames of one size after another: `remembering`.

        A GPU computes one while it sends and takes its neighbours.
        """
        if self.clamp:
            return map(self.remembering(), frames)
        return self.run.stream(frames)

    def _within(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        return clamped(before, after, self.scale) if self.clamp else after


def check_strength(strength: float) -> None:
    """Raises KdsharpError for a blend that is not between 0 (the input) and 1 (the student's answer)."""
    if not 0 <= strength <= 1:
        raise KdsharpError(f"The strength lies between 0 (nothing) and 1 (all), not at {strength:g}.")


def engines_at_hand(device: str = "cpu") -> list[str]:
    """The engines that are installed for `cpu`, the slowest first, or for `cuda`; none for a GPU that is not there."""
    return [kind.name for kind in all_engines() if kind.usual and kind.at_hand(device)]


def best_engine(device: str = "cpu", many_of_one_size: bool = False) -> str:
    """The fastest engine that is installed; OpenVINO, which has to prepare for each size, only for videos."""
    if device.startswith("cuda"):
        return "cuda-graph" if many_of_one_size else "torch"
    return "openvino-int8" if many_of_one_size and find_engine("openvino-int8").at_hand(device) else "onnx"


def load_student(
    name_or_path: str | Path,
    device: str | None = None,
    engine: str | None = None,
    size: tuple[int, int] = (1080, 1920),
    rate: float = 30.0,
    shown: tuple[int, int] | None = None,
) -> Sharpener:
    """A student by published name (`call-s`, `x4`) or path of a safetensors file.

    The name `call` means whichever of call-m, call-s and call-xs is the best that keeps up on this machine, which takes
    half a second to find out the first time (`choosing`); the result's recipe and the log tell which.

    Args:
        device: `cpu` or `cuda`, for the engines of PyTorch; None takes the GPU where there is one.
        engine: None takes `torch` where PyTorch is installed or a GPU is asked for, else `onnx`. There are `torch`,
            `compile` (torch.compile) and, on a GPU, `cuda-graph`; or a runtime of an exported file, which is made on
            first use where none is published: `onnx` (ONNX Runtime), `onnx-cuda`, `tensorrt`, `openvino` (faster on
            x86, an extra), and with 8-bit convolutions `onnx-int8` and `openvino-int8` (fastest).
        size, rate: what `call` has to keep up with: frames of (height, width), and how many a second.
        shown: the size of the frames that `call` is to give, where they come smaller by 1.5 or 3; None: the same.

    Raises KdsharpError for an unknown name, a file that is no student, or an engine that is unknown or not installed.
    """
    if name_or_path == choosing.ANY:
        engine = engine or best_engine(device or "cpu", many_of_one_size=True)
        return choosing.fastest_enough(lambda name: load_student(name, device, engine), size, rate, shown)
    if engine is None:
        engine = "torch" if find_spec("torch") or (device or "").startswith("cuda") else "onnx"
    kind = find_engine(engine)
    device = kind.place(device)
    source = checkpoints.find(name_or_path)
    if kind.wants == "network":
        with naming_the_extra(f"The engine '{engine}' needs"):
            from kdsharp.student import load_network

        model, recipe = load_network(source)
    else:
        recipe = checkpoints.recipe_of(source)
        model = exported_file(source, int8=kind.wants == "int8")
    return Sharpener(recipe, kind.start(model, device))


def exported_file(source: Path, int8: bool = False) -> Path:
    """The ONNX file of a network of ours: the published one beside it, or one in the work folder, made if need be."""
    digest, ending = checkpoints.digest(source), ".int8.onnx" if int8 else ".onnx"
    published = source.with_suffix(ending)
    if published.is_file() and OnnxNetwork(published).source == digest:
        return published
    # Without "many": made for one picture at a time, and before `quantise` minded what AVX2 can add.
    path = files.work_dir() / "onnx" / f"{source.stem}-{digest}-many{ending}"
    if not path.exists():
        with naming_the_extra(f"'{source.stem}' has no exported file, and making one needs"):
            from kdsharp.deploy import export, quantise
            from kdsharp.student import load_network

        network, recipe = load_network(source)
        if int8:
            planes = quantise.calibration_planes(recipe.degradation, network.colour)
            quantise.to_int8(exported_file(source), path, planes)
        else:
            export.to_onnx(network, path, digest)
    return path
