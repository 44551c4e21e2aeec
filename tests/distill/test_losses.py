"""Each loss against another implementation or a closed form, and its gradient against finite differences."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import cv2
import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from numpy.lib.stride_tricks import sliding_window_view
from safetensors.torch import load_file, save_file
from scipy import ndimage
from scipy.signal import fftconvolve
from torchvision.models import vgg16

from kdsharp import data, distill, recipes, student
from kdsharp.distill import features, losses, perceptual, targets
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Losses, Network


def pictures(seed: int = 0, shape: tuple[int, ...] = (2, 1, 48, 40)) -> tuple[torch.Tensor, torch.Tensor]:
    """Two smooth pictures that resemble each other, float64 in [0, 1]."""
    random = np.random.default_rng(seed)
    base = ndimage.gaussian_filter(random.random(shape), (0, 0, 2, 2))
    base = (base - base.min()) / (base.max() - base.min())
    noisy = (0.9 * base + 0.1 * random.random(shape)).clip(0, 1)
    return torch.from_numpy(noisy), torch.from_numpy(base)


def ms_ssim_of(one: np.ndarray, two: np.ndarray) -> float:
    """Wang et al. 2003 for two planes in [0, 1] of at least 176 pixels, written with scipy."""
    axis = np.arange(11) - 5
    window = np.exp(-(axis[:, None] ** 2 + axis**2) / (2 * 1.5**2))
    window /= window.sum()

    def mean(plane: np.ndarray) -> np.ndarray:
        return fftconvolve(plane, window, mode="valid")

    result = 1.0
    for number, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        mu1, mu2 = mean(one), mean(two)
        var = mean(one**2) - mu1**2 + mean(two**2) - mu2**2
        contrast = (2 * (mean(one * two) - mu1 * mu2) + 0.03**2) / (var + 0.03**2)
        if number == 4:
            contrast = contrast * (2 * mu1 * mu2 + 0.01**2) / (mu1**2 + mu2**2 + 0.01**2)
        result *= contrast.mean() ** weight
        one, two = (
            cv2.resize(plane, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for plane in (one, two)
        )
    return result


def test_ms_ssim_is_that_of_the_paper() -> None:
    one, two = pictures(shape=(1, 1, 192, 208))
    assert losses.ms_ssim(one, two).item() == pytest.approx(ms_ssim_of(one[0, 0].numpy(), two[0, 0].numpy()))
    assert losses.ms_ssim(two, two).item() == pytest.approx(1)
    assert losses.ms_ssim(one, two) < 1


@pytest.mark.parametrize("side", [11, 21, 22, 60])
def test_ms_ssim_takes_the_scales_that_fit(side: int) -> None:
    one, two = pictures(shape=(1, 3, side, side + 5))
    value = losses.ms_ssim(one, two)
    assert 0 < value < 1
    if side < 22:  # a single scale is SSIM
        assert value.item() == pytest.approx(losses.ssim(one, two).item())
    with pytest.raises(KdsharpError, match="11 pixels"):
        losses.ms_ssim(one[..., :10], two[..., :10])


def test_charbonnier_is_l1_for_large_and_squares_for_small_differences() -> None:
    zero = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    assert losses.charbonnier(zero + 0.5, zero).item() == pytest.approx(0.5, rel=1e-5)
    assert losses.charbonnier(zero, zero).item() == pytest.approx(1e-3)
    small = losses.charbonnier(zero + 1e-5, zero) - losses.charbonnier(zero, zero)
    assert small.item() == pytest.approx((1e-5) ** 2 / (2 * 1e-3), rel=1e-3)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 6.0])
def test_soft_targets_are_the_squared_error_between_black_and_white(temperature: float) -> None:
    """KL of two Gaussians of one width: the squared distance of their means over twice the variance."""
    first = torch.linspace(0.4, 0.5, 50, dtype=torch.float64)[None, None, None]
    second = first + torch.linspace(-0.05, 0.05, 50, dtype=torch.float64)
    value = losses.soft_targets(second, first, temperature)
    assert value.item() == pytest.approx(torch.nn.functional.mse_loss(second, first).item(), rel=0.02)
    assert losses.soft_targets(first, first, temperature).item() == pytest.approx(0, abs=1e-12)


def test_at_black_and_white_soft_targets_count_less() -> None:
    """There a bell is cut off: both distributions pile up at the border, however far beyond it a value lies."""
    white, grey = torch.ones(1, 1, 1, 1), torch.full((1, 1, 1, 1), 0.5)
    inside = losses.soft_targets(grey + 0.1, grey, 4.0)
    assert losses.soft_targets(white + 0.1, white, 4.0) < inside / 2


def test_frequency_is_numpys_transform() -> None:
    one, two = pictures()
    coefficients = np.fft.fft2((one - two).numpy(), norm="ortho")
    expected = (np.abs(coefficients.real).mean() + np.abs(coefficients.imag).mean()) / 2
    assert losses.frequency(one, two).item() == pytest.approx(expected)


def test_edge_is_opencvs_laplacian() -> None:
    one, two = pictures()
    laplacians = [cv2.Laplacian(plane[0], cv2.CV_64F) for plane in (one - two).numpy()]
    inside = np.stack(laplacians)[:, 1:-1, 1:-1]
    assert losses.edge(one, two).item() == pytest.approx(np.sqrt(inside**2 + 1e-6).mean())


def test_contrast_is_numpys_local_deviation_and_slope() -> None:
    """Where each detail lies does not matter, how strong it is does."""
    one, two = pictures()

    def strength(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        across, down = np.diff(image, axis=1)[:-1], np.diff(image, axis=0)[:, :-1]
        slopes = sliding_window_view(np.hypot(across, down), (3, 3))
        return sliding_window_view(image, (5, 5)).std(axis=(2, 3)), slopes.mean(axis=(2, 3))

    planes = [
        (strength(first), strength(second))
        for first, second in zip(one[:, 0].numpy(), two[:, 0].numpy(), strict=True)
    ]
    expected = sum(np.mean([np.abs(a[part] - b[part]) for a, b in planes]) for part in (0, 1))
    assert losses.contrast(one[:, :1], two[:, :1]).item() == pytest.approx(expected, rel=1e-3)
    noise = torch.rand(1, 1, 200, 200, generator=torch.Generator().manual_seed(0))
    other, flat = noise.flip(-1), torch.full_like(noise, 0.5)
    assert losses.contrast(other, noise) < losses.contrast(flat, noise) / 4
    assert torch.nn.functional.l1_loss(other, noise) > torch.nn.functional.l1_loss(flat, noise)


TERMS = {
    "l1": lambda out, goal: losses.DISTANCES["l1"](out, goal),
    "mse": lambda out, goal: losses.DISTANCES["mse"](out, goal),
    "charbonnier": losses.charbonnier,
    "soft": lambda out, goal: losses.soft_targets(out, goal, 2.0),
    "structure": losses.ssim,
    "ms_ssim": losses.ms_ssim,
    "frequency": losses.frequency,
    "edge": losses.edge,
    "contrast": losses.contrast,
}


@pytest.mark.parametrize("name", TERMS)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    one, two = pictures(shape=(1, 1, 24, 23))
    assert torch.autograd.gradcheck(
        lambda out: TERMS[name](out, two), one.requires_grad_(), eps=1e-6, atol=1e-6, fast_mode=True
    )


@pytest.mark.parametrize("name", ["teacher", "soft", "structure", "ms_ssim", "frequency", "edge", "contrast"])
def test_each_term_is_weighed_by_its_name(name: str) -> None:
    hr, target = pictures()
    output = (hr + target) / 2
    weights = dataclasses.replace(Losses(hr=0.0), **{name: 0.5})
    half = losses.distillation_loss(output, hr, target, weights, None)
    whole = losses.distillation_loss(output, hr, target, dataclasses.replace(weights, **{name: 1.0}), None)
    assert set(half) == {name, "loss"} and half["loss"].item() > 0
    assert whole[name].item() == pytest.approx(2 * half[name].item())


@pytest.mark.parametrize(
    ("distance", "expected"), [("l1", 0.1), ("mse", 0.01), ("charbonnier", math.hypot(0.1, 1e-3))]
)
def test_the_distance_can_be_chosen(distance: str, expected: float) -> None:
    hr = torch.full((1, 1, 16, 16), 0.5)
    terms = losses.distillation_loss(hr + 0.1, hr, None, Losses(distance=distance), None)
    assert terms["hr"].item() == pytest.approx(expected, rel=1e-4)


def test_what_cannot_be_is_said() -> None:
    hr = torch.rand(1, 1, 16, 16)
    with pytest.raises(KdsharpError, match="has none"):
        losses.distillation_loss(hr, hr, None, Losses(soft=1.0), None)
    with pytest.raises(KdsharpError, match="All loss weights are 0"):
        losses.distillation_loss(hr, hr, None, Losses(hr=0.0), None)


@pytest.fixture
def level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "TERMS", dict(losses.TERMS))
    losses.register("level")(lambda output, goal: (output.mean() - goal.mean()).abs())


@pytest.mark.usefixtures("level")
def test_a_term_from_outside_is_weighed_like_any_other() -> None:
    hr = torch.full((1, 1, 16, 16), 0.5)
    terms = losses.distillation_loss(hr + 0.1, hr, hr - 0.2, Losses(hr=1.0, others={"level": 3.0}))
    assert terms["level"].item() == pytest.approx(3 * 0.3)
    assert terms["loss"].item() == pytest.approx(0.1 + 3 * 0.3)
    alone = losses.distillation_loss(hr + 0.1, hr, None, Losses(hr=0.0, others={"level": 1.0}))
    assert set(alone) == {"level", "loss"} and alone["loss"].item() == pytest.approx(0.1)


@pytest.mark.usefixtures("level")
def test_what_a_term_from_outside_needs() -> None:
    hr = torch.full((1, 1, 4, 4), 0.5)
    losses.register("sum", needs=("target", "hr"))(lambda out, target, hr: (out + 2 * target + 4 * hr).sum())
    weights = Losses(hr=0.0, others={"sum": 1.0})
    assert losses.needed(weights) == {"hr", "target"}
    assert losses.distillation_loss(hr, hr, hr, weights)["sum"].item() == 16 * 7 * 0.5
    with pytest.raises(KdsharpError, match="target store has none"):
        losses.distillation_loss(hr, hr, None, weights)
    with pytest.raises(KdsharpError, match=r"no loss term 'colour'.*level, sum"):
        losses.weighed(Losses(hr=1.0, others={"colour": 1.0}))
    with pytest.raises(KdsharpError, match=r"cannot look at 'taste'.*hr, target, goal"):
        losses.register("taste", needs=("taste",))
    with pytest.raises(KdsharpError, match=r"losses\.vgg is a setting"):
        losses.register("vgg")


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VGG16's first layers under torchvision's names, random weights."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("vgg") / "vgg16.safetensors"
    layers = vgg16(weights=None).features[:15]
    save_file({f"features.{key}": value for key, value in layers.state_dict().items()}, path)
    return path


def test_vgg16_is_torchvisions_up_to_conv3_3(vgg_file: Path) -> None:
    layers = vgg16(weights=None).features[:15]
    assert (
        isinstance(layers[14], torch.nn.Conv2d) and layers[14].out_channels == 256
    )  # the third of its block
    weights = load_file(vgg_file)
    layers.load_state_dict({key.removeprefix("features."): value for key, value in weights.items()})
    one, two = (picture.float() for picture in pictures(shape=(1, 3, 32, 32)))
    normal = [(picture - torch.tensor([0.485, 0.456, 0.406])[:, None, None])
              / torch.tensor([0.229, 0.224, 0.225])[:, None, None] for picture in (one, two)]  # fmt: skip
    expected = (layers(normal[0]) - layers(normal[1])).abs().mean().item()
    scale = np.mean([0.229, 0.224, 0.225]) / 0.229  # both kinds of weights on one scale
    found = perceptual.Perceptual(vgg_file, depth=16)(one, two).item()
    assert found == pytest.approx(expected * scale, rel=1e-4)


def slope(function: Callable[[torch.Tensor], torch.Tensor], at: torch.Tensor) -> tuple[float, float]:
    """The derivative along a random direction: by backpropagation, and by differences."""
    direction = torch.randn(at.shape, generator=torch.Generator().manual_seed(5))
    moved = [function(at + step * direction).item() for step in (-2e-4, 2e-4)]
    leaf = at.clone().requires_grad_()
    function(leaf).backward()
    return (leaf.grad * direction).sum().item(), (moved[1] - moved[0]) / 4e-4


def test_the_gradient_of_the_perceptual_term(vgg_file: Path) -> None:
    measure = perceptual.Perceptual(vgg_file, depth=16)
    one, two = (picture.float() for picture in pictures(shape=(1, 3, 32, 32)))
    ours, expected = slope(lambda out: measure(out, two), one)
    assert ours == pytest.approx(expected, rel=0.1)  # ReLUs and L1 have kinks


def test_the_vgg_at_hand_is_the_one_that_the_recipe_asks_for(
    vgg_file: Path, own_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise URLError("no network")

    weights = own_root / "data" / "weights" / "vgg16-mine.safetensors"
    weights.parent.mkdir(parents=True)
    weights.hardlink_to(vgg_file)
    monkeypatch.delenv("KDSHARP_ASSETS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(own_root / "torch"))
    monkeypatch.setattr(torch.hub, "urlopen", refused)
    settings = ["training.steps=2", "training.batch=2", "training.patch=32", "training.validate_every=2"]
    settings += ["store.crop=32", "store.crops_per_photo=4", "losses.teacher=0", "losses.perceptual=0.1"]
    recipe = recipes.override(recipes.preset("video-call", "quick"), [*settings, "losses.vgg=16"])
    store = targets.build(
        own_root / "store", data.embedded_photos("val")[:1], recipe.degradation, recipe.store, None
    )
    result = distill.train(recipe, store, store, own_root / "run")
    assert result.history[-1]["perceptual"] > 0
    other = recipes.override(recipe, ["losses.vgg=19"])
    with pytest.raises(KdsharpError, match=r"VGG19.*no network.*vgg19.*perceptual to 0"):
        distill.train(other, store, store, own_root / "other")


def test_a_notebook_shows_the_sentence_of_an_error_alone(capsys: pytest.CaptureFixture[str]) -> None:
    InteractiveShell().run_cell("from kdsharp.errors import KdsharpError\nraise KdsharpError('Turn it off.')")
    assert capsys.readouterr().out.strip() == "KdsharpError: Turn it off."


def test_the_gradient_of_feature_distillation_reaches_the_student() -> None:
    """Of the distance to the teacher's features, with respect to the first weights of the student."""
    torch.manual_seed(0)
    network = student.build(Network("encoder-decoder", {"channels": 8, "levels": 2}))
    guide = student.build(Network("residual", {"scale": 1, "channels": 12, "blocks": 1}))
    match = features.FeatureMatch(network, guide)
    x = torch.rand(1, 3, 16, 16)

    def distance(weight: torch.Tensor) -> torch.Tensor:
        torch.func.functional_call(network, {"head.weight": weight}, (x,))
        return match(x)

    ours, expected = slope(distance, network.head.weight.detach())
    assert ours == pytest.approx(expected, rel=0.05) and abs(ours) > 1e-4


