"""Panel: the knobs of a training run, with what they ask for and what the student would cost at 1080p."""

import dataclasses
import functools
import json
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kdsharp import data, degradation, recipes, speed, student
from kdsharp.course.figures import COLOURS, budget_lines
from kdsharp.course.panels.knobs import changes, knobs, with_values
from kdsharp.course.panels.panel import Panel, Shown
from kdsharp.distill import learning_rate, losses
from kdsharp.distill.perceptual import Perceptual, vgg_at_hand
from kdsharp.recipes import Losses, Network, Pairs, Recipe
from kdsharp.recipes.degradations import UnknownDegradation

__all__ = ["RecipePanel", "hyperparameter_panel", "with_values"]

_PINNED = "0.75"  # grey, behind the present colours
_TIMINGS = 3


class RecipePanel(Panel):
    """A panel that writes a recipe: `recipe` is the preset with the sliders' values in it."""

    def __init__(self, start: Recipe, controls: dict, show: Callable[..., Shown]) -> None:
        self._start = start
        super().__init__("Hyperparameters", controls, show, code=self._as_code, pins=True)

    @property
    def recipe(self) -> Recipe:
        return with_values(self._start, self.values)

    def _as_code(self, **values: Any) -> str:
        settings = ", ".join(f'"{setting}"' for setting in changes(self._start, values))
        return f"kdsharp.override(recipe, [{settings}])"


class Cost(NamedTuple):
    """Of one frame of 1080p: weights, multiply-adds, and milliseconds as they are predicted."""

    parameters: int
    multiply_adds: float
    milliseconds: float


def hyperparameter_panel(recipe: Recipe, device: str = "cpu") -> RecipePanel:
    """Loss weights, optimiser, length and student size, starting at `recipe`.

    Shows what each term of the loss weighs for a picture that is left as it is, the learning rate over the steps, and
    parameters, multiply-adds and predicted milliseconds of the student at 1080p (timed with PyTorch on `device`, on a
    quarter of a frame). A setting that cannot be trained is told in its sentence.
    """
    controls = knobs(recipe)

    def show(pinned: dict | None, **values) -> Shown:
        chosen = with_values(recipe, values)
        recipes.check_training(chosen)
        for name, needed in _NEEDED_BY.items():
            if name in controls:
                controls[name].disabled = not any(values.get(weight, 0) for weight in needed)
        before = with_values(recipe, pinned) if pinned else None
        told = [_training_text(chosen), _cost_text(cost(chosen.student, device), device)]
        if before is not None:
            moved = ", ".join(changes(before, values)) or "nothing has changed"
            told.append(
                f"<b>Pinned</b>: {_cost_text(cost(before.student, device), device)}; since then {moved}"
            )
        return _figure(chosen, before, device), "<br>".join(told)

    return RecipePanel(recipe, controls, show)


# What does nothing without a weight for one of these.
_NEEDED_BY = {"distance": ("hr", "teacher"), "temperature": ("soft",), "vgg": ("perceptual",)}


def cost(network: Network, device: str = "cpu") -> Cost:
    """What a student costs, timed once in this process: a number that changes while the student does not is none.

    The median of several predictions, because other programs come and go while one is made.
    """
    return _cost(json.dumps(dataclasses.asdict(network), sort_keys=True), device)


@functools.cache
def _cost(described: str, device: str) -> Cost:
    built = student.build(Network(**json.loads(described))).eval().to(device)
    height, width = (recipes.shrunk(side, built.scale) for side in (speed.HEIGHT, speed.WIDTH))
    times = [speed.predict(built) for _ in range(_TIMINGS)]
    made = student.multiply_adds(built, height, width)
    return Cost(student.parameters(built), made, statistics.median(times))


def pulls(recipe: Recipe) -> dict[str, float]:
    """What each term of the loss comes to, weight included, for a picture that is left as it was received.

    By the names of `losses`, on the middle of a photograph that is damaged by the recipe. The teacher is taken to be
    right, as asking it may take minutes. Terms that cannot be had so are left out: `features`, those of a VGG that is
    not at hand, and all where the damage lies in files.
    """
    if isinstance(recipe.degradation, Pairs | UnknownDegradation):
        return {}
    crop = recipe.store.crop
    hr = data.to_tensor(data.centre(data.read_image(data.embedded_photos()[0]), crop))
    received = degradation.degrade(hr, recipe.degradation, torch.Generator().manual_seed(0)).input
    given = degradation.enlarge(received, hr.shape[-2:], "bicubic").clamp(0, 1)
    if recipe.student.options.get("colour") == "luma":
        hr, given = student.to_luma(hr), student.to_luma(given)
    depth = recipe.losses.vgg
    vgg = Perceptual(vgg_at_hand(depth), depth) if recipe.losses.perceptual and vgg_at_hand(depth) else None
    left = {"features": 0.0} | ({} if vgg else {"perceptual": 0.0})
    weights = dataclasses.replace(recipe.losses, **left)
    if not losses.weighed(weights):
        return {}
    with torch.no_grad():
        terms = losses.distillation_loss(given, hr, hr, weights, vgg, None, given)
    return {name: term.item() for name, term in terms.items() if name != "loss"}


