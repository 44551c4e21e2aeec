"""Teachers: the official Real-ESRGAN networks by name, any file by path, and the course's own small one.

spandrel recognises the architecture from the file and reads it without running code from it.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from spandrel import ImageModelDescriptor, ModelLoader
from torch import Tensor

from kdsharp import checkpoints, data, files
from kdsharp.degrade import resize
from kdsharp.errors import KdsharpError
from kdsharp.tiling import run_tiled

log = logging.getLogger(__name__)

OWN = "teacher-x4"
ENGINES = ("kdsharp", "realesrgan")
_RELEASES = "https://github.com/xinntao/Real-ESRGAN/releases/download"


@dataclass(frozen=True)
class OfficialFile:
    """A released file: where it lies, and what it must weigh and hash to."""

    url: str
    size: int | None
    sha256: str


OFFICIAL = {
    "RealESRGAN_x4plus_anime_6B": OfficialFile(
        f"{_RELEASES}/v0.2.2.4/RealESRGAN_x4plus_anime_6B.pth",
        17938799,
        "f872d837d3c90ed2e05227bed711af5671a6fd1c9f7d7e91c911a61f155e99da",
    ),
    "realesr-general-x4v3": OfficialFile(
        f"{_RELEASES}/v0.2.5.0/realesr-general-x4v3.pth",
        4885111,
        "8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
    ),
    "RealESRGAN_x4plus": OfficialFile(
        f"{_RELEASES}/v0.1.0/RealESRGAN_x4plus.pth",
        67040989,
        "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
    ),
    "RealESRNet_x4plus": OfficialFile(
        f"{_RELEASES}/v0.1.1/RealESRNet_x4plus.pth",
        None,
        "df35f2bff19ca942eef14a8f291e29e3b0e5a5db436f58e451968a69ad995b5c",
    ),
    "realesr-animevideov3": OfficialFile(
        f"{_RELEASES}/v0.2.5.0/realesr-animevideov3.pth",
        2504012,
        "b8a8376811077954d82ca3fcf476f1ac3da3e8a68a4f4d71363008000a18b75d",
    ),
}


@dataclass(frozen=True)
class Teacher:
    """A network that enlarges by `scale`, tiled and in half precision where that is faster."""

    name: str
    scale: int
    run: Callable[[Tensor], Tensor]
    device: str = "cpu"
    tile: int = 256
    half: bool = False

    def upscale(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to (N, 3, scale H, scale W) in [0, 1], on the device that `images` lie on."""
        result = run_tiled(self._run_finite, images, self.scale, self.tile, device=self.device)
        return result.clamp(0, 1).to(images.device)

    def upscale_image(self, image: np.ndarray) -> np.ndarray:
        """`uint8` RGB (H, W, 3) to (scale H, scale W, 3)."""
        return data.to_image(self.upscale(data.to_tensor(image)))

    @torch.inference_mode()
    def _run_finite(self, tile: Tensor) -> Tensor:
        """One tile; half-precision output that overflowed is done again in single precision."""
        if self.half:
            dtype = torch.float16 if self.device.startswith("cuda") else torch.bfloat16
            with torch.autocast(self.device.split(":")[0], dtype=dtype):
                result = self.run(tile)
            if torch.isfinite(result).all():
                return result
            log.warning(
                "half precision overflowed in %s: this tile is done again in single precision", self.name
            )
        return self.run(tile)


def load_teacher(
    name_or_path: str | Path,
    device: str = "cpu",
    engine: str = "kdsharp",
    tile: int = 256,
    half: bool | None = None,
) -> Teacher:
    """A teacher by name (`teacher-x4`, or one of `OFFICIAL`, fetched if need be) or by path.

    Args:
        engine: `kdsharp`, or `realesrgan` for the upstream `RealESRGANer` (extra `reference`, Python 3.12 or older).
        tile: side of a tile in input pixels; larger pictures are tiled.
        half: None means half precision on a GPU and single precision elsewhere.

    Raises KdsharpError for an unknown name, a file that is no network, or a missing extra.
    """
    if engine not in ENGINES:
        raise KdsharpError(f"There is no engine '{engine}'; choose one of {', '.join(ENGINES)}.")
    half = device.startswith("cuda") if half is None else half
    path = _locate(name_or_path)
    name = path.stem if Path(name_or_path).is_file() else str(name_or_path)
    if path.suffix == ".safetensors" and checkpoints.is_ours(path):
        network, recipe = checkpoints.load(path)
        return Teacher(name, recipe.scale, network.to(device), device, tile, half)
    descriptor = _read(path, device)
    if engine == "realesrgan":
        from kdsharp.reference import upstream_engine

        return upstream_engine(name, path, descriptor.scale, device, tile, half)
    return Teacher(name, descriptor.scale, descriptor, device, tile, half)


def at_hand() -> list[str]:
    """Names of the teachers that load without a download, the official ones first."""
    found = [name for name in OFFICIAL if _local_file(name)]
    return found + ([OWN] if (files.checkpoints_dir() / f"{OWN}.safetensors").exists() else [])


def official_file(name: str) -> Path:
    """The official file of a teacher, downloaded into data/weights and verified if it is not there yet."""
    if name not in OFFICIAL:
        raise KdsharpError(
            f"There is no teacher '{name}'; give a file or one of {OWN}, {', '.join(OFFICIAL)}."
        )
    known = OFFICIAL[name]
    path = files.data_dir() / "weights" / f"{name}.pth"
    return files.download(known.url, path, known.sha256, known.size)


def target_for(teacher: Teacher, small: Tensor, size: tuple[int, int]) -> Tensor:
    """What the teacher makes of the small frame (N, 3, h, w), brought to `size` (H, W); all in [0, 1]."""
    upscaled = teacher.upscale(small)
    if upscaled.shape[-2:] == tuple(size):
        return upscaled
    return resize(upscaled, tuple(size), "bicubic").clamp(0, 1)


def _locate(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if path.is_file():
        return path
    if path.suffix in (".pth", ".safetensors", ".pt"):
        raise KdsharpError(f"There is no file {path}: check the path.")
    if name_or_path == OWN:
        return checkpoints.find(OWN)
    if local := _local_file(str(name_or_path)):
        return local
    return official_file(str(name_or_path))


def _local_file(name: str) -> Path | None:
    """An official network that is here already: the download, or a copy under KDSHARP_ASSETS."""
    places = [files.data_dir() / "weights" / f"{name}.pth"]
    if assets := files.assets_dir():
        places += [assets / "weights" / f"{name}.pth", assets / "weights" / f"{name}-fp16.pth"]
    return next((place for place in places if place.is_file()), None)


def _read(path: Path, device: str) -> ImageModelDescriptor:
    try:
        descriptor = ModelLoader(device=device).load_from_file(path)
    except (
        Exception
    ) as error:  # spandrel, pickle and torch each raise their own kinds for a file of another kind
        raise KdsharpError(
            f"{path} holds no network that is known: give a .pth or .safetensors file."
        ) from error
    if not isinstance(descriptor, ImageModelDescriptor):
        raise KdsharpError(f"{path} holds a network that does not turn one picture into another.")
    descriptor.eval().model.requires_grad_(False)
    return descriptor.float()
