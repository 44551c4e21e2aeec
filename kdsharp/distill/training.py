"""Training: one loop that can be read, stopped, and taken up again.

Every random choice of step `n` follows from (seed, n), and the learning rate from n alone, so a run that was
killed and resumed ends (on the CPU) with the same weights as one that was never stopped.
"""

import contextlib
import copy
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from kdsharp import data, student
from kdsharp.disk import checkpoints, files, identity, keep, parallel
from kdsharp.distill import losses, precision, runs
from kdsharp.distill.batches import Reader, draw_batch
from kdsharp.distill.features import FeatureMatch
from kdsharp.distill.perceptual import Perceptual
from kdsharp.distill.targets import TargetStore
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Recipe, Training, check_training
from kdsharp.student import apply_to_rgb, load_network, to_luma
from kdsharp.teacher.tiling import is_out_of_memory

log = logging.getLogger(__name__)

VALIDATION_CROPS = 32


@dataclass(frozen=True)
class TrainingResult:
    """The trained network (its averaged weights), the history (one dict per validation) and the file."""

    network: nn.Module
    history: list[dict]
    checkpoint: Path


def train(
    recipe: Recipe,
    store: TargetStore,
    validation: TargetStore,
    folder: Path,
    device: str = "cpu",
    vgg: str | Path | None = None,
    on_progress: Callable[[dict], None] | None = None,
    watch: Callable[[int, float], bool] | None = None,
    guide: nn.Module | None = None,
) -> TrainingResult:
    """Train `recipe.student` on a target store, or go on with the run that `folder` holds.

    Writes `last.pt` (to resume), `validation-STEP.png`, `history.json` and at the end `student.safetensors`.
    `vgg` are the weights of a perceptual term (see `perceptual.Perceptual`; None: a file at hand, else torchvision's);
    `guide`, the teacher's network itself, is needed when the recipe has a feature term (see `features.FeatureMatch`).
    `on_progress` gets each row of the history; raising KeyboardInterrupt in it, or pressing stop, leaves a checkpoint
    to resume from.
    `watch` gets step and loss after every step; when it returns True, training ends early: the run can be resumed,
    and `student.safetensors` holds the student as it is by then.
    Under `accelerate launch` each process takes its share of every batch (DistributedDataParallel), and the first one
    writes. Raises KdsharpError if the loss stops being finite, memory runs out or the disk is full (the last good
    checkpoint is kept), if all the network's ReLUs have closed for good, if `folder` holds a run of another recipe or
    made from other photographs or networks, or if another run is writing to it.
    """
    folder, device = Path(folder), parallel.device(device)
    check_training(recipe)
    with files.only_one(folder) if parallel.rank() == 0 else contextlib.nullcontext():
        return _train(recipe, store, validation, folder, device, vgg, on_progress, watch, guide)


