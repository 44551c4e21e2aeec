"""Use a trained student: a uint8 picture in, a uint8 picture out.

The engines of `runtime` run an exported student and load no PyTorch; the others are PyTorch's own (`torch_run`).
"""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime

from kdsharp.deploy.runtime import GPU_RUNTIMES, RUNTIMES, OnnxNetwork
from kdsharp.disk import checkpoints, files
from kdsharp.errors import KdsharpError, naming_the_extra
from kdsharp.recipes import Recipe

_scratch = threading.local()
TORCH_ENGINES = ("torch", "compile", "cuda-graph")
ENGINES = (*TORCH_ENGINES, *RUNTIMES)
GPU_ENGINES = ("cuda-graph", *GPU_RUNTIMES)  # those that need one
_COLOURS = "This student works on colours, not on luma: take call-s, call-m, x2-s or x4-s."


@dataclass(frozen=True)
class Sharpener:
    """A student ready for use. Call it with a `uint8` RGB array (H, W, 3) of any size.

    Returns `uint8` RGB (scale H, scale W, 3). Raises KdsharpError for any other kind of array. `run` takes planes
    (1, C, H, W) of its `colour` as float32 in [0, 1]; where it has `uint8`, also as bytes; where it has `frame`, whole
    frames.
    """

    recipe: Recipe
    device: str
    engine: str
    run: Any

    @property
    def scale(self) -> int:
        return self.recipe.scale

    def __call__(self, image: np.ndarray) -> np.ndarray:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise KdsharpError(
                f"A student takes a uint8 RGB picture (H, W, 3), not {image.dtype} of shape {image.shape}."
            )
        if hasattr(self.run, "frame"):
            return self.run.frame(image)
        if self.run.colour == "luma":
            return self._sharpen_luma(image)
        return self._through(image.transpose(2, 0, 1)).transpose(1, 2, 0)

    def luma(self, plane: np.ndarray) -> np.ndarray:
        """`uint8` luma (H, W), full range, to (scale H, scale W). Raises KdsharpError for a student of colours."""
        if hasattr(self.run, "frame"):
            grey = np.repeat(plane[..., None], 3, axis=2)
            return np.ascontiguousarray(self.run.frame(grey)[..., 0])
        if self.run.colour != "luma":
            raise KdsharpError(_COLOURS)
        return self._through(plane[None])[0]

    def deep(self, image: np.ndarray) -> np.ndarray:
        """The same for `uint16` RGB: computed in floats, so that no step of 16 bits is lost.

        Raises KdsharpError on a GPU, whose frames are bytes.
        """
        if hasattr(self.run, "frame"):
            raise KdsharpError("A GPU's engines take 8 bits: give --engine onnx for pictures of 16.")
        colours = image.astype(np.float32) / 65535
        if self.run.colour == "luma":
            sharp = self.run(cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY)[None, None])[0, 0].clip(0, 1)
            if self.scale > 1:
                colours = cv2.resize(colours, sharp.shape[::-1], interpolation=cv2.INTER_CUBIC).clip(0, 1)
            colours = colours + (sharp - cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY))[..., None]
        else:
            colours = self.run(np.ascontiguousarray(colours.transpose(2, 0, 1))[None])[0].transpose(1, 2, 0)
        return np.rint(colours.clip(0, 1) * 65535).astype(np.uint16)

    def deep_luma(self, plane: np.ndarray) -> np.ndarray:
        """`float32` luma (H, W) in [0, 1] to (scale H, scale W): what `luma` does, without rounding to 8 bits.

        A GPU's frames are bytes: there the change that they undergo is added to the finer plane.
        """
        if hasattr(self.run, "frame"):
            coarse = np.rint(255 * plane).astype(np.uint8)
            sharp = self.luma(coarse)
            if self.scale > 1:
                plane, coarse = (
                    cv2.resize(x, sharp.shape[::-1], interpolation=cv2.INTER_CUBIC) for x in (plane, coarse)
                )
            return (plane + (sharp.astype(np.float32) - coarse) / 255).clip(0, 1)
        if self.run.colour != "luma":
            raise KdsharpError(_COLOURS)
        return self.run(plane[None, None])[0, 0].clip(0, 1)

    def stream(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Sharpen frames of one size after another; a GPU computes one while it sends and takes its neighbours."""
        if hasattr(self.run, "stream"):
            yield from self.run.stream(frames)
        else:
            yield from map(self, frames)

    def _sharpen_luma(self, image: np.ndarray) -> np.ndarray:
        """One grey conversion in and one saturating addition out: chroma is at most enlarged (bicubic).

        A change of luma by d is added to R, G and B. Its positive and its negative part are two 8-bit pictures: in 16
        bits the same takes twice as long.
        """
        luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY, dst=_buffer("luma", image.shape[:2]))
        sharp = self._through(luma[None])[0]
        if self.scale > 1:
            image = cv2.resize(image, sharp.shape[::-1], interpolation=cv2.INTER_CUBIC)
            luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY, dst=_buffer("luma", sharp.shape))
        part, three = _buffer("part", sharp.shape), _buffer("three", image.shape)
        result = cv2.add(
            image, cv2.cvtColor(cv2.subtract(sharp, luma, dst=part), cv2.COLOR_GRAY2RGB, dst=three)
        )
        darker = cv2.cvtColor(cv2.subtract(luma, sharp, dst=part), cv2.COLOR_GRAY2RGB, dst=three)
        return cv2.subtract(result, darker, dst=result)

    def _through(self, planes: np.ndarray) -> np.ndarray:
        """`uint8` planes (C, H, W) through the network, rounded."""
        if hasattr(self.run, "uint8"):
            return self.run.uint8(planes[None])[0]
        scaled = np.multiply(planes[None], np.float32(1 / 255), dtype=np.float32)
        output = self.run(scaled)[0]
        # OpenCV's product rounds and saturates.
        return np.stack([cv2.multiply(plane, 255, dtype=cv2.CV_8U) for plane in output])


def check_strength(strength: float) -> None:
    """Raises KdsharpError for a blend that is not between 0 (the input) and 1 (the student's answer)."""
    if not 0 <= strength <= 1:
        raise KdsharpError(f"The strength lies between 0 (nothing) and 1 (all), not at {strength:g}.")


def engines_at_hand(device: str = "cpu") -> list[str]:
    """The engines that are installed for `cpu`, the slowest first, or for `cuda`; none for a GPU that is not there."""
    if not device.startswith("cuda"):
        return ["torch", "onnx"] + (["openvino", "openvino-int8"] if find_spec("openvino") else [])
    import torch

    if not torch.cuda.is_available():
        return []
    providers = onnxruntime.get_available_providers()
    wanted = {"onnx-cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
    return ["torch", "cuda-graph", *(engine for engine, name in wanted.items() if name in providers)]


def best_engine(device: str = "cpu", many_of_one_size: bool = False) -> str:
    """The fastest engine that is installed; OpenVINO, which has to prepare for each size, only for videos."""
    if device.startswith("cuda"):
        return "cuda-graph" if many_of_one_size else "torch"
    return "openvino-int8" if many_of_one_size and find_spec("openvino") else "onnx"


def load_student(name_or_path: str | Path, device: str | None = None, engine: str | None = None) -> Sharpener:
    """A student by published name (`call-s`, `x4`) or path of a safetensors file.

    Args:
        device: `cpu` or `cuda`, for the engines of PyTorch; None takes the GPU where there is one.
        engine: None takes `torch` where PyTorch is installed or a GPU is asked for, else `onnx`. There are `torch`,
            `compile` (torch.compile) and, on a GPU, `cuda-graph`; or a runtime of an exported file, which
            is made on first use where none is published: `onnx` (ONNX Runtime), `onnx-cuda`, `tensorrt`, `openvino`
            (faster on x86, an extra), and with 8-bit convolutions `onnx-int8` and `openvino-int8` (fastest).

    Raises KdsharpError for an unknown name, a file that is no student, or an engine that is unknown or not installed.
    """
    if engine is None:
        engine = "torch" if find_spec("torch") or (device or "").startswith("cuda") else "onnx"
    if engine not in ENGINES:
        raise KdsharpError(f"There is no engine '{engine}'; choose one of {', '.join(ENGINES)}.")
    if engine in RUNTIMES:
        source = checkpoints.find(name_or_path)
        recipe = checkpoints.recipe_of(source)
        exported = exported_file(source, int8=engine.endswith("-int8"))
        return Sharpener(
            recipe, "cuda" if engine in GPU_RUNTIMES else "cpu", engine, RUNTIMES[engine](exported)
        )
    with naming_the_extra(f"The engine '{engine}' needs"):
        from kdsharp.deploy import (
            torch_run,  # PyTorch takes seconds to import, and the others need none of it
        )
        from kdsharp.student import load_network

    network, recipe = load_network(name_or_path)
    run = torch_run.start(network, device, engine)
    return Sharpener(recipe, run.device, engine, run)


def exported_file(source: Path, int8: bool = False) -> Path:
    """The ONNX file of a network of ours: the published one beside it, or one in the work folder, made if need be."""
    digest, ending = checkpoints.digest(source), ".int8.onnx" if int8 else ".onnx"
    published = source.with_suffix(ending)
    if published.is_file() and OnnxNetwork(published).source == digest:
        return published
    kind = "-pairs" if int8 else ""  # without it: made before `quantise` minded what AVX2 can add
    path = files.work_dir() / "onnx" / f"{source.stem}-{digest}{kind}{ending}"
    if not path.exists():
        with naming_the_extra(f"'{source.stem}' has no exported file, and making one needs"):
            from kdsharp.deploy import export, quantise
            from kdsharp.student import load_network
        network, recipe = load_network(source)
        if int8:
            quantise.to_int8(exported_file(source), path, quantise.calibration_planes(recipe))
        else:
            export.to_onnx(network, path, digest)
    return path


def _buffer(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """`uint8` scratch memory of this thread: the system needs a millisecond to hand out a fresh 1080p picture."""
    kept = vars(_scratch)
    if name not in kept or kept[name].shape != shape:
        kept[name] = np.empty(shape, np.uint8)
    return kept[name]