def _words(weights: Losses) -> dict[str, str]:
    """What terms are called in the panel, by the names of `losses`."""
    distance = {"l1": "L1", "mse": "MSE", "charbonnier": "Charbonnier"}[weights.distance]
    return {
        "hr": f"{distance}(original)",
        "teacher": f"{distance}(teacher)",
        "soft": "KL(teacher)",
        "structure": "(1 - SSIM)",
        "ms_ssim": "(1 - MS-SSIM)",
        "perceptual": f"VGG{weights.vgg}",
        "frequency": "Fourier",
        "edge": "edges",
        "contrast": "local contrast",
    }


def _training_text(recipe: Recipe) -> str:
    words = _words(recipe.losses)
    terms = [
        f"{weight:.3g} {words.get(name, name)}" for name, weight in losses.weighed(recipe.losses).items()
    ]
    training = recipe.training
    pixels = training.steps * training.batch * training.patch**2
    return (
        f"loss = {' + '.join(terms) or 'nothing: give a term a weight'}; {training.steps * training.batch:,} patches, "
        f"{pixels / 1e6:,.0f} million pixels of input"
    )


def _cost_text(found: Cost, device: str) -> str:
    return (
        f"{found.parameters:,} parameters, {found.multiply_adds / 1e9:.1f} G multiply-adds a frame, about "
        f"{_short(found.milliseconds)} ms at 1920x1080 with PyTorch on this {device} "
        f"({_short(1000 / found.milliseconds)} FPS)"
    )


def _short(value: float) -> str:
    """Two digits that count: more would say that a prediction is a measurement."""
    return f"{float(f'{value:.2g}'):,.0f}" if value >= 10 else f"{value:.2g}"


def _figure(chosen: Recipe, before: Recipe | None, device: str) -> Figure:
    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=(10, 2.9), width_ratios=[1.2, 1, 0.8], layout="constrained"
    )
    _draw_pulls(left, chosen, before)
    for recipe, colour in ((before, _PINNED), (chosen, COLOURS[0])):
        if recipe is not None:
            steps = range(0, recipe.training.steps, max(1, recipe.training.steps // 200))
            rates = [learning_rate(step, recipe.training) for step in steps]
            middle.plot(steps, rates, color=colour)
    middle.set(xlabel="step", yscale="log", title="learning rate")
    _draw_milliseconds(right, {"now": chosen, "pinned": before}, device)
    for axis in (left, middle, right):
        axis.grid(alpha=0.3)
    return figure


def _draw_pulls(axis: Axes, chosen: Recipe, before: Recipe | None) -> None:
    """A bar for each term, the pinned recipe's in grey behind it."""
    now, then = pulls(chosen), pulls(before) if before else {}
    words = _words(chosen.losses)
    names = [name for name in words | now if name in now or name in then]
    for values, height, colour in ((then, 0.75, _PINNED), (now, 0.45, COLOURS[2])):
        axis.barh(range(len(names)), [values.get(name, 0) for name in names], height, color=colour)
    axis.set_yticks(range(len(names)), [words.get(name, name) for name in names])
    axis.set(
        ylim=(max(2, len(names)) - 0.5, -0.5),
        xlabel="weight x term, were nothing done",
        title="what each term weighs",
    )


def _draw_milliseconds(axis: Axes, shown: dict[str, Recipe | None], device: str) -> None:
    times = {name: cost(recipe.student, device).milliseconds for name, recipe in shown.items() if recipe}
    bars = axis.barh(list(times), list(times.values()), 0.45, color=[COLOURS[2], _PINNED][: len(times)])
    axis.bar_label(bars, [_short(value) for value in times.values()], padding=3)
    budget_lines(axis)
    axis.set(xlabel="ms for a 1080p frame", title="predicted", xlim=(0, max(60, 1.4 * max(times.values()))))
    axis.set_ylim(2.6, -0.6)  # the legend has the place below
    axis.legend(loc="lower right")
