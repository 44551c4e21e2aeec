"""What the student is asked for: to be close to the original, to the teacher, and to look like it.

Each term is one function, registered under the name by which a recipe's `Losses` weighs it:

    hr and teacher             distance to the original and to the teacher's answer: L1, squared, or Charbonnier
    soft                       KL divergence to the teacher's answer, as distributions over grey levels
    relative                   squared error as a share of what doing nothing has: harm weighs most on good frames
    structure, ms_ssim         1 - SSIM and 1 - MS-SSIM
    brightness                 means, picture by picture: a teacher's own shift is not to be learnt
    frequency, edge            L1 of Fourier coefficients, Charbonnier of Laplacians
    perceptual, features       the modules `perceptual` and `features`

What is compared with one picture only (from `structure` on) takes the teacher's answer where there is one, else the
original. All pictures are (N, C, H, W) in [0, 1]. A term of your own is registered likewise, and weighed by
`losses.others`:

    @losses.register("saturation", needs=("hr",))
    def saturation(output: Tensor, hr: Tensor) -> Tensor:
        return (output.std(dim=1) - hr.std(dim=1)).abs().mean()
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from kdsharp.distill.perceptual import Perceptual
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Losses

_SSIM_WINDOW = 11
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003, from human eyes
_EPSILON = 1e-3
LENIENCE = 4.0  # levels of 255
LEVELS = 32

# What a term can look at, and what is said where the recipe asks for it and it is not there.
NEEDS = {
    "hr": "",
    "target": "The recipe weighs the teacher's targets, but this target store has none.",
    "goal": "",
    "given": "The relative term asks what doing nothing would have been: it needs the network's input.",
    "weights": "",
    "vgg": "The recipe has a perceptual term: give VGG weights, or set its weight to 0.",
    "features": "The recipe has a feature term: give the teacher's network, or set its weight to 0.",
}


class Term(NamedTuple):
    """A part of the loss: called with the student's output and what it needs, in that order."""

    function: Callable[..., Tensor]
    needs: tuple[str, ...]


TERMS: dict[str, Term] = {}


def register(name: str, needs: tuple[str, ...] = ("goal",)) -> Callable[[Callable], Callable]:
    """Make a function a term of the loss: `function(output, *needs)` gives a single number that can be learnt from.

    `needs` names what it is called with besides the student's output:

        hr, target      the original, the teacher's answer
        given           what the student was given
        goal            the teacher's answer where there is one, else the original
        weights         the recipe's `Losses`
        vgg             the module `Perceptual`
        features        how unlike the student's inner features are to the teacher's (see `features`), a number

    Raises KdsharpError for another need, or a name that `Losses` has for something else.
    """
    if unknown := set(needs) - NEEDS.keys():
        raise KdsharpError(f"A term cannot look at {min(unknown)!r}: choose among {', '.join(NEEDS)}.")
    if name in ("distance", "temperature", "vgg", "others"):
        raise KdsharpError(f"losses.{name} is a setting of other terms: choose another name.")

    def keep(function: Callable) -> Callable:
        TERMS[name] = Term(function, tuple(needs))
        return function

    return keep


def weighed(weights: Losses) -> dict[str, float]:
    """The terms that a recipe weighs, with their weights. Raises KdsharpError for one that is not registered."""
    if unknown := weights.others.keys() - TERMS.keys():
        raise KdsharpError(
            f"There is no loss term {min(unknown)!r}: register it, or choose among {', '.join(TERMS)}."
        )
    known = {name: weights.others.get(name, getattr(weights, name, 0.0)) for name in TERMS}
    return {name: weight for name, weight in known.items() if weight}


def needed(weights: Losses) -> set[str]:
    """All that the terms look at which a recipe weighs (see `register`)."""
    return {need for name in weighed(weights) for need in TERMS[name].needs}


def charbonnier(output: Tensor, goal: Tensor) -> Tensor:
    """Mean of sqrt(d^2 + 0.001^2) (Charbonnier et al. 1994): L1 that is smooth at 0."""
    return ((output - goal).square() + _EPSILON**2).sqrt().mean()


DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": F.l1_loss,
    "mse": F.mse_loss,
    "charbonnier": charbonnier,
}


@register("teacher", needs=("target", "weights"))
@register("hr", needs=("hr", "weights"))
def distance(output: Tensor, other: Tensor, weights: Losses) -> Tensor:
    """How far the output is from another picture, by the distance that the recipe chose."""
    return DISTANCES[weights.distance](output, other)