def test_harm_weighs_most_on_a_good_frame() -> None:
    torch.manual_seed(0)
    hr = torch.rand(1, 1, 16, 16)
    slight, poor = hr + 1 / 255, hr + 20 / 255
    weights = Losses(hr=0.0, relative=1.0)
    of = {name: lambda output, given=given: losses.distillation_loss(output, hr, None, weights, given=given)["loss"]
          for name, given in {"clean": hr, "slight": slight, "poor": poor}.items()}  # fmt: skip
    assert of["clean"](hr) == of["poor"](hr) == 0
    assert of["poor"](poor).item() == pytest.approx(400 / (400 + losses.LENIENCE**2), rel=1e-3)
    level_more = {name: loss(hr + 1 / 255).item() for name, loss in of.items()}
    assert level_more["clean"] > level_more["slight"] > 10 * level_more["poor"]
    with pytest.raises(KdsharpError, match="needs the network's input"):
        losses.distillation_loss(hr, hr, None, weights)
    with pytest.raises(KdsharpError, match="scale 1"):
        losses.distillation_loss(hr, hr, None, weights, given=hr[..., ::2, ::2])


def test_brightness_is_each_picture_s_mean() -> None:
    """One picture too bright and one too dark do not make up for each other, and detail does not count."""
    hr = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    shift = torch.tensor([0.1, -0.3]).reshape(2, 1, 1, 1)
    detail = torch.tensor([1.0, -1.0]).repeat(8) * 0.2
    found = losses.distillation_loss(
        hr + shift + detail, hr, None, Losses(hr=0.0, others={"brightness": 1.0})
    )
    assert found["loss"].item() == pytest.approx(0.2)
