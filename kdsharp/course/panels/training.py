"""Panel: watch a training run, its film growing below its curves, and stop it when it has seen enough.

The training runs in a thread of its own, so that the cell returns and the stop button can be heard.
"""

import logging
import threading
import time
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from kdsharp import distill, student
from kdsharp.course.figures import COLOURS
from kdsharp.course.figures.film import Reel, chosen_steps, place_picture, reel
from kdsharp.course.figures.style import NOTHING, colours_of, nothing_line
from kdsharp.course.panels.controls import button, slider
from kdsharp.course.panels.panel import Panel, Shown
from kdsharp.disk import files
from kdsharp.distill import TrainingResult
from kdsharp.distill.targets import TargetStore
from kdsharp.distill.validation import SHOWN
from kdsharp.recipes import Recipe

log = logging.getLogger(__name__)

_SECONDS_BETWEEN_PICTURES = 2.0
_STEPS_SHOWN = 5
_SHARE_OF_PICTURES = 0.1  # of the time at most: drawing takes from training


class TrainingView(Panel):
    """A running training: losses, validation, its film, time left, and a stop button. `result()` waits for its end.

    Where the run's folder holds its teacher's picture (`distill.show_teacher`), it stands at the end of the film, and a
    gauge says what share of the way to it the student has come.
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
        self._begun = self._next = time.monotonic()
        self._nothing: float | None = None
        told = "End after this step; checkpoint and student are kept."
        self.stop_button = button("Stop and keep", self.stop, told, "warning")
        controls = {
            "crop": slider("crop", 1, 1, SHOWN, tooltip="Which of the places that are watched."),
            "smooth": slider(
                "mean of steps", 20, 1, 100, tooltip="Over how many steps the dark curve is a mean."
            ),
        }
        super().__init__(f"Training {recipe.name}", controls, self._view, [self.stop_button])
        self._thread = threading.Thread(target=self._work, name="training", daemon=True)

    def start(self, store: TargetStore, validation: TargetStore, **options) -> "TrainingView":
        """Begin `distill.train(recipe, store, validation, folder, ...)` in a thread; takes its other arguments."""
        self._nothing = distill.doing_nothing(validation, student.build(self._recipe.student).colour)
        options |= {"on_progress": self._history.append, "watch": self._stepped}
        self._train = lambda: distill.train(self._recipe, store, validation, self._folder, **options)
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
        if (began := time.monotonic()) > self._next:
            self.changed()
            took = time.monotonic() - began
            self._next = began + max(_SECONDS_BETWEEN_PICTURES, took / _SHARE_OF_PICTURES)
        return self._stop.is_set()

    def _view(self, crop: int, smooth: int) -> Shown:
        """The curves above, the film below."""
        shown = reel({self._recipe.name: self._folder}, crop - 1) if distill.frames(self._folder) else None
        # Not pyplot's, which belongs to the main thread.
        figure = Figure(figsize=(12, 4.8), layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=[1.6, 1])
        taught = shown is not None and shown.teachers
        left, right, *last = above.subplots(1, 2 + bool(taught), width_ratios=[1, 1, 0.7][: 2 + bool(taught)])
        _losses(left, self._steps, self._losses, self._history, smooth)
        _validations(right, self._recipe.name, self._history, self._nothing)
        for axis in (left, right):
            axis.set_xlim(0, self._recipe.training.steps)
            axis.grid(alpha=0.3)
        if taught:
            _gauge(last[0], shown)
        if shown is not None:
            _strip(below, shown)
        return figure, self._text()

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
    return TrainingView(recipe, folder).start(store, validation, **options)


def _earlier(folder: Path) -> list[dict]:
    """The history of a run that goes on in `folder`."""
    path = folder / "history.json"
    return files.read_json(path) if path.exists() else []


def _losses(axis: Axes, steps: list[int], losses: list[float], history: list[dict], smooth: int) -> None:
    axis.plot(steps, losses, color=COLOURS[5], alpha=0.5, linewidth=0.8)
    if len(losses) >= smooth:
        mean = np.convolve(losses, np.ones(smooth) / smooth, mode="valid")
        axis.plot(steps[smooth - 1 :], mean, color=COLOURS[6], label=f"mean of {smooth} steps")
    if history:
        validated, means = zip(*((row["step"], row["loss"]) for row in history), strict=True)
        axis.plot(validated, means, "o", color=COLOURS[6], label="mean between validations")
    if axis.get_legend_handles_labels()[0]:
        axis.legend()
    axis.set(xlabel="step", ylabel="weighted loss", title="loss")


def _validations(axis: Axes, name: str, history: list[dict], nothing: float | None) -> None:
    steps, values = [row["step"] for row in history], [row["val_psnr"] for row in history]
    axis.plot(steps, values, color=colours_of([name])[name], marker="o")
    if nothing is not None:
        nothing_line(axis, nothing)
    axis.set(xlabel="step", ylabel="PSNR in dB", title="validation")


def _gauge(axis: Axes, shown: Reel) -> None:
    """How far the newest picture is on its way from the input to the teacher's."""
    (name,) = shown.students
    share = shown.share(name, shown.steps[-1])
    axis.bar([""], [1], color="0.92", width=0.5)
    bars = axis.bar([""], [share], color=colours_of([name])[name], width=0.5)
    axis.bar_label(bars, [f"{share:.0%}"], fontweight="bold", fontsize=12, padding=3)
    axis.axhline(0, color=COLOURS[6], linewidth=1)
    axis.set(ylim=(min(0, 1.2 * share), 1.02), xlim=(-1, 1), title="share of the way")
    axis.set_yticks([0, 1], [NOTHING, "the teacher"])
    axis.spines[:].set_visible(False)


def _strip(figure: SubFigure, shown: Reel) -> None:
    """The film so far: the input, some steps, the teacher where there is one, and the original."""
    (name,) = shown.students
    pictures = {"input": shown.given}
    pictures |= {f"step {step}": shown.at(name, step) for step in chosen_steps(shown, _STEPS_SHOWN)}
    if name in shown.teachers:
        pictures["its teacher"] = shown.teachers[name]
    pictures["original"] = shown.original
    # As many places from the start, so that pictures keep theirs while the film grows.
    axes = figure.subplots(1, _STEPS_SHOWN + 2 + len(shown.teachers))
    for axis in axes:
        axis.set_axis_off()
    for axis, (told, picture) in zip(axes, pictures.items(), strict=False):
        place_picture(axis, picture)
        axis.set_title(told)
