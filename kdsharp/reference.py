"""The upstream `RealESRGANer`, for those who want exactly that (extra `reference`, Python 3.12 or older).

Its own tiling prints an error and leaves a hole when memory runs out; here it is given whole tiles, blended by
`kdsharp.tiling`, so that its `tile` option stays off.
"""

import sys
import types
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.transforms import functional

from kdsharp.errors import KdsharpError


def import_upstream() -> tuple[type, type, type]:
    """(RealESRGANer, RRDBNet, SRVGGNetCompact) of the upstream packages.

    basicsr still imports a torchvision module that has gone; a stand-in with the one function that it wants is
    enough. Raises KdsharpError where the packages are not installed.
    """
    stand_in = types.ModuleType("torchvision.transforms.functional_tensor")
    stand_in.rgb_to_grayscale = functional.rgb_to_grayscale
    sys.modules.setdefault(stand_in.__name__, stand_in)
    try:
        from basicsr.archs.rrdbnet_arch import RRDBNet
        from realesrgan import RealESRGANer
        from realesrgan.archs.srvgg_arch import SRVGGNetCompact
    except ImportError as error:
        raise KdsharpError(
            "The engine 'realesrgan' needs the extra: pip install 'kdsharp[reference]', on Python 3.12 or older."
        ) from error
    return RealESRGANer, RRDBNet, SRVGGNetCompact


def upstream_engine(name: str, path: Path, scale: int, device: str, tile: int, half: bool):
    """A `Teacher` whose tiles are run by `RealESRGANer`, which works on 8-bit BGR pictures."""
    from kdsharp.teacher import Teacher

    upstream, rrdb, compact = import_upstream()
    state = torch.load(path, map_location="cpu", weights_only=True)
    weights = state.get("params_ema", state.get("params", state))
    engine = upstream(
        scale=scale,
        model_path=str(path),
        model=_architecture(weights, scale, rrdb, compact),
        tile=0,
        pre_pad=0,
        half=half and device.startswith("cuda"),
        device=torch.device(device),
    )

    def run(images: Tensor) -> Tensor:
        pictures = (images * 255).round().byte().permute(0, 2, 3, 1).flip(-1).cpu().numpy()
        results = [engine.enhance(np.ascontiguousarray(picture))[0] for picture in pictures]
        stacked = torch.from_numpy(np.stack(results)).flip(-1).permute(0, 3, 1, 2)
        return stacked.float().to(images.device) / 255

    return Teacher(f"{name} (realesrgan)", scale, run, device, tile, False)


def _architecture(weights: dict[str, Tensor], scale: int, rrdb: type, compact: type) -> nn.Module:
    """An empty network of the size that the state dict tells."""
    if "conv_first.weight" in weights:
        blocks = 1 + max(int(key.split(".")[1]) for key in weights if key.startswith("body."))
        return rrdb(num_in_ch=3, num_out_ch=3, num_feat=64, num_block=blocks, num_grow_ch=32, scale=scale)
    convolutions = [key for key, value in weights.items() if value.ndim == 4]
    features = weights[convolutions[0]].shape[0]
    return compact(3, 3, num_feat=features, num_conv=len(convolutions) - 2, upscale=scale, act_type="prelu")
