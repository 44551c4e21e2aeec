"""Panel: watch a training run, and stop it when it has seen enough.

The training runs in a thread of its own, so that the cell returns and the stop button can be heard.
"""

import logging
import threading
import time
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from matplotlib.figure import Figure

from kdsharp import data, distill
from kdsharp.course.figures import COLOURS
from kdsharp.course.panels.panel import Panel, Shown, slider
from kdsharp.disk import files
from kdsharp.distill import TrainingResult
from kdsharp.distill.targets import TargetStore
from kdsharp.recipes import Recipe

log = logging.getLogger(__name__)

_SECONDS_BETWEEN_PICTURES = 2.0
_CROPS = 4  # in a validation picture, one row each


class TrainingView(Panel):
    """A running training: losses, validation, time left, and a stop button. `result()` waits for its end.

    A run that is taken up again shows its validations from the start; losses of single steps are not kept on disk.
    """

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        self._recipe, self._folder = recipe, Path(folder)
        self._steps: list[int] = []
        self._losses: list[float] = []
        self._history: list[dict] = _earlier(self._folder)
        self._stop = threading.Event()
        self._done: TrainingResult | None = None
        self._failure: BaseException | None = None
        self._begun = self._drawn = time.monotonic()
        self.stop_button = widgets.Button(description="Stop and keep", button_style="warning")
        self.stop_button.on_click(lambda _button: self.stop())
        controls = {"crop": slider("crop", 1, 1, _CROPS), "smooth": slider("mean of steps", 20, 1, 100)}
        super().__init__(f"Training {recipe.name}", controls, self._view, [self.stop_button])
        self._thread = threading.Thread(target=self._work, name="training", daemon=True)

    def start(self, *arguments, **options) -> "TrainingView":
        """Begin `distill.train(recipe, ..., folder, ...)` in a thread; takes its other arguments."""
        self._train = lambda: distill.train(
            self._recipe, *arguments, **options, on_progress=self._validated, watch=self._stepped
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the training after the step in progress; checkpoint and student are written as they are."""
        self._stop.set()
        self.stop_button.disabled = True

    def result(self) -> TrainingResult:
        """Wait for the end and return what was trained; raises what the training raised.

        Interrupting the cell (the front end's stop sign) stops the training too and returns the student so far.
        """
        while self._thread.is_alive():
            try:
                self._thread.join(timeout=0.2)
            except KeyboardInterrupt:
                log.warning("stopping: the student is kept as it is")
                self.stop()
        if self._failure is not None:
            raise self._failure
        return self._done

    def _work(self) -> None:
        try:
            self._done = self._train()
        except BaseException as error:  # also KeyboardInterrupt: `result` raises it where it can be seen
            self._failure = error
        self.stop_button.disabled = True
        self.changed()

    def _stepped(self, step: int, loss: float) -> bool:
        self._steps.append(step)
        self._losses.append(loss)
        if time.monotonic() - self._drawn > _SECONDS_BETWEEN_PICTURES:
            self._drawn = time.monotonic()
            self.changed()
        return self._stop.is_set()

    def _validated(self, row: dict) -> None:
        self._history.append(row)

    def _view(self, crop: int, smooth: int) -> Shown:
        seen = (self._steps, self._losses, self._history)
        return _figure(self._recipe, *seen, self._pictures(crop), smooth), self._text()

    def _pictures(self, crop: int) -> np.ndarray | None:
        """One row of the newest validation picture: input, student, original."""
        if not self._history:
            return None
        path = self._folder / f"validation-{self._history[-1]['step']:06d}.png"
        if not path.exists():
            return None
        image = data.read_image(path)
        side = image.shape[1] // 3
        top = min(crop * side, image.shape[0]) - side  # fewer rows when there are fewer validation crops
        return image[top : top + side]

    def _text(self) -> str:
        if self._failure is not None:
            return f"<b>Training ended: {self._failure}</b>"
        if not self._steps:
            done = self._done is not None
            return (
                f"Finished earlier; see {self._done.checkpoint}."
                if done
                else "Waiting for the first steps ..."
            )
        seconds = time.monotonic() - self._begun
        if self._done is not None:
            kept = "stopped early; " if self._steps[-1] < self._recipe.training.steps else ""
            return f"Done after {len(self._steps)} steps in {seconds:.0f} s; {kept}see {self._done.checkpoint.name}."
        rate = len(self._steps) / seconds
        left = (self._recipe.training.steps - self._steps[-1]) / rate
        return f"Step {self._steps[-1]} of {self._recipe.training.steps}, {rate:.1f} steps/s, about {left:.0f} s left."


def training_view(
    recipe: Recipe, store: TargetStore, validation: TargetStore, folder: Path, **options
) -> TrainingView:
    """Start a training and return its live view; `options` are `device` and `vgg` of `distill.train`.

    Show it as the last line of a cell, and call `.result()` in the next one.
    """
    return TrainingView(recipe, folder).start(store, validation, Path(folder), **options)


def _earlier(folder: Path) -> list[dict]:
    """The history of a run that goes on in `folder`."""
    path = folder / "history.json"
    return files.read_json(path) if path.exists() else []


def _figure(
    recipe: Recipe,
    steps: list[int],
    losses: list[float],
    history: list[dict],
    picture: np.ndarray | None,
    smooth: int,
) -> Figure:
    figure = Figure(figsize=(12, 3.2), layout="constrained")  # not pyplot's, which belongs to the main thread
    left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1, 1.4])
    left.plot(steps, losses, color=COLOURS[0], alpha=0.35, linewidth=0.8)
    if len(losses) >= smooth:
        mean = np.convolve(losses, np.ones(smooth) / smooth, mode="valid")
        left.plot(steps[smooth - 1 :], mean, color=COLOURS[0], label=f"mean of {smooth} steps")
    if history:
        validated, means = zip(*((row["step"], row["loss"]) for row in history), strict=True)
        left.plot(validated, means, "o", color=COLOURS[1], label="mean between validations")
    if left.get_legend_handles_labels()[0]:
        left.legend()
    left.set(xlabel="step", ylabel="weighted loss", title="loss", xlim=(0, recipe.training.steps))
    middle.plot(
        [row["step"] for row in history], [row["val_psnr"] for row in history], color=COLOURS[2], marker="o"
    )
    middle.set(xlabel="step", ylabel="PSNR in dB", title="validation", xlim=(0, recipe.training.steps))
    if picture is not None:
        right.imshow(picture, interpolation="nearest")
    right.set_title("input, student, original")
    right.set_axis_off()
    for axis in (left, middle):
        axis.grid(alpha=0.3)
    return figure
