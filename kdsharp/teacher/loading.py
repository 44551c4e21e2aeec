"""A teacher out of its file: official networks and the published ones by name, any other by path.

spandrel recognises the architecture from the weights, which `foreign` reads without running code from the file.
"""

from __future__ import annotations

import dataclasses
import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from kdsharp.disk import checkpoints, foreign
from kdsharp.errors import KdsharpError
from kdsharp.student import apply_to_rgb, load_network
from kdsharp.teacher import official
from kdsharp.teacher.reference import upstream_engine
from kdsharp.teacher.teacher import Teacher
from kdsharp.teacher.tiling import CONTEXT, overflow_as_nan

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor

log = logging.getLogger(__name__)

ENGINES = ("kdsharp", "realesrgan")
_SUFFIXES = (".pth", ".ckpt", ".safetensors")


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
    prefers_half, source = device.startswith("cuda"), official.source_of(path)
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
        return Teacher(name, recipe.scale, run, device, tile, half, overlap, network.multiple, source)
    descriptor = _read(path)
    if name.startswith("restormer-"):
        _check_restormer(descriptor, path)
    if half is None:
        half = prefers_half and descriptor.supports_half
    if engine == "realesrgan":
        made = upstream_engine(name, path, descriptor.scale, device, tile, half, overlap)
        return dataclasses.replace(made, source=source)
    if path == official.converted_of(name):
        _fold(descriptor.model)
    _prepared(descriptor.to(torch.device(device)).model, device).register_forward_hook(overflow_as_nan)
    multiple = descriptor.size_requirements.multiple_of
    log.info("%s: %s", name, source)
    return Teacher(name, descriptor.scale, descriptor, device, tile, half, overlap, multiple, source)


def choose(name: str, instead: str = official.OWN) -> tuple[str, str | None]:
    """(`name`, None) if that teacher is there or can be fetched, which is done; else (`instead`, why), one sentence.

    Raises KdsharpError for a name that is none.
    """
    known = name in official.OFFICIAL
    try:
        _locate(name)
    except KdsharpError as error:
        if not known:
            raise
        return instead, str(error)
    return name, None


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


def _fold(network: nn.Module) -> None:
    """Put the one convolution that each threefold one of SPAN's comes to in its place: so it runs, so it is counted."""
    for module in list(network.modules()):
        for name, inner in list(module.named_children()):
            if isinstance(folded := getattr(inner, "eval_conv", None), nn.Conv2d):
                setattr(module, name, folded)


def _check_restormer(descriptor: ImageModelDescriptor, path: Path) -> None:
    """See that a file without a published checksum holds the network that it should."""
    state = descriptor.model.state_dict()
    found = {"tensors": len(state), "parameters": sum(value.numel() for value in state.values())}
    if descriptor.architecture.id != "Restormer" or found != official.RESTORMER:
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
    if name == official.OWN or name in [ours.stem for ours in checkpoints.published()]:
        return checkpoints.find(name)
    local = official.local_file(name)
    if local is None or local in (official.download_of(name), official.converted_of(name)):
        return official.official_file(name)  # a file that lies there already is verified too
    log.info("%s: taken from %s", name, local)
    return local


def _read(path: Path) -> ImageModelDescriptor:
    """The network in a file, on the CPU, for RGB in and out."""
    descriptor = foreign.load(path)
    from spandrel import ImageModelDescriptor  # takes seconds, so only where a file of others is read

    if not isinstance(descriptor, ImageModelDescriptor):
        raise KdsharpError(f"{path} holds a network that does not turn one picture into another.")
    if (descriptor.input_channels, descriptor.output_channels) != (3, 3):
        raise KdsharpError(f"{path} holds a network for grey pictures: a teacher takes and gives RGB.")
    descriptor.eval().model.requires_grad_(False)
    return descriptor.float()
