"""The perceptual term: pictures that look alike to a network that knows edges and textures."""

import json
import logging
from http.client import HTTPException
from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import VGG16_Weights, VGG19_Weights, vgg16, vgg19

from kdsharp.disk import files
from kdsharp.errors import KdsharpError

log = logging.getLogger(__name__)

# conv3_4 and conv3_3 before their activation: deep enough for texture, small enough for two CPU cores.
_NETWORKS = {
    19: (vgg19, VGG19_Weights.IMAGENET1K_V1, 16),
    16: (vgg16, VGG16_Weights.IMAGENET1K_V1, 14),
}
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Perceptual(nn.Module):
    """L1 distance of VGG features (Johnson et al. 2016) of the third block's last convolution, before the activation.

    Args:
        weights: `torchvision` downloads torchvision's ImageNet weights; a path names a safetensors file with
            the same keys (`features.N.weight`), whose metadata may hold `mean` and `std` of the input. None means
            the file at hand (`vgg_at_hand`), or else torchvision's.
        depth: 19 or 16, the VGG (Simonyan and Zisserman 2015).

    Takes RGB or luma batches (N, C, H, W) in [0, 1]; luma is repeated to three planes. Raises KdsharpError if the file
    is missing or holds other keys, or if torchvision's cannot be fetched.
    """

    def __init__(self, weights: str | Path | None = None, depth: int = 19) -> None:
        super().__init__()
        mean, std = _IMAGENET_MEAN, _IMAGENET_STD
        make, _, layer = _NETWORKS[depth]
        weights = weights or vgg_at_hand(depth) or "torchvision"
        log.info("VGG%d from %s", depth, weights)
        self.source = str(weights)
        if str(weights) == "torchvision":
            features = _released(depth).features[: layer + 1]
        else:
            with torch.device("meta"):  # no memory yet: most of VGG is layers that are not used
                features = make(weights=None).features[: layer + 1]
            mean, std = _load_features(features, Path(weights), mean, std)
        self.features = features.eval().requires_grad_(False)
        self.register_buffer("mean", torch.tensor(mean)[None, :, None, None])
        self.register_buffer("std", torch.tensor(std)[None, :, None, None])

    def compute_in(self, dtype: torch.dtype) -> Self:
        """Compute features in `dtype`, but float16 only for weights that want inputs of about 1: others overflow."""
        if dtype is torch.float16 and self.std.min() < 0.1:
            dtype = torch.float32
        self.features.to(dtype)
        return self

    def forward(self, output: Tensor, goal: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self._describe(goal)
        return F.l1_loss(self._describe(output), wanted)

    def _describe(self, images: Tensor) -> Tensor:
        normal = (images.expand(-1, 3, -1, -1) - self.mean) / self.std
        features = self.features(normal.to(self.features[0].weight.dtype))
        # Weights trained on 0..255 give features 255 times larger: put both kinds on one scale.
        return features.float() * self.std.mean() / _IMAGENET_STD[0]


def vgg_at_hand(depth: int = 19) -> Path | None:
    """A VGG file that needs no download: data/weights/vgg19*.safetensors, or one under KDSHARP_ASSETS."""
    folders = [files.data_dir() / "weights"]
    if assets := files.assets_dir():
        folders.append(assets / "weights")
    found = [
        path
        for folder in folders
        if folder.is_dir()
        for path in sorted(folder.glob(f"vgg{depth}*.safetensors"))
    ]
    return found[0] if found else None


def _released(depth: int) -> nn.Module:
    """torchvision's network with its ImageNet weights, which it fetches once."""
    make, weights, _ = _NETWORKS[depth]
    try:
        return make(weights=weights)
    except (OSError, HTTPException, RuntimeError) as error:  # the last: another checksum than its name says
        raise KdsharpError(
            f"VGG{depth}, which the perceptual term needs, could not be fetched ({error}): try again with a network, "
            f"put vgg{depth}.safetensors into {files.data_dir() / 'weights'}, or set losses.perceptual to 0."
        ) from error


def _load_features(features: nn.Module, path: Path, mean: tuple, std: tuple) -> tuple[tuple, tuple]:
    """Fill `features` from a safetensors file; returns the mean and std that its input wants."""
    try:
        with safe_open(path, "pt") as handle:
            metadata = handle.metadata() or {}
            state = {key: handle.get_tensor(f"features.{key}") for key in features.state_dict()}
        features.load_state_dict(state, assign=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise KdsharpError(
            f"{path} holds no features of this VGG (keys features.N.weight as torchvision's)."
        ) from error
    return tuple(json.loads(metadata.get("mean", json.dumps(mean)))), tuple(
        json.loads(metadata.get("std", json.dumps(std)))
    )
