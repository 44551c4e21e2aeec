"""The upstream `RealESRGANer`, for those who want exactly that (extra `reference`, Python 3.12 or older).

Its own tiling (`RealESRGANer.tile_process`) swallows a RuntimeError, prints it and goes on, which leaves a hole or a
repeated tile in the picture when memory runs out. Here its `tile` option stays off: it is given one tile after
the other, blended by `tiling`, and an error inside it reaches the caller.
"""

import logging
import sys
import types
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kdsharp.errors import KdsharpError
from kdsharp.teacher.teacher import Teacher
from kdsharp.teacher.tiling import CONTEXT, overflow_as_nan

log = logging.getLogger(__name__)

_GONE = "torchvision.transforms.functional_tensor"


def import_upstream() -> tuple[type, type, type]:
    """(RealESRGANer, RRDBNet, SRVGGNetCompact) of the upstream packages.

    Raises KdsharpError where the packages are not installed or do not load.
    """
    if not all(_installed(name) for name in ("basicsr", "realesrgan")):
        raise KdsharpError(
            "The engine 'realesrgan' needs the extra: pip install 'kdsharp[reference]', on Python 3.12 or older."
        )
    _stand_in()
    try:
        from basicsr.archs.rrdbnet_arch import RRDBNet
        from realesrgan import RealESRGANer
        from realesrgan.archs.srvgg_arch import SRVGGNetCompact
    except ImportError as error:
        raise KdsharpError(
            f"The packages basicsr and realesrgan are installed but do not load ({error}): use engine 'kdsharp'."
        ) from error
    return RealESRGANer, RRDBNet, SRVGGNetCompact


def import_niqe() -> Callable[..., float]:
    """basicsr's `calculate_niqe`. Raises KdsharpError where basicsr is not installed or does not load."""
    if not _installed("basicsr"):
        raise KdsharpError("NIQE needs the extra: pip install 'kdsharp[reference]', on Python 3.12 or older.")
    _stand_in()
    try:
        from basicsr.metrics.niqe import calculate_niqe
    except ImportError as error:
        raise KdsharpError(f"basicsr is installed but does not load ({error}).") from error
    return calculate_niqe


def _stand_in() -> None:
    """basicsr still imports a torchvision module that has gone; one with the function that it wants is enough."""
    if _GONE not in sys.modules and not _installed(_GONE):
        from torchvision.transforms import functional

        stand_in = types.ModuleType(_GONE)
        stand_in.rgb_to_grayscale = functional.rgb_to_grayscale
        sys.modules[_GONE] = stand_in


def upstream_engine(
    name: str, path: Path, scale: int, device: str, tile: int, half: bool, overlap: int = CONTEXT
) -> Teacher:
    """A `Teacher` whose tiles are run by `RealESRGANer`, which works on 8-bit pictures.

    Raises KdsharpError where the extra is missing, or if the file is not laid out as Real-ESRGAN's own are.
    """
    run = _Upstream(name, path, scale, device, half)
    # `half` is the engine's own business, so the Teacher asks for no autocast on top.
    return Teacher(
        f"{name} (realesrgan)", scale, run, device, tile, False, overlap, multiple=4 // min(scale, 4)
    )


class _Upstream:
    """Batches (N, 3, H, W) in [0, 1] through `RealESRGANer.enhance`, picture by picture."""

    def __init__(self, name: str, path: Path, scale: int, device: str, half: bool) -> None:
        upstream, rrdb, compact = import_upstream()
        self.name = name
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            weights = state["params_ema"] if "params_ema" in state else state["params"]
            self.engine = upstream(
                scale=scale,
                model_path=str(path),
                model=_architecture(weights, scale, rrdb, compact),
                tile=0,
                pre_pad=0,
                half=half and device.startswith("cuda"),
                device=torch.device(device),
            )
        except Exception as error:  # torch, pickle and the upstream code each raise their own kinds
            raise KdsharpError(
                f"{path} is not laid out as Real-ESRGAN's own .pth files are: use engine 'kdsharp' for it."
            ) from error
        self.model: nn.Module = self.engine.model.requires_grad_(False)
        self.model.register_forward_hook(overflow_as_nan)

    def __call__(self, images: Tensor) -> Tensor:
        pictures = (images * 255).round().byte().permute(0, 2, 3, 1).flip(-1).cpu().numpy()
        results = [self._enhance(np.ascontiguousarray(picture)) for picture in pictures]
        stacked = torch.from_numpy(np.stack(results)).flip(-1).permute(0, 3, 1, 2)
        return stacked.float().to(images.device) / 255

    def _enhance(self, picture: np.ndarray) -> np.ndarray:
        """`uint8` BGR in and out; half precision that overflows is given up for good."""
        result = self._finite(picture)
        if result is None and self.engine.half:
            log.warning("half precision overflowed in %s: it goes on in single precision", self.name)
            self.engine.half = False
            self.model.float()
            result = self._finite(picture)
        if result is None:
            raise KdsharpError(
                f"The teacher '{self.name}' gives values that are not finite: its file is damaged."
            )
        return result

    def _finite(self, picture: np.ndarray) -> np.ndarray | None:
        with np.errstate(invalid="ignore"):  # NaN becomes 8-bit rubbish before it can be seen
            result: Any = self.engine.enhance(picture)[0]
        return result if torch.isfinite(self.engine.output).all() else None


def _architecture(weights: dict[str, Tensor], scale: int, rrdb: type, compact: type) -> nn.Module:
    """An empty network of the size that the state dict tells: RRDBNet or SRVGGNetCompact."""
    if "conv_first.weight" in weights:
        return rrdb(
            num_in_ch=3,
            num_out_ch=3,
            num_feat=len(weights["conv_first.weight"]),
            num_block=1 + max(int(key.split(".")[1]) for key in weights if key.startswith("body.")),
            num_grow_ch=len(weights["body.0.rdb1.conv1.weight"]),
            scale=scale,
        )
    convolutions = [value for value in weights.values() if value.ndim == 4]
    features = len(convolutions[0])  # general-x4v3: 64 and 32 inner convolutions; animevideov3: 64 and 16
    return compact(3, 3, num_feat=features, num_conv=len(convolutions) - 2, upscale=scale, act_type="prelu")


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (
        ModuleNotFoundError,
        ValueError,
    ):  # a parent is missing, or sys.modules holds None or a bare stand-in
        return False