def _train(
    recipe: Recipe,
    store: TargetStore,
    validation: TargetStore,
    folder: Path,
    device: str,
    vgg: str | Path | None,
    on_progress: Callable[[dict], None] | None,
    watch: Callable[[int, float], bool] | None,
    guide: nn.Module | None,
) -> TrainingResult:
    """`train`, in a folder that is this run's own."""
    settings = recipe.training
    torch.manual_seed(settings.seed)
    needs = losses.needed(recipe.losses)
    network = _begin(recipe).to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(network).requires_grad_(False)
    match = FeatureMatch(network, guide).to(device) if "features" in needs else None
    trained = parallel.wrap(_Trained(network, match))
    optimizer = torch.optim.AdamW(
        trained.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    perceptual = Perceptual(vgg, depth=recipe.losses.vgg) if "vgg" in needs else None
    made_from = _made_from(recipe, store, validation, perceptual, guide)
    earlier = runs.load(folder, recipe, made_from)
    dtype = precision_for(device, settings, earlier)
    perceptual = perceptual and perceptual.compute_in(dtype).to(device)
    scaler = torch.amp.GradScaler(device.split(":")[0], enabled=dtype is torch.float16)
    parts = {"network": network, "average": average, "optimizer": optimizer}
    parts |= {"match": match} if match else {}
    parts |= {"scaler": scaler} if scaler.is_enabled() else {}
    step, history = _resume(folder, earlier, parts)
    half = torch.autocast(device.split(":")[0], dtype=dtype, enabled=dtype is not torch.float32)
    began = saved = time.monotonic()
    is_first = parallel.rank() == 0
    progress = tqdm(total=settings.steps, initial=step, desc=recipe.name, unit="step", disable=not is_first)
    running: list[float] = []
    reader = Reader(
        lambda step: draw_batch(store, settings, step, network.colour, device), step, settings.steps
    )

    def save() -> None:
        if is_first:
            state = {name: part.state_dict() for name, part in parts.items()}
            state |= {"step": step, "history": history, "bfloat16": dtype is torch.bfloat16}
            runs.save(folder, recipe, made_from, state)

    try:
        for step, (inputs, hr, target) in reader:
            lr = learning_rate(step, settings)
            for group in optimizer.param_groups:
                group["lr"] = lr
            with half:
                output, unlike = trained(inputs)
            terms = losses.distillation_loss(output.float(), hr, target, recipe.losses, perceptual, unlike)
            loss = parallel.mean(terms["loss"])
            if not math.isfinite(loss):
                raise KdsharpError(
                    f"The loss is not finite at step {step}: lower the learning rate ({settings.learning_rate:g}); "
                    f"the last good checkpoint is kept in {folder}."
                )
            optimizer.zero_grad(set_to_none=True)
            scaler.scale(terms["loss"]).backward()
            scaler.unscale_(optimizer)
            if step % settings.validate_every == 0 and step and not next(network.parameters()).grad.any():
                raise KdsharpError(
                    f"The network has died by step {step}: no gradient reaches its first layer any more. Lower the "
                    f"learning rate ({settings.learning_rate:g}), or choose another seed; {folder} is left as it is."
                )
            nn.utils.clip_grad_norm_(trained.parameters(), settings.clip)
            scaler.step(optimizer)
            scaler.update()
            _average(average, network, min(settings.ema, (step + 1) / (step + 10)))
            step += 1
            progress.update()
            running.append(loss)
            stopped = watch is not None and watch(step, loss)
            if is_first and (step % settings.validate_every == 0 or step == settings.steps or stopped):
                row = {"step": step, "lr": lr} | {name: term.item() for name, term in terms.items()}
                row |= {
                    "loss": float(np.mean(running)),
                    "val_psnr": validate(average, validation, folder, step),
                }
                running = []
                history.append(row)
                progress.set_postfix(loss=f"{row['loss']:.4f}", val_psnr=f"{row['val_psnr']:.2f}")
                log.info("step %d: loss %.4f, validation %.2f dB", step, row["loss"], row["val_psnr"])
                if on_progress:
                    on_progress(row)
            if time.monotonic() - saved > settings.checkpoint_seconds:
                save()
                saved = time.monotonic()
            if stopped:
                break
    except KeyboardInterrupt:
        save()
        raise
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise KdsharpError(
            f"Out of memory with batches of {settings.batch} patches of {settings.patch} pixels: set "
            f"training.batch={max(1, settings.batch // 2)} or training.patch={settings.patch // 2}; "
            f"the last good checkpoint is kept in {folder}."
        ) from error
    finally:
        progress.close()
    log.info("waited for data %.1f %% of the time", 100 * reader.waited / (time.monotonic() - began + 1e-9))
    save()
    path = folder / "student.safetensors"
    if is_first:
        checkpoints.save(path, average, recipe, **(history[-1] if history else {}))
        keep.store(path)
    parallel.wait()
    return TrainingResult(average.eval(), history, path)


class _Trained(nn.Module):
    """All that is trained, as one module: the student, and the adapter of its feature term where there is one."""

    def __init__(self, network: nn.Module, match: FeatureMatch | None) -> None:
        super().__init__()
        self.network, self.match = network, match

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """The student's output, and how unlike its features are to the teacher's."""
        output = self.network(inputs)
        if self.match is None:
            return output, None
        with torch.autocast(inputs.device.type, enabled=False):
            return output, self.match(inputs)


def _begin(recipe: Recipe) -> nn.Module:
    """The network before the first step: fresh, or with the weights of the recipe's `start`."""
    network = student.build(recipe.student)
    if recipe.start:
        earlier, origin = load_network(recipe.start)
        if origin.student != recipe.student:
            raise KdsharpError(f"'{recipe.start}' is a network of another shape than this recipe's student.")
        network.load_state_dict(earlier.state_dict())
    return network


def learning_rate(step: int, settings: Training) -> float:
    """Linear warm-up, then half a cosine down to 1 % of the peak (Loshchilov and Hutter 2017)."""
    warmup = max(1, round(settings.warmup * settings.steps))
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    share = (step - warmup) / max(1, settings.steps - warmup)
    return settings.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2)


