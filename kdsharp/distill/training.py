"""Training: one loop that can be read, stopped, and taken up again.

Every random choice of step `n` follows from (seed, n), and the learning rate from n alone, so a run that was
killed and resumed ends (on the CPU) with the same weights as one that was never stopped.
"""

import contextlib
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from kdsharp.disk import checkpoints, files, identity, keep, parallel
from kdsharp.distill import losses, precision, runs, steps
from kdsharp.distill.batches import Batch, Reader, draw_batch, on_device
from kdsharp.distill.learner import Learner, begin
from kdsharp.distill.perceptual import Perceptual
from kdsharp.distill.targets import TargetStore
from kdsharp.distill.validation import validate
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Recipe, Training, check_training
from kdsharp.student import load_network
from kdsharp.teacher.tiling import is_out_of_memory

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingResult:
    """The trained network (its averaged weights), the history (one dict per validation) and the file."""

    network: nn.Module
    history: list[dict]
    checkpoint: Path


@dataclass(frozen=True)
class _Run:
    """What stays the same from a run's first step to its last."""

    recipe: Recipe
    folder: Path
    made_from: runs.Origin
    validation: TargetStore
    perceptual: Perceptual | None
    recorded: dict[str, str]


def train(
    recipe: Recipe,
    store: TargetStore,
    validation: TargetStore,
    folder: Path,
    device: str = "cpu",
    vgg: str | Path | None = None,
    on_progress: Callable[[dict], None] | None = None,
    watch: Callable[[int, float], bool] | None = None,
    teacher_network: nn.Module | None = None,
    way: str | None = None,
) -> TrainingResult:
    """Train `recipe.student` on a target store, or go on with the run that `folder` holds.

    Writes `last.pt` (to resume), `validation-STEP.png` (the first of step 0), `history.json` and at the end
    `student.safetensors`.
    `vgg` are the weights of a perceptual term (see `perceptual.Perceptual`; None: a file at hand, else torchvision's);
    `teacher_network` is needed when the recipe has a feature term (see `features.FeatureMatch`).
    `on_progress` gets each row of the history; raising KeyboardInterrupt in it, or pressing stop, leaves a checkpoint
    to resume from.
    `watch` gets step and loss after every step; when it returns True, training ends early: the run can be resumed,
    and `student.safetensors` holds the student as it is by then.
    `way` is how a step is computed, one of `steps.WAYS`; None: the fastest on a GPU, and uncompiled on a processor.
    Under `accelerate launch` each process takes its share of every batch (DistributedDataParallel), and the first one
    writes. Raises KdsharpError if the loss stops being finite, memory runs out or the disk is full (the last good
    checkpoint is kept), if all the network's ReLUs have closed for good, if `folder` holds a run of another recipe or
    made from other photographs or networks, or if another run is writing to it.
    """
    folder, device, settings = Path(folder), parallel.device(device), recipe.training
    check_training(recipe)
    needs = losses.needed(recipe.losses)
    with files.only_one(folder) if parallel.rank() == 0 else contextlib.nullcontext():
        perceptual = Perceptual(vgg, depth=recipe.losses.vgg) if "vgg" in needs else None
        inside = teacher_network if "features" in needs else None
        made_from = _made_from(recipe, store, validation, perceptual, inside)
        recorded = {key: store.about[key] for key in ("teacher_source",) if key in store.about}
        run = _Run(recipe, folder, made_from, validation, perceptual, recorded)
        learner = _begin_or_resume(run, device, inside)
        colour = learner.network.colour
        crops = on_device(_seen(store, recipe), device)

        def draw(step: int) -> Batch:
            return draw_batch(crops, settings, step, colour, device)

        try:
            compute = _objective(run, learner, way, lambda: draw(learner.step), device)
            _loop(run, learner, compute, Reader(draw, learner.step, settings.steps), on_progress, watch)
        except KeyboardInterrupt:
            _save(run, learner)
            raise
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise KdsharpError(
                f"Out of memory with batches of {settings.batch} patches of {settings.patch} pixels: set "
                f"training.batch={max(1, settings.batch // 2)} or training.patch={settings.patch // 2}; "
                f"the last good checkpoint is kept in {folder}."
            ) from error
        _save(run, learner)
        return _publish(run, learner)


def _seen(store: TargetStore, recipe: Recipe) -> TargetStore:
    """What a student sees of a store that several share: one that learns alone has the originals only."""
    alone = recipe.teacher is None and "target" not in losses.needed(recipe.losses)
    return replace(store, target=None) if alone else store


def _begin_or_resume(run: _Run, device: str, teacher_network: nn.Module | None) -> Learner:
    """The learner where the run was stopped, or a new one."""
    earlier = runs.load(run.folder, run.recipe, run.made_from)
    dtype = precision.precision_for(device, run.recipe.training, earlier)
    learner = begin(run.recipe, device, dtype, teacher_network)
    if run.perceptual:
        run.perceptual.compute_in(dtype).to(device)
    if earlier:
        keep.fetch_all(run.folder)  # only now it is known that what is kept there is this run's
        learner.take_up(earlier)
        log.info("resumed %s at step %d", run.folder, learner.step)
    return learner


def _objective(
    run: _Run, learner: Learner, way: str | None, batch: Callable[[], Batch], device: str
) -> steps.Objective:
    """From a batch to the terms of its loss, in the way that was asked for."""
    compute = steps.objective(learner.trained, learner.dtype, run.recipe.losses, run.perceptual)
    return steps.prepared(compute, way) if way else steps.fastest(compute, learner.trained, batch, device)