@register("relative", needs=("hr", "given"))
def relative(output: Tensor, hr: Tensor, given: Tensor) -> Tensor:
    """Squared error over that of doing nothing, picture by picture: below 1 the student helps, above it harms.

    So a decibel is worth the same in a severe call and in a good frame. To what was given, an error of `LENIENCE`
    levels is added, or a frame that arrived clean would weigh without bound.
    Raises KdsharpError where the student enlarges.
    """
    if given.shape != hr.shape:
        raise KdsharpError("losses.relative compares with doing nothing: it needs a student of scale 1.")
    nothing = (given - hr).square().mean((1, 2, 3)) + (LENIENCE / 255) ** 2
    return ((output - hr).square().mean((1, 2, 3)) / nothing).mean()


def brightness(output: Tensor, hr: Tensor) -> Tensor:
    """How far the mean of each picture is from the original's: some teachers darken what they sharpen."""
    return (output - hr).mean(dim=(1, 2, 3)).abs().mean()


def soft_targets(output: Tensor, target: Tensor, temperature: float = 1.0) -> Tensor:
    """KL divergence between teacher and student, as distributions over 32 grey levels softened by `temperature`.

    A value v stands for the logits -(v - c)^2 / 2 (c: the levels, in units of their distance), so that a softmax gives
    a bell around v that is `temperature` wide (Hinton et al. 2015 soften classes so). Scaled to the squared error that
    it is, but for values whose bell is cut off at black or white: two bells of one width differ in their place only.
    """
    levels = torch.linspace(0, 1, LEVELS, device=output.device, dtype=output.dtype)
    step = levels[1]

    def bell(values: Tensor) -> Tensor:
        return F.log_softmax(-((values[..., None] - levels) / step).square() / (2 * temperature), dim=-1)

    divergence = F.kl_div(bell(output), bell(target), log_target=True, reduction="none").sum(-1)
    return 2 * temperature * step**2 * divergence.mean()


def ssim(output: Tensor, goal: Tensor) -> Tensor:
    """Mean structural similarity (Wang et al. 2004: window of 11 pixels, sigma 1.5); 1 for equal pictures.

    Windows lie inside the picture. Raises KdsharpError for sides of less than 11 pixels.
    """
    return _similarity(output, goal)[0].mean()


