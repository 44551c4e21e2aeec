"""Panel: the knobs of a training run, with what the student would cost at 1080p while they turn."""

import dataclasses
from collections.abc import Callable

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from kdsharp import recipes, speed, student
from kdsharp.course.figures import COLOURS
from kdsharp.course.panels.panel import Panel, Shown, choice, log_slider, slider
from kdsharp.distill import learning_rate
from kdsharp.distill.losses import DISTANCES
from kdsharp.recipes import Recipe

BUDGETS = {"30 FPS": 1000 / 30, "60 FPS": 1000 / 60}


class RecipePanel(Panel):
    """A panel that writes a recipe: `recipe` is the preset with the sliders' values in it."""

    def __init__(self, start: Recipe, controls: dict, show: Callable[..., Shown]) -> None:
        self._start = start
        super().__init__("Hyperparameters", controls, show)

    @property
    def recipe(self) -> Recipe:
        return with_values(self._start, self.values)


def hyperparameter_panel(recipe: Recipe, device: str = "cpu") -> RecipePanel:
    """Loss weights, optimiser, length and student size, starting at `recipe`.

    Shows the learning rate over the steps, and parameters, multiply-adds and predicted milliseconds of the student at
    1080p (timed with PyTorch on `device`, on a quarter of a frame). A perceptual weight above 0 needs VGG19's weights.
    """
    losses, training, options = recipe.losses, recipe.training, recipe.student.options
    largest = recipes.shrunk(recipe.store.crop, recipe.scale)
    controls = {
        "hr": slider("to original", losses.hr, 0.0, 2.0, 0.1),
        "teacher": slider("to teacher", losses.teacher, 0.0, 2.0, 0.1),
        "distance": choice("distance", list(DISTANCES), losses.distance),
        "soft": slider("soft targets (KL)", losses.soft, 0.0, 2.0, 0.1),
        "temperature": slider("temperature", losses.temperature, 0.5, 8.0, 0.5),
        "structure": slider("1 - SSIM", losses.structure, 0.0, 1.0, 0.05),
        "ms_ssim": slider("1 - MS-SSIM", losses.ms_ssim, 0.0, 1.0, 0.05),
        "perceptual": slider("perceptual", losses.perceptual, 0.0, 0.02, 0.001),
        "vgg": choice("VGG", [16, 19], losses.vgg),
        "features": slider("features", losses.features, 0.0, 0.1, 0.01),
        "frequency": slider("Fourier", losses.frequency, 0.0, 1.0, 0.05),
        "edge": slider("edges", losses.edge, 0.0, 1.0, 0.05),
        "contrast": slider("local contrast", losses.contrast, 0.0, 5.0, 0.1),
        "learning_rate": log_slider("learning rate", training.learning_rate, -5, -1),
        "steps": slider("steps", training.steps, 50, max(3000, 2 * training.steps), 50),
        "batch": slider("batch", training.batch, 2, max(32, training.batch), 2),
        "patch": slider("patch in pixels", training.patch, 16, largest, 8),
    }
    sizes = {
        "channels": lambda: slider("channels", options["channels"], 8, 64, 4),
        "body": lambda: slider("body layers", options["body"], 0, 8),
        "levels": lambda: slider("levels", options["levels"], 1, 4),
        "blocks": lambda: slider("blocks", options["blocks"], 1, 16),
        "unshuffle": lambda: choice("unshuffle", [1, 2, 4, 8], options["unshuffle"]),
        "colour": lambda: choice("colour", ["luma", "rgb"], options["colour"]),
    }
    controls |= {name: make() for name, make in sizes.items() if name in options}

    measured: dict[str, tuple[int, float, float]] = {}  # by size, so that only its sliders have to wait

    def show(**values) -> Shown:
        chosen = with_values(recipe, values)
        if (size := str(chosen.student)) not in measured:
            network = student.build(chosen.student).eval().to(device)
            made = student.multiply_adds(
                network, recipes.shrunk(speed.HEIGHT, chosen.scale), recipes.shrunk(speed.WIDTH, chosen.scale)
            )
            measured[size] = (student.parameters(network), made, speed.predict(network))
        count, made, milliseconds = measured[size]
        return _figure(chosen, milliseconds), (
            f"{_training_text(chosen)}<br>"
            f"{count:,} parameters, {made / 1e9:.1f} G multiply-adds a frame, "
            f"about {milliseconds:.0f} ms at 1920x1080 with PyTorch on this {device} ({1000 / milliseconds:.0f} FPS)"
        )

    return RecipePanel(recipe, controls, show)


def with_values(recipe: Recipe, values: dict[str, float | int | str]) -> Recipe:
    """`recipe` with the values of sliders, whose names are those of the settings, put where they belong."""
    places = (recipe.student.options, vars(recipe.losses), vars(recipe.training))
    size, weights, named = ({key: values[key] for key in values if key in place} for place in places)
    return dataclasses.replace(
        recipe,
        losses=dataclasses.replace(recipe.losses, **weights),
        training=dataclasses.replace(recipe.training, **named),
        student=dataclasses.replace(recipe.student, options=recipe.student.options | size),
    )


def _training_text(recipe: Recipe) -> str:
    weights = recipe.losses
    distance = {"l1": "L1", "mse": "MSE", "charbonnier": "Charbonnier"}[weights.distance]
    names = {
        f"{distance}(original)": weights.hr,
        f"{distance}(teacher)": weights.teacher,
        "KL(teacher)": weights.soft,
        "(1 - SSIM)": weights.structure,
        "(1 - MS-SSIM)": weights.ms_ssim,
        f"VGG{weights.vgg}": weights.perceptual,
        "features": weights.features,
        "Fourier": weights.frequency,
        "edges": weights.edge,
        "local contrast": weights.contrast,
        **weights.others,
    }
    terms = " + ".join(f"{weight:.3g} {name}" for name, weight in names.items() if weight) or "nothing"
    training = recipe.training
    pixels = training.steps * training.batch * training.patch**2
    return f"loss = {terms}; {training.steps * training.batch:,} patches, {pixels / 1e6:,.0f} million pixels of input"


def _figure(recipe: Recipe, milliseconds: float) -> Figure:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
    steps = range(0, recipe.training.steps, max(1, recipe.training.steps // 200))
    rates = [learning_rate(step, recipe.training) for step in steps]
    left.plot(steps, rates, color=COLOURS[0])
    left.set(xlabel="step", ylabel="learning rate", yscale="log", title="warm-up, then half a cosine")
    right.barh(["this student"], [milliseconds], height=0.4, color=COLOURS[2])
    for colour, (name, budget) in zip((COLOURS[1], COLOURS[3]), BUDGETS.items(), strict=True):
        right.axvline(budget, color=colour, linestyle="--", label=name)
    right.set(xlabel="predicted ms for a 1080p frame", xlim=(0, max(60, 1.2 * milliseconds)), ylim=(-1, 1))
    right.legend()
    for axis in (left, right):
        axis.grid(alpha=0.3)
    return figure
