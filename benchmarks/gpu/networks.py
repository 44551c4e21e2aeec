"""One network of the zoo, trained in the seconds that it has, in a process of its own.

Its cosine has to know the number of steps before the first one: a short trial on the same store measures how many fit.
The number is written down before training begins, so that a run that was stopped is taken up with the same.
"""

import dataclasses
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.gpu.places import Places, add, known
from kdsharp import data, recipes
from kdsharp.disk import checkpoints, files, identity
from kdsharp.distill import losses, targets, training
from kdsharp.distill.pipeline import Photos
from kdsharp.distill.targets import TargetStore
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Recipe
from kdsharp.teacher import Teacher, load_teacher

log = logging.getLogger(__name__)

WARMUP = 12  # steps of a trial that do not count: the first ones compile, and measure how to compute a step
TRIAL = 0.04, 8.0  # of its seconds, but no more than so many
SPARE = 0.95  # of the seconds that are left: validations, and the last file
ENDLESS = 2**31 - 1
VALIDATIONS = 20  # and so many steps at least
CHECKPOINT = 5.0  # seconds from one to the next


def photos_of(places: Places) -> Photos:
    """The photographs of the pack."""
    folder = places.data / "photos"
    return Photos(data.list_photos(folder / "train"), data.list_photos(folder / "val"))


def train(name: str, places: Places, seconds: float, device: str, deadline: float = float("inf")) -> bool:
    """Train a network, or go on with it, and write it into `places.out`; returns whether it is finished.

    Args:
        seconds: what its training may take, stores and trial included. Counts for the number of steps, which is fixed
            when it is begun.
        deadline: when (`time.time`) it is stopped, wherever it is, to be taken up later.

    Raises KdsharpError as the steps do, and if what it learns from or begins with is not there.
    """
    began, recipe = time.monotonic(), recipes.preset(name)
    trained = with_own_start(recipe, places)
    teacher = teacher_of(recipe, places, device)
    store, validation = stores_of(recipe, places, teacher, device)
    inside = teacher.network if teacher and "features" in losses.needed(recipe.losses) else None
    record = places.unfinished(name).with_suffix(".json")
    steps = known(record).get("steps")
    if steps is None:
        rate = step_rate(
            trained, store, validation, places, min(TRIAL[0] * seconds, TRIAL[1]), device, inside
        )
        steps = max(VALIDATIONS, round(rate * SPARE * (seconds - (time.monotonic() - began))))
        add(record, steps=steps, steps_per_second=round(rate, 2), device=device)
    log.info("%s: %d steps", name, steps)
    folder = places.work / "runs" / name
    _bring_back(places.unfinished(name), folder / "last.pt")
    made = training.train(
        with_steps(trained, steps),
        store,
        validation,
        folder,
        device,
        on_progress=lambda row: _carry(folder, places.unfinished(name)),
        watch=lambda step, loss: time.time() > deadline,
        teacher_network=inside,
    )
    _carry(folder, places.unfinished(name))
    add(record, seconds=round(time.monotonic() - began + known(record).get("seconds", 0.0), 1))
    if made.history[-1]["step"] < steps:
        return False
    finished = with_steps(recipe, steps)  # which names what it began with, and not where that lay
    checkpoints.save(places.network(name), made.network, finished, **checkpoints.results(made.checkpoint))
    files.write_json(places.network(name).with_suffix(".json"), known(record) | {"history": made.history})
    for path in (places.unfinished(name), record):
        path.unlink(missing_ok=True)
    return True


def step_rate(
    recipe: Recipe,
    store: TargetStore,
    validation: TargetStore,
    places: Places,
    seconds: float,
    device: str,
    teacher_network: Any = None,
    way: str | None = None,
) -> float:
    """Steps a second of a recipe's training as it is, measured over `seconds` after the first `WARMUP` steps."""
    times: list[float] = []

    def watch(step: int, loss: float) -> bool:
        if step >= WARMUP:
            times.append(time.monotonic())
        return len(times) > 1 and times[-1] - times[0] > seconds

    folder = places.work / "trials" / f"{recipe.name}-{time.time_ns()}"
    endless = with_steps(recipe, ENDLESS)
    try:
        training.train(
            endless, store, validation, folder, device, watch=watch, teacher_network=teacher_network, way=way
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if len(times) < 2:
        raise KdsharpError(f"{recipe.name}: the trial ended before it could be timed.")
    return (len(times) - 1) / (times[-1] - times[0])


def with_steps(recipe: Recipe, steps: int) -> Recipe:
    """The recipe at another length, with a checkpoint every few seconds."""
    every = max(1, steps // VALIDATIONS)
    settings = dataclasses.replace(
        recipe.training, steps=steps, validate_every=every, checkpoint_seconds=CHECKPOINT
    )
    return dataclasses.replace(recipe, training=settings)


def stores_of(
    recipe: Recipe, places: Places, teacher: Teacher | None, device: str
) -> tuple[TargetStore, TargetStore]:
    """The recipe's target store and the one it is validated on, built on the device; networks share them."""
    photos, settings = photos_of(places), (recipe.degradation, recipe.store)

    def made(kind: str, described: dict, build: Callable[[Path], TargetStore]) -> TargetStore:
        name = f"{kind}-{identity.digest(described)[:12]}"
        with files.only_one(places.work / "stores", name, wait=True):  # its companion may be making it
            return build(places.work / "stores" / name)

    store = made(
        "targets",
        targets.describe(photos.train, *settings, teacher),
        lambda folder: targets.build(folder, photos.train, *settings, teacher, device),
    )
    validation = made(
        "validation",
        targets.describe(photos.validation, *settings, None),
        lambda folder: targets.build_validation(folder, photos.validation, *settings, device),
    )
    return store, validation


def teacher_of(recipe: Recipe, places: Places, device: str) -> Teacher | None:
    """The recipe's teacher if its losses listen to one: one of the half-hour's own, or of the pack."""
    if recipe.teacher is None or not losses.needed(recipe.losses) & {"target", "vgg", "features"}:
        return None
    return load_teacher(_own(recipe.teacher, places), device)


def with_own_start(recipe: Recipe, places: Places) -> Recipe:
    """The recipe beginning with this half-hour's network, where it begins with one."""
    if recipe.start == recipe.name:  # from the published one of before
        return recipe
    return dataclasses.replace(recipe, start=_own(recipe.start, places))


def _own(name: str | None, places: Places) -> str | None:
    """The file of a network that is trained in this half-hour, by its name; other names stay what they are."""
    if name is None or recipes.published_for(name) != name:
        return name
    if not places.network(name).is_file():
        raise KdsharpError(f"'{name}' has to be trained first: it is not in {places.network(name).parent}.")
    return str(places.network(name))


def _carry(folder: Path, place: Path) -> None:
    """Put a run's checkpoint where it is carried home from."""
    if (folder / "last.pt").is_file():
        with files.atomic_write(place) as handle:
            handle.write((folder / "last.pt").read_bytes())


def _bring_back(place: Path, last: Path) -> None:
    """On a new machine, take a run's checkpoint from where it was carried."""
    if place.is_file() and not last.exists():
        last.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(place, last)
