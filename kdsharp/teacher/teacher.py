"""Teachers: the official Real-ESRGAN networks by name, any file by path, and the course's own small one.

spandrel recognises the architecture from the weights, which `foreign` reads without running code from the file.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from spandrel import ImageModelDescriptor
from torch import Tensor, nn

from kdsharp import data
from kdsharp.degradation import resize
from kdsharp.disk import checkpoints, downloads, files, foreign, identity
from kdsharp.errors import KdsharpError
from kdsharp.recipes.degradations import VideoCall
from kdsharp.student import apply_to_rgb, load_network
from kdsharp.teacher.tiling import CONTEXT, overflow_as_nan, run_tiled

log = logging.getLogger(__name__)

OWN = "teacher-x4"
ENGINES = ("kdsharp", "realesrgan")
CPU_BATCH = 8
_SUFFIXES = (".pth", ".ckpt", ".safetensors")
_RELEASES = "https://github.com/xinntao/Real-ESRGAN/releases/download"


@dataclass(frozen=True)
class OfficialFile:
    """A released file: where it lies, and what it must weigh and hash to."""

    url: str
    size: int | None
    sha256: str | None


_RESTORMER = "https://github.com/swz30/Restormer/releases/download/v1.0"
# No checksum of Restormer's files is published: what is known is their layout, and that of the network in them.
RESTORMER = {"tensors": 494, "parameters": 26126644}
RESTORMER_BYTES = range(104_000_000, 105_500_000)
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
    "restormer-motion-deblurring": OfficialFile(f"{_RESTORMER}/motion_deblurring.pth", None, None),
    "restormer-defocus-deblurring": OfficialFile(
        f"{_RESTORMER}/single_image_defocus_deblurring.pth", None, None
    ),
}


@dataclass(frozen=True)
class Teacher:
    """A network that enlarges by `scale` (1: it sharpens), tiled and in half precision where that is faster.

    `run` takes and gives (N, 3, H, W) batches; tiles are `tile` input pixels with `overlap` more on each side and
    begin at multiples of `multiple`.
    """

    name: str
    scale: int
    run: Callable[[Tensor], Tensor]
    device: str = "cpu"
    tile: int = 256
    half: bool = False
    overlap: int = CONTEXT
    multiple: int = 1

    @property
    def identity(self) -> dict:
        """Which teacher it is, whatever its name: the digest of its network, and its scale.

        Not that of its file: safetensors writes the same weights with the same card in one of several ways.
        Raises KdsharpError for a function without weights.
        """
        if not isinstance(self.network, nn.Module):
            raise KdsharpError(f"The teacher '{self.name}' is no network: make a torch module of it.")
        return {"network": identity.of_network(self.network), "scale": self.scale}

    @property
    def network(self) -> nn.Module:
        """The module behind `run`: to count its parameters, or to look at its layers."""
        inside = self.run.args[0] if isinstance(self.run, partial) else self.run
        return getattr(inside, "model", inside)

    def upscale(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to (N, 3, scale H, scale W) in [0, 1], on the device that `images` lie on.

        Raises KdsharpError for another shape, when memory runs out, or if the result is not finite.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise KdsharpError(
                f"A teacher takes a batch (N, 3, H, W), not a tensor of {tuple(images.shape)}."
            )
        settings = {"context": self.overlap, "device": self.device, "multiple": self.multiple}
        # A processor's caches hold the features of a few small pictures; a GPU wants them all at once.
        batches = [images] if self.device.startswith("cuda") else images.split(CPU_BATCH)
        results = [
            run_tiled(self._run_finite, batch.float(), self.scale, self.tile, **settings) for batch in batches
        ]
        return torch.cat(results).clamp(0, 1).to(images.device)

    def upscale_image(self, image: np.ndarray) -> np.ndarray:
        """`uint8` RGB (H, W, 3) to (scale H, scale W, 3)."""
        return data.to_image(self.upscale(data.to_tensor(image)))

    @torch.inference_mode()
    def _run_finite(self, tile: Tensor) -> Tensor:
        """One tile; half-precision output that overflowed is done again in single precision."""
        tile = tile.contiguous(memory_format=torch.channels_last)
        if self.half:
            dtype = torch.float16 if self.device.startswith("cuda") else torch.bfloat16
            with torch.autocast(self.device.split(":")[0], dtype=dtype):
                result = self.run(tile)
            if torch.isfinite(result).all():
                return result
            log.warning(
                "half precision overflowed in %s: this tile is done again in single precision", self.name
            )
        result = self.run(tile)
        if not torch.isfinite(result).all():
            raise KdsharpError(
                f"The teacher '{self.name}' gives values that are not finite: its file or the picture is damaged."
            )
        return result


def load_teacher(
    name_or_path: str | Path,
    device: str = "cpu",
    engine: str = "kdsharp",
    tile: int = 256,
    overlap: int = CONTEXT,
    half: bool | None = None,
) -> Teacher:
    """A teacher by name (`teacher-x4`, any other published network, or one of `OFFICIAL`, fetched if need be) or path.

    Args:
        engine: `kdsharp`, or `realesrgan` for the upstream `RealESRGANer` (extra `reference`, Python 3.12 or older).
        tile: side of a tile in input pixels; larger pictures are tiled.
        overlap: pixels of surroundings that a tile sees on each side.
        half: None means half precision on a GPU (if the network bears it) and single precision elsewhere.

    Raises KdsharpError for an unknown name, a file that is no RGB network, a device that is not there, an engine
    that cannot run the file, or a missing extra.
    """
    if engine not in ENGINES:
        raise KdsharpError(f"There is no engine '{engine}'; choose one of {', '.join(ENGINES)}.")
    device = _checked_device(device)
    path = _locate(name_or_path)
    name = path.stem if Path(name_or_path).is_file() else str(name_or_path)
    prefers_half = device.startswith("cuda")
    if reason := foreign.mistaken(path):
        raise KdsharpError(f"{path} {reason}.")
    if foreign.is_safetensors(path) and checkpoints.is_ours(path):
        if engine == "realesrgan":
            raise KdsharpError(
                f"The engine 'realesrgan' cannot run '{name}': it is ours, use engine 'kdsharp'."
            )
        network, recipe = load_network(path)
        half = prefers_half if half is None else half
        run = partial(apply_to_rgb, _prepared(network, device))
        return Teacher(name, recipe.scale, run, device, tile, half, overlap, network.multiple)
    descriptor = _read(path)
    if name.startswith("restormer-"):
        _check_restormer(descriptor, path)
    if half is None:
        half = prefers_half and descriptor.supports_half
    if engine == "realesrgan":
        from kdsharp.teacher.reference import upstream_engine

        return upstream_engine(name, path, descriptor.scale, device, tile, half, overlap)
    _prepared(descriptor.to(torch.device(device)).model, device).register_forward_hook(overflow_as_nan)
    multiple = descriptor.size_requirements.multiple_of
    return Teacher(name, descriptor.scale, descriptor, device, tile, half, overlap, multiple)


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
    path = downloads.download(known.url, _download_of(name), known.sha256, known.size)
    if known.sha256 is None and path.stat().st_size not in RESTORMER_BYTES:
        raise KdsharpError(
            f"{path} has {path.stat().st_size} bytes and not about 104.7 MB: delete it, and try again."
        )
    return path


def target_for(teacher: Teacher, small: Tensor, size: tuple[int, int]) -> Tensor:
    """What the teacher makes of the small frame (N, 3, h, w), brought to `size` (H, W); all in [0, 1].

    A teacher of scale 1 gets what the student gets: the small frame as the receiver of a call enlarges it.
    """
    if teacher.scale == 1 and small.shape[-2:] != tuple(size):
        small = resize(small, tuple(size), VideoCall().enlarge).clamp(0, 1)
    upscaled = teacher.upscale(small)
    if upscaled.shape[-2:] == tuple(size):
        return upscaled
    return resize(upscaled, tuple(size), "bicubic").clamp(0, 1)


def _prepared(network: nn.Module, device: str) -> nn.Module:
    """The network where and how it runs fastest, its first convolution in single precision on a processor.

    bfloat16 holds a grey level near white to half a level only: rounding the picture itself was most of the error.
    """
    network = network.to(device, memory_format=torch.channels_last)
    first = next((layer for layer in network.modules() if isinstance(layer, nn.Conv2d)), None)
    if first is not None and not device.startswith("cuda"):
        inner = first.forward

        def forward(images: Tensor) -> Tensor:
            with torch.autocast("cpu", enabled=False):
                return inner(images.float())

        first.forward = forward
    return network


def _check_restormer(descriptor: ImageModelDescriptor, path: Path) -> None:
    """See that a file without a published checksum holds the network that it should."""
    state = descriptor.model.state_dict()
    found = {"tensors": len(state), "parameters": sum(value.numel() for value in state.values())}
    if descriptor.architecture.id != "Restormer" or found != RESTORMER:
        raise KdsharpError(f"{path} is not Restormer's official network: delete it, and fetch it again.")


def _checked_device(device: str | torch.device) -> str:
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise KdsharpError(f"There is no device '{device}': give 'cpu' or 'cuda'.") from error
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise KdsharpError(f"There is no GPU '{chosen}' here: use 'cpu' (on Colab, choose a GPU runtime).")
    return str(chosen)


def _locate(name_or_path: str | Path) -> Path:
    path, name = Path(name_or_path), str(name_or_path)
    if path.is_file():
        return path
    if path.suffix in (*_SUFFIXES, ".pt"):
        raise KdsharpError(f"There is no file {path}: check the path.")
    if name == OWN or name in [ours.stem for ours in checkpoints.published()]:
        return checkpoints.find(name)
    local = _local_file(name)
    if local is None or local == _download_of(name):  # a file that lies there already is verified too
        return official_file(name)
    log.info("%s: taken from %s", name, local)
    return local


def _download_of(name: str) -> Path:
    return files.data_dir() / "weights" / f"{name}.pth"


def _local_file(name: str) -> Path | None:
    """An official network that is here already: the download, or a copy under KDSHARP_ASSETS."""
    places = [_download_of(name)]
    if assets := files.assets_dir():
        places += [assets / "weights" / f"{name}.pth", assets / "weights" / f"{name}-fp16.pth"]
    return next((place for place in places if place.is_file()), None) if name in OFFICIAL else None


def _read(path: Path) -> ImageModelDescriptor:
    """The network in a file, on the CPU, for RGB in and out."""
    descriptor = foreign.load(path)
    if not isinstance(descriptor, ImageModelDescriptor):
        raise KdsharpError(f"{path} holds a network that does not turn one picture into another.")
    if (descriptor.input_channels, descriptor.output_channels) != (3, 3):
        raise KdsharpError(f"{path} holds a network for grey pictures: a teacher takes and gives RGB.")
    descriptor.eval().model.requires_grad_(False)
    return descriptor.float()
