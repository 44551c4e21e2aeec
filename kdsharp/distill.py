"""Training: one loop that can be read, stopped, and taken up again.

Every random choice of step `n` follows from (seed, n), and the learning rate from n alone, so a run that was
killed and resumed ends (on the CPU) with the same weights as one that was never stopped.
"""

import copy
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from kdsharp import checkpoints, data, files, recipes, student
from kdsharp.errors import KdsharpError
from kdsharp.losses import FeatureMatch, Perceptual, distillation_loss
from kdsharp.recipes import Recipe, Training
from kdsharp.student import apply_to_rgb, to_luma
from kdsharp.targets import TargetStore

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
    `vgg` is needed when the recipe has a perceptual term (see `losses.Perceptual`), and `guide`, the teacher's network
    itself, when it has a feature term (see `losses.FeatureMatch`). `on_progress` gets each row
    of the history; raising KeyboardInterrupt in it, or pressing stop, leaves a checkpoint to resume from.
    `watch` gets step and loss after every step; when it returns True, training ends early: the run can be resumed,
    and `student.safetensors` holds the student as it is by then.
    Raises KdsharpError if the loss stops being finite (the last good checkpoint is kept), if all the network's ReLUs
    have closed for good, or if `folder` holds a run of another recipe.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    settings = recipe.training
    torch.manual_seed(settings.seed)
    network = _begin(recipe).to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(network).requires_grad_(False)
    trained = nn.ModuleDict({"network": network})
    if recipe.losses.features:
        trained["match"] = FeatureMatch(network, guide).to(device)
    optimizer = torch.optim.AdamW(
        trained.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    wants_half = device.startswith("cuda") or settings.half_on_cpu
    perceptual = Perceptual(vgg, wants_half).to(device) if recipe.losses.perceptual and vgg else None
    step, history = _resume(folder, recipe, trained, average, optimizer)
    half = torch.autocast(device.split(":")[0], dtype=torch.bfloat16, enabled=wants_half)
    saved = time.monotonic()
    progress = tqdm(total=settings.steps, initial=step, desc=recipe.name, unit="step")
    running: list[float] = []
    try:
        while step < settings.steps:
            lr = learning_rate(step, settings)
            for group in optimizer.param_groups:
                group["lr"] = lr
            inputs, hr, target = draw_batch(store, recipe, step, device)
            with half:
                output = network(inputs)
            terms = distillation_loss(output.float(), hr, target, recipe.losses, perceptual)
            if recipe.losses.features:
                terms["features"] = recipe.losses.features * trained["match"](inputs)
                terms["loss"] = terms["loss"] + terms["features"]
            if not torch.isfinite(terms["loss"]):
                raise KdsharpError(
                    f"The loss is not finite at step {step}: lower the learning rate ({settings.learning_rate:g}); "
                    f"the last good checkpoint is kept in {folder}."
                )
            optimizer.zero_grad(set_to_none=True)
            terms["loss"].backward()
            if step % settings.validate_every == 0 and step and not next(network.parameters()).grad.any():
                raise KdsharpError(
                    f"The network has died by step {step}: no gradient reaches its first layer any more. Lower the "
                    f"learning rate ({settings.learning_rate:g}), or choose another seed; {folder} is left as it is."
                )
            nn.utils.clip_grad_norm_(trained.parameters(), settings.clip)
            optimizer.step()
            _average(average, network, min(settings.ema, (step + 1) / (step + 10)))
            step += 1
            progress.update()
            running.append(terms["loss"].item())
            stopped = watch is not None and watch(step, running[-1])
            if step % settings.validate_every == 0 or step == settings.steps or stopped:
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
                _save(folder, recipe, trained, average, optimizer, step, history)
                saved = time.monotonic()
            if stopped:
                break
    except KeyboardInterrupt:
        _save(folder, recipe, trained, average, optimizer, step, history)
        raise
    finally:
        progress.close()
    _save(folder, recipe, trained, average, optimizer, step, history)
    path = checkpoints.save(
        folder / "student.safetensors", average, recipe, **(history[-1] if history else {})
    )
    return TrainingResult(average.eval(), history, path)


def _begin(recipe: Recipe) -> nn.Module:
    """The network before the first step: fresh, or with the weights of the recipe's `start`."""
    network = student.build(recipe.student)
    if recipe.start:
        earlier, origin = checkpoints.load(recipe.start)
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


def draw_batch(
    store: TargetStore, recipe: Recipe, step: int, device: str
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The batch of one step: (input, hr, target), each (N, C, h, w) in [0, 1], one plane for a luma student.

    Crops, positions, flips and quarter turns are drawn from (seed, step), the same for all three pictures.
    """
    random = np.random.default_rng((recipe.training.seed, step))
    scale, patch = recipe.scale, min(recipe.training.patch, store.input.shape[1])
    triples: list[list[np.ndarray]] = []
    for index in random.integers(len(store), size=recipe.training.batch):
        top, left = random.integers(store.input.shape[1] - patch + 1, size=2)
        flip, turns = random.integers(2), random.integers(4)
        triple = []
        for array, factor in ((store.input, 1), (store.hr, scale), (store.target, scale)):
            if array is None:
                continue
            rows = slice(top * factor, (top + patch) * factor)
            columns = slice(left * factor, (left + patch) * factor)
            crop = np.rot90(array[index, rows, columns], turns)
            triple.append(crop[:, ::-1] if flip else crop)
        triples.append(triple)
    planes = [_planes(np.stack(images), recipe, device) for images in zip(*triples, strict=True)]
    return planes[0], planes[1], planes[2] if len(planes) > 2 else None


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
    data.write_image(folder / f"validation-{step:06d}.png", np.concatenate(rows))
    return float(np.mean(scores))


def _planes(images: np.ndarray, recipe: Recipe, device: str) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2).float() / 255
    tensor = to_luma(tensor) if recipe.student.options.get("colour") == "luma" else tensor
    return tensor.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def _average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Exponential moving average of the weights; the decay itself warms up over the first steps."""
    for slow, fast in zip(average.parameters(), network.parameters(), strict=True):
        slow.lerp_(fast, 1 - decay)


def _save(
    folder: Path,
    recipe: Recipe,
    trained: nn.ModuleDict,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    step: int,
    history: list[dict],
) -> None:
    state = {
        "recipe": recipes.to_dict(recipe),
        "step": step,
        **{name: module.state_dict() for name, module in trained.items()},
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "history": history,
    }
    with files.atomic_write(folder / "last.pt") as handle:
        torch.save(state, handle)
    files.write_json(folder / "history.json", history)


def _resume(
    folder: Path, recipe: Recipe, trained: nn.ModuleDict, average: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, list[dict]]:
    """Take up the run in `folder`, if there is one; returns the step to go on with and the history."""
    path = folder / "last.pt"
    if not path.exists():
        return 0, []
    state = torch.load(path, map_location="cpu", weights_only=True)
    if recipes.from_dict(state["recipe"]) != recipe:
        raise KdsharpError(f"{folder} holds a run of another recipe: choose another folder, or delete it.")
    for name, module in trained.items():
        module.load_state_dict(state[name])
    average.load_state_dict(state["average"])
    optimizer.load_state_dict(state["optimizer"])
    log.info("resumed %s at step %d", folder, state["step"])
    return state["step"], state["history"]