def _loop(
    run: _Run,
    learner: Learner,
    compute: steps.Objective,
    reader: Reader,
    on_progress: Callable[[dict], None] | None,
    watch: Callable[[int, float], bool] | None,
) -> None:
    """Learn from batch after batch, and validate and save as often as the recipe says."""
    settings, is_first = run.recipe.training, parallel.rank() == 0
    if is_first and learner.step == 0:  # the film's first picture: a student that knows nothing yet
        validate(learner.average, run.validation, run.folder, 0)
    began = saved = time.monotonic()
    recent: list[float] = []  # losses since the last validation
    with tqdm(
        total=settings.steps, initial=learner.step, desc=run.recipe.name, unit="step", disable=not is_first
    ) as progress:
        for _, batch in reader:
            terms, loss = _learn(run, learner, compute, batch)
            progress.update()
            recent.append(loss)
            step, stopped = learner.step, watch is not None and watch(learner.step, loss)
            if is_first and (step % settings.validate_every == 0 or step == settings.steps or stopped):
                row = _validated(run, learner, terms, recent)
                recent = []
                progress.set_postfix(loss=f"{row['loss']:.4f}", val_psnr=f"{row['val_psnr']:.2f}")
                if on_progress:
                    on_progress(row)
            if time.monotonic() - saved > settings.checkpoint_seconds:
                _save(run, learner)
                saved = time.monotonic()
            if stopped:
                break
    log.info("waited for data %.1f %% of the time", 100 * reader.waited / (time.monotonic() - began + 1e-9))


def _learn(
    run: _Run, learner: Learner, compute: steps.Objective, batch: Batch
) -> tuple[dict[str, Tensor], float]:
    """One step; returns the terms of its loss, and the loss (the mean over all processes)."""
    settings, step = run.recipe.training, learner.step
    for group in learner.optimizer.param_groups:
        group["lr"] = learning_rate(step, settings)
    learner.optimizer.zero_grad(set_to_none=True)
    terms = compute(*batch)
    loss = parallel.mean(terms["loss"])
    if not math.isfinite(loss):
        raise KdsharpError(
            f"The loss is not finite at step {step}: lower the learning rate ({settings.learning_rate:g}); "
            f"the last good checkpoint is kept in {run.folder}."
        )
    learner.scaler.scale(terms["loss"]).backward()
    learner.scaler.unscale_(learner.optimizer)
    if step % settings.validate_every == 0 and step and not next(learner.network.parameters()).grad.any():
        raise KdsharpError(
            f"The network has died by step {step}: no gradient reaches its first layer any more. Lower the "
            f"learning rate ({settings.learning_rate:g}), or choose another seed; {run.folder} is left as it is."
        )
    nn.utils.clip_grad_norm_(learner.trained.parameters(), settings.clip)
    learner.scaler.step(learner.optimizer)
    learner.scaler.update()
    _average(learner.average, learner.network, min(settings.ema, (step + 1) / (step + 10)))
    learner.step += 1
    return terms, loss


def _validated(run: _Run, learner: Learner, terms: dict[str, Tensor], recent: list[float]) -> dict:
    """The next row of the history: the last step's terms, the mean of the `recent` losses, and validation."""
    row = {"step": learner.step, "lr": learning_rate(learner.step - 1, run.recipe.training)}
    row |= {name: term.item() for name, term in terms.items()} | {"loss": float(np.mean(recent))}
    row["val_psnr"] = validate(learner.average, run.validation, run.folder, learner.step)
    learner.history.append(row)
    log.info("step %d: loss %.4f, validation %.2f dB", learner.step, row["loss"], row["val_psnr"])
    return row


def _save(run: _Run, learner: Learner) -> None:
    if parallel.rank() == 0:
        runs.save(run.folder, run.recipe, run.made_from, learner.state())


def _publish(run: _Run, learner: Learner) -> TrainingResult:
    """Write the student as it is used, with its last scores and where its teacher's weights came from."""
    path, history = run.folder / "student.safetensors", learner.history
    if parallel.rank() == 0:
        checkpoints.save(
            path, learner.average, run.recipe, **(history[-1] if history else {}), **run.recorded
        )
        keep.store(path)
    parallel.wait()
    return TrainingResult(learner.average.eval(), history, path)


def learning_rate(step: int, settings: Training) -> float:
    """Linear warm-up, then half a cosine down to 1 % of the peak (Loshchilov and Hutter 2017)."""
    warmup = max(1, round(settings.warmup * settings.steps))
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    share = (step - warmup) / max(1, settings.steps - warmup)
    return settings.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2)


@torch.no_grad()
def _average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Exponential moving average of the weights; the decay itself warms up over the first steps."""
    for slow, fast in zip(average.parameters(), network.parameters(), strict=True):
        slow.lerp_(fast, 1 - decay)


def _made_from(
    recipe: Recipe,
    store: TargetStore,
    validation: TargetStore,
    perceptual: Perceptual | None,
    teacher_network: nn.Module | None,
) -> runs.Origin:
    """What a run follows from besides its recipe; None for what has no part in it."""
    vgg = perceptual and perceptual.source
    return {
        "store": store.about["made_from"],
        "validation": validation.about["made_from"],
        "start": identity.of_network(load_network(recipe.start)[0]) if recipe.start else None,
        "teacher": teacher_network and identity.of_network(teacher_network),
        "VGG": files.sha256(vgg) if vgg and Path(vgg).is_file() else vgg,
    }
