"""What the student is asked for: to be close to the original, to the teacher, and to look like it.

loss = hr * L1(out, HR) + teacher * L1(out, target) + perceptual * L1(VGG19(out), VGG19(goal))
     + structure * (1 - SSIM(out, goal)) + features * L1(adapter(student's features), teacher's features)
"""

import json
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import VGG19_Weights, vgg19

from kdsharp import files
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Losses

# conv3_4 before its activation: deep enough for texture, small enough for two CPU cores.
VGG_LAYER = 16
_SSIM_WINDOW = 11
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Perceptual(nn.Module):
    """L1 distance of VGG19 features (Johnson et al. 2016) up to conv3_4, before the activation.

    Args:
        weights: `torchvision` downloads torchvision's ImageNet weights; a path names a safetensors file with
            the same keys (`features.N.weight`), whose metadata may hold `mean` and `std` of the input.

    `dtype` is what the features are computed in (float16 only for weights that want inputs of about 1: others
    would overflow, and stay in single precision). Takes RGB or luma
    batches (N, C, H, W) in [0, 1]; luma is repeated to three planes. Raises KdsharpError if the file is missing or
    holds other keys.
    """

    def __init__(self, weights: str | Path = "torchvision", dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        mean, std = _IMAGENET_MEAN, _IMAGENET_STD
        if str(weights) == "torchvision":
            features = vgg19(weights=VGG19_Weights.IMAGENET1K_V1).features[: VGG_LAYER + 1]
        else:
            features = vgg19(weights=None).features[: VGG_LAYER + 1]
            mean, std = _load_features(features, Path(weights), mean, std)
        if dtype is torch.float16 and min(std) < 0.1:
            dtype = torch.float32
        self.features = features.eval().requires_grad_(False).to(dtype)
        self.register_buffer("mean", torch.tensor(mean)[None, :, None, None])
        self.register_buffer("std", torch.tensor(std)[None, :, None, None])

    def forward(self, output: Tensor, goal: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self._describe(goal)
        return F.l1_loss(self._describe(output), wanted)

    def _describe(self, images: Tensor) -> Tensor:
        normal = (images.expand(-1, 3, -1, -1) - self.mean) / self.std
        features = self.features(normal.to(self.features[0].weight.dtype))
        # Weights trained on 0..255 give features 255 times larger: put both kinds on one scale.
        return features.float() * self.std.mean() / _IMAGENET_STD[0]


def ssim(output: Tensor, goal: Tensor) -> Tensor:
    """Mean structural similarity (Wang et al. 2004: window of 11 pixels, sigma 1.5) of (N, C, H, W) in [0, 1].

    Differentiable, and 1 for equal pictures. Windows lie inside the picture. Raises KdsharpError for sides of less
    than 11 pixels.
    """
    if min(output.shape[-2:]) < _SSIM_WINDOW:
        raise KdsharpError(
            f"SSIM needs {_SSIM_WINDOW} pixels a side: take larger patches than {tuple(output.shape[-2:])}."
        )
    rows, columns = (_gaussian_rows(side).to(output) for side in output.shape[-2:])
    planes = torch.stack([output, goal, output * output, goal * goal, output * goal])
    mean, mean_goal, square, square_goal, product = rows @ planes @ columns.T
    variances = square - mean**2 + square_goal - mean_goal**2
    covariance = product - mean * mean_goal
    c1, c2 = 0.01**2, 0.03**2
    similar = (2 * mean * mean_goal + c1) * (2 * covariance + c2)
    return (similar / ((mean**2 + mean_goal**2 + c1) * (variances + c2))).mean()


def _gaussian_rows(side: int) -> Tensor:
    """The Gaussian window as a matrix (side - 10, side).

    A convolution of a single plane leaves a processor's vector units idle: as two matrix products it is 25 times as
    fast (16 patches of 96 pixels).
    """
    places = torch.arange(_SSIM_WINDOW) - _SSIM_WINDOW // 2
    window = torch.exp(-(places**2) / (2 * 1.5**2))
    rows = torch.zeros(side - _SSIM_WINDOW + 1, side)
    for number, row in enumerate(rows):
        row[number : number + _SSIM_WINDOW] = window / window.sum()
    return rows


class FeatureMatch(nn.Module):
    """L1 distance of a student's last features to its teacher's, through a learnt 1x1 adapter (FitNets, Romero 2015).

    Both networks are of this course and look at the same planes; the teacher's features are brought to the student's
    grid, and the distance is divided by their mean size, so that its weight means the same for every teacher.
    Raises KdsharpError for a teacher that shows no features, or of another colour.
    """

    def __init__(self, network: nn.Module, guide: nn.Module | None) -> None:
        super().__init__()
        if guide is None or not hasattr(guide, "last") or guide.colour != network.colour:
            raise KdsharpError(
                "Feature distillation needs a teacher of this course with the student's colour: "
                "choose one, or set losses.features to 0."
            )
        self.adapter = nn.Conv2d(network.last.in_channels, guide.last.in_channels, 1)
        self._guide = [guide]  # in a list, so that its weights are not the adapter's
        self._seen: dict[str, Tensor] = {}
        network.last.register_forward_pre_hook(partial(self._keep, "student"))

    def forward(self, inputs: Tensor) -> Tensor:
        """The distance for the batch that the student has just answered."""
        guide = self._guide[0]
        hook = guide.last.register_forward_pre_hook(partial(self._keep, "teacher"))
        with torch.no_grad():
            guide(inputs)
        hook.remove()
        wanted, adapted = self._seen["teacher"].float(), self.adapter(self._seen["student"].float())
        if wanted.shape[-2:] != adapted.shape[-2:]:
            wanted = F.interpolate(wanted, size=adapted.shape[-2:], mode="bilinear", antialias=True)
        return F.l1_loss(adapted, wanted) / wanted.abs().mean().clamp_min(1e-6)

    def _keep(self, name: str, _layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._seen[name] = inputs[0]


def vgg_at_hand() -> Path | None:
    """A VGG19 file that needs no download: data/weights/vgg19*.safetensors, or one under KDSHARP_ASSETS."""
    folders = [files.data_dir() / "weights"]
    if assets := files.assets_dir():
        folders.append(assets / "weights")
    found = [
        path for folder in folders if folder.is_dir() for path in sorted(folder.glob("vgg19*.safetensors"))
    ]
    return found[0] if found else None


def distillation_loss(
    output: Tensor, hr: Tensor, target: Tensor | None, weights: Losses, perceptual: Perceptual | None
) -> dict[str, Tensor]:
    """Every weighted term by name, and their sum as `loss`; all images (N, C, H, W) in [0, 1].

    The structure and perceptual terms compare with the teacher's target where there is one, else with HR (the `goal`).
    Raises KdsharpError if a weight asks for a target or for VGG19 features that are not there.
    """
    goal = hr if target is None else target
    terms: dict[str, Tensor] = {}
    if weights.hr:
        terms["hr"] = weights.hr * F.l1_loss(output, hr)
    if weights.teacher:
        if target is None:
            raise KdsharpError("The recipe weighs the teacher's targets, but this target store has none.")
        terms["teacher"] = weights.teacher * F.l1_loss(output, target)
    if weights.structure:
        terms["structure"] = weights.structure * (1 - ssim(output, goal))
    if weights.perceptual:
        if perceptual is None:
            raise KdsharpError(
                "The recipe has a perceptual term: give VGG19 weights, or set its weight to 0."
            )
        terms["perceptual"] = weights.perceptual * perceptual(output, goal)
    if not terms:
        raise KdsharpError(
            "All loss weights are 0: give at least one of hr, teacher, structure and perceptual a weight."
        )
    return terms | {"loss": torch.stack(list(terms.values())).sum()}


def _load_features(features: nn.Module, path: Path, mean: tuple, std: tuple) -> tuple[tuple, tuple]:
    """Fill `features` from a safetensors file; returns the mean and std that its input wants."""
    try:
        with safe_open(path, "pt") as handle:
            metadata = handle.metadata() or {}
            state = {key: handle.get_tensor(f"features.{key}") for key in features.state_dict()}
        features.load_state_dict(state)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise KdsharpError(
            f"{path} holds no VGG19 features (keys features.N.weight as torchvision's)."
        ) from error
    return tuple(json.loads(metadata.get("mean", json.dumps(mean)))), tuple(
        json.loads(metadata.get("std", json.dumps(std)))
    )