def ms_ssim(output: Tensor, goal: Tensor) -> Tensor:
    """SSIM over several scales (Wang et al. 2003), each half as large as the one before; 1 for equal pictures.

    Five scales where they fit (sides of 176 pixels), fewer with the same weights, made to sum to 1, in smaller patches.
    """
    scales = min(len(_SCALE_WEIGHTS), max(1, (min(output.shape[-2:]) // _SSIM_WINDOW).bit_length()))
    whole = sum(_SCALE_WEIGHTS[:scales]) if scales < len(_SCALE_WEIGHTS) else 1.0
    product: Tensor | float = 1.0
    for number, weight in enumerate(_SCALE_WEIGHTS[:scales]):
        similar, contrast = _similarity(output, goal)
        chosen = similar if number == scales - 1 else contrast
        product = product * chosen.clamp(min=1e-6) ** (weight / whole)  # a negative one has no such power
        output, goal = F.avg_pool2d(output, 2), F.avg_pool2d(goal, 2)
    return product.mean()


def frequency(output: Tensor, goal: Tensor) -> Tensor:
    """Mean L1 distance of the real and imaginary parts of the orthonormal 2-D Fourier transforms (Cho et al. 2021)."""
    difference = torch.view_as_real(torch.fft.fft2(output - goal, norm="ortho"))
    return difference.abs().mean()


def edge(output: Tensor, goal: Tensor) -> Tensor:
    """Charbonnier distance of the pictures' Laplacians inside the border (Zamir et al. 2021)."""
    difference = output - goal
    middle = difference[..., 1:-1, 1:-1]
    around = difference[..., :-2, 1:-1] + difference[..., 2:, 1:-1]
    around = around + difference[..., 1:-1, :-2] + difference[..., 1:-1, 2:]
    laplacian = around - 4 * middle
    return charbonnier(laplacian, torch.zeros_like(laplacian))


def contrast(output: Tensor, goal: Tensor) -> Tensor:
    """How unlike the pictures are in local contrast: in standard deviation (5x5 pixels) and in slope (3x3), each L1.

    Distances of pixels ask for the mean of all that is possible, which is smooth. How strong detail is can be met
    without knowing where each hair lies: what learns by this is crisper, and costs PSNR. Needs no network.
    """
    return F.l1_loss(_deviation(output), _deviation(goal)) + F.l1_loss(_slope(output), _slope(goal))


def _deviation(images: Tensor) -> Tensor:
    """Local standard deviation: (N, C, H, W) to (N, C, H - 4, W - 4)."""
    mean = F.avg_pool2d(images, 5, 1)
    return (F.avg_pool2d(images.square(), 5, 1) - mean.square()).clamp(min=_EPSILON**2).sqrt()


def _slope(images: Tensor) -> Tensor:
    """Local mean of the gradient's length: (N, C, H, W) to (N, C, H - 3, W - 3)."""
    across = images[..., :-1, 1:] - images[..., :-1, :-1]
    down = images[..., 1:, :-1] - images[..., :-1, :-1]
    return F.avg_pool2d((across.square() + down.square() + _EPSILON**2).sqrt(), 3, 1)


def _similarity(output: Tensor, goal: Tensor) -> tuple[Tensor, Tensor]:
    """Per plane (N, C): the mean of SSIM, and of its contrast and structure alone."""
    if min(output.shape[-2:]) < _SSIM_WINDOW:
        raise KdsharpError(
            f"SSIM needs {_SSIM_WINDOW} pixels a side: take larger patches than {tuple(output.shape[-2:])}."
        )
    rows, columns = (_window(side, output.device, output.dtype) for side in output.shape[-2:])
    planes = torch.stack([output, goal, output * output, goal * goal, output * goal])
    mean, mean_goal, square, square_goal, product = rows @ planes @ columns.T
    variances = square - mean**2 + square_goal - mean_goal**2
    covariance = product - mean * mean_goal
    c1, c2 = 0.01**2, 0.03**2
    contrast = (2 * covariance + c2) / (variances + c2)
    luminance = (2 * mean * mean_goal + c1) / (mean**2 + mean_goal**2 + c1)
    return (luminance * contrast).mean(dim=(-2, -1)), contrast.mean(dim=(-2, -1))


@torch.compiler.assume_constant_result  # else a compiled step would make it anew, row by row, on the processor
def _window(side: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    return _gaussian_rows(side, device, dtype)


@cache
def _gaussian_rows(side: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The Gaussian window as a matrix (side - 10, side).

    A convolution of a single plane leaves a processor's vector units idle: as two matrix products it is 25 times as
    fast (16 patches of 96 pixels).
    """
    places = torch.arange(_SSIM_WINDOW) - _SSIM_WINDOW // 2
    window = torch.exp(-(places**2) / (2 * 1.5**2))
    rows = torch.zeros(side - _SSIM_WINDOW + 1, side)
    for number, row in enumerate(rows):
        row[number : number + _SSIM_WINDOW] = window / window.sum()
    return rows.to(device, dtype)


# The terms that only need another argument, a sign or a module.
register("soft", ("target", "weights"))(
    lambda out, target, weights: soft_targets(out, target, weights.temperature)
)
register("structure")(lambda output, goal: 1 - ssim(output, goal))
register("ms_ssim")(lambda output, goal: 1 - ms_ssim(output, goal))
register("frequency")(frequency)
register("edge")(edge)
register("contrast")(contrast)
register("brightness", needs=("hr",))(brightness)
register("perceptual", ("goal", "vgg"))(lambda output, goal, vgg: vgg(output, goal))
register("features", ("features",))(lambda _output, unlike: unlike)


def distillation_loss(
    output: Tensor,
    hr: Tensor,
    target: Tensor | None,
    weights: Losses,
    perceptual: Perceptual | None = None,
    features: Tensor | None = None,
    given: Tensor | None = None,
) -> dict[str, Tensor]:
    """Every weighted term by name, and their sum as `loss`.

    `given` is the student's input; `features` is what `features.FeatureMatch` gave for this output.
    Raises KdsharpError if a weight asks for a target, VGG or features that are not there, or if there is no term.
    """
    goal = hr if target is None else target
    at_hand: dict[str, Any] = {"hr": hr, "target": target, "goal": goal, "weights": weights}
    at_hand |= {"vgg": perceptual, "features": features, "given": given}
    terms = {}
    for name, weight in weighed(weights).items():
        if missing := [need for need in TERMS[name].needs if at_hand[need] is None]:
            raise KdsharpError(NEEDS[missing[0]])
        terms[name] = weight * TERMS[name].function(output, *(at_hand[need] for need in TERMS[name].needs))
    if not terms:
        raise KdsharpError(f"All loss weights are 0: give at least one of {', '.join(TERMS)} a weight.")
    return terms | {"loss": torch.stack(list(terms.values())).sum()}
