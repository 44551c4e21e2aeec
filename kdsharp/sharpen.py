"""Use a trained student: a uint8 picture in, a uint8 picture out."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from kdsharp import checkpoints, files
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Recipe

ENGINES = ("torch", "onnx")


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
        planes = np.ascontiguousarray(image.transpose(2, 0, 1))[None].astype(np.float32) / 255
        return _to_uint8(self.run(planes)[0].transpose(1, 2, 0) * 255)

    def _sharpen_luma(self, image: np.ndarray) -> np.ndarray:
        """One grey conversion in and one saturating addition out: chroma is at most enlarged (bicubic)."""
        luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        sharp = self.run(luma[None, None] / 255)[0, 0] * 255
        if self.scale > 1:
            image = cv2.resize(image, sharp.shape[::-1], interpolation=cv2.INTER_CUBIC)
            luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        correction = np.rint(sharp - luma).astype(np.int16)
        return cv2.add(image, cv2.merge([correction] * 3), dtype=cv2.CV_8U)


def load_student(name_or_path: str | Path, device: str | None = None, engine: str = "torch") -> Sharpener:
    """A student by published name (`call`, `x4`) or path of a safetensors file.

    Args:
        device: `cpu` or `cuda`; None takes the GPU where there is one. ONNX Runtime runs on the CPU.
        engine: `torch` or `onnx` (ONNX Runtime; exported into the work folder on first use).

    Raises KdsharpError for an unknown name, a file that is no student, or an unknown engine.
    """
    if engine not in ENGINES:
        raise KdsharpError(f"There is no engine '{engine}'; choose one of {', '.join(ENGINES)}.")
    network, recipe = checkpoints.load(name_or_path)
    if engine == "onnx":
        from kdsharp.export import OnnxNetwork, to_onnx

        source = checkpoints.find(name_or_path)
        path = files.work_dir() / "onnx" / f"{source.stem}-{files.sha256(source)[:12]}.onnx"
        if not path.exists():
            to_onnx(network, path)
        return Sharpener(network, recipe, "cpu", engine, OnnxNetwork(path))
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device, memory_format=torch.channels_last)
    return Sharpener(network, recipe, device, engine, _TorchRun(network, device))


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


def _to_uint8(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