def precision_for(device: str, settings: Training, earlier: dict[str, Any] | None = None) -> torch.dtype:
    """What the network computes in (its weights stay in single precision).

    On a GPU bfloat16, or float16, with its loss scaled, on those before Ampere such as a T4; on a processor bfloat16 if
    the recipe allows it and it is faster there. A run that is resumed (`earlier` is its state) keeps to its own.
    """
    if device.startswith("cuda"):
        return torch.float16 if torch.cuda.get_device_capability(device) < (8, 0) else torch.bfloat16
    if not settings.half_on_cpu:
        return torch.float32
    halves = precision.bfloat16_pays() if earlier is None else earlier.get("bfloat16", True)
    return torch.bfloat16 if halves else torch.float32


@torch.no_grad()
def validate(network: nn.Module, validation: TargetStore, folder: Path, step: int) -> float:
    """Mean PSNR in dB (peak 1, on the student's own planes) to HR over fixed crops; writes a picture of four.

    A crop that is right to within 50 dB counts as 50, or clean ones would drown the others.
    """
    device = next(network.parameters()).device
    scores, rows = [], []
    for index in np.linspace(0, len(validation) - 1, min(VALIDATION_CROPS, len(validation))).astype(int):
        inputs = data.to_tensor(np.asarray(validation.input[index])).to(device)
        hr = data.to_tensor(np.asarray(validation.hr[index])).to(device)
        result = apply_to_rgb(network, inputs)
        planes = (to_luma(result), to_luma(hr)) if network.colour == "luma" else (result, hr)
        scores.append(-10 * math.log10(max(nn.functional.mse_loss(*planes).item(), 1e-5)))
        if len(rows) < 4:
            size = hr.shape[-2:]
            shown = (nn.functional.interpolate(inputs, size=size, mode="nearest"), result, hr)
            rows.append(np.concatenate([data.to_image(picture) for picture in shown], axis=1))
    keep.store(data.write_image(folder / f"validation-{step:06d}.png", np.concatenate(rows)))
    return float(np.mean(scores))


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
    guide: nn.Module | None,
) -> runs.Origin:
    """What a run follows from besides its recipe; None for what has no part in it."""
    vgg = perceptual and perceptual.source
    return {
        "store": store.about["made_from"],
        "validation": validation.about["made_from"],
        "start": identity.of_network(load_network(recipe.start)[0]) if recipe.start else None,
        "teacher": identity.of_network(guide)
        if guide and "features" in losses.needed(recipe.losses)
        else None,
        "VGG": files.sha256(vgg) if vgg and Path(vgg).is_file() else vgg,
    }


def _resume(folder: Path, state: dict[str, Any] | None, parts: dict[str, Any]) -> tuple[int, list[dict]]:
    """Take up the run in `folder` from its state, if there is one; returns the step to go on with and the history."""
    if state is None:
        return 0, []
    keep.fetch_all(folder)  # only now it is known that what is kept there is this run's
    for name, part in parts.items():
        if name in state:  # a run begun on another device has no scaler
            part.load_state_dict(state[name])
    log.info("resumed %s at step %d", folder, state["step"])
    return state["step"], state["history"]
