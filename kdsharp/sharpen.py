"""Use a trained student: a uint8 picture in, a uint8 picture out."""

import threading
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from kdsharp import checkpoints, files
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Recipe

_scratch = threading.local()
ENGINES = ("torch", "onnx", "openvino")


@dataclass(frozen=True)
class Sharpener:
    """A student ready for use. Call it with a `uint8` RGB array (H, W, 3) of any size.

    Returns `uint8` RGB (scale H, scale W, 3). Raises KdsharpError for any other kind of array.
    """

    network: nn.Module
    recipe: Recipe
    device: str
    engine: str
    run: object

    @property
    def scale(self) -> int:
        return self.recipe.scale

    def __call__(self, image: np.ndarray) -> np.ndarray:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise KdsharpError(
                f"A student takes a uint8 RGB picture (H, W, 3), not {image.dtype} of shape {image.shape}."
            )
        if self.network.colour == "luma":
            return self._sharpen_luma(image)
        return self._through(image.transpose(2, 0, 1)).transpose(1, 2, 0)

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
        return np.stack(
            [cv2.multiply(plane, 255, dtype=cv2.CV_8U) for plane in output]
        )  # rounds and saturates


def engines_at_hand() -> list[str]:
    """The engines that are installed, the slowest first."""
    return [name for name in ENGINES if name != "openvino" or find_spec("openvino")]


def load_student(name_or_path: str | Path, device: str | None = None, engine: str = "torch") -> Sharpener:
    """A student by published name (`call-s`, `x4`) or path of a safetensors file.

    Args:
        device: `cpu` or `cuda`; None takes the GPU where there is one.
        engine: `torch`; on the CPU also `onnx` (ONNX Runtime) and `openvino` (fastest on x86, an extra), which run a
            file that is exported into the work folder on first use.

    Raises KdsharpError for an unknown name, a file that is no student, or an unknown engine.
    """
    if engine not in ENGINES:
        raise KdsharpError(f"There is no engine '{engine}'; choose one of {', '.join(ENGINES)}.")
    network, recipe = checkpoints.load(name_or_path)
    if engine != "torch":
        from kdsharp.export import RUNTIMES, to_onnx

        source = checkpoints.find(name_or_path)
        path = files.work_dir() / "onnx" / f"{source.stem}-{files.sha256(source)[:12]}.onnx"
        if not path.exists():
            to_onnx(network, path)
        return Sharpener(network, recipe, "cpu", engine, RUNTIMES[engine](path))
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device, memory_format=torch.channels_last)
    return Sharpener(network, recipe, device, engine, _TorchRun(network, device))


def _buffer(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """`uint8` scratch memory of this thread: the system needs a millisecond to hand out a fresh 1080p picture."""
    kept = vars(_scratch)
    if name not in kept or kept[name].shape != shape:
        kept[name] = np.empty(shape, np.uint8)
    return kept[name]


@dataclass(frozen=True)
class _TorchRun:
    """float32 planes (1, C, H, W) in [0, 1] through a PyTorch network; half precision on a GPU."""

    network: nn.Module
    device: str

    @torch.inference_mode()
    def __call__(self, planes: np.ndarray) -> np.ndarray:
        tensor: Tensor = torch.from_numpy(planes).to(self.device)
        with torch.autocast("cuda", dtype=torch.float16, enabled=self.device.startswith("cuda")):
            result = self.network(tensor)
        return result.float().cpu().numpy()
