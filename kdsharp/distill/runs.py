"""The folder of a training run: a checkpoint to resume from, and the one before it should the last be damaged.

A checkpoint tells what the run was made from: besides the recipe the stores it learns from and is validated on (that
is, their photographs and teacher), the weights it started with, and the networks that its losses look into.
"""

import dataclasses
import logging
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from kdsharp import recipes
from kdsharp.disk import files, identity, keep
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Recipe

log = logging.getLogger(__name__)

Origin = dict[str, dict | str | None]
LAST, BEFORE = "last.pt", "before.pt"


def save(folder: Path, recipe: Recipe, made_from: Origin, state: dict[str, Any]) -> None:
    """Write `last.pt` and `history.json`; what was `last.pt` becomes `before.pt`.

    `made_from` describes by name what the run was made from besides the recipe, in values that JSON can hold.
    Raises KdsharpError if the disk is full or read-only; the checkpoint that was there stays.
    """
    encoded = BytesIO()  # in memory first: torch turns a full disk into an error of its own
    torch.save(state | {"recipe": recipes.to_dict(recipe), "made_from": made_from}, encoded)
    last = Path(folder) / LAST
    with files.atomic_write(last) as handle:
        handle.write(encoded.getbuffer())
        handle.flush()
        if last.exists():
            os.replace(last, last.with_name(BEFORE))
    files.write_json(Path(folder) / "history.json", state["history"])
    keep.store(last)


def load(folder: Path, recipe: Recipe, made_from: Origin) -> dict[str, Any] | None:
    """The newest state in `folder` that can be read; None in a folder without a run.

    Raises KdsharpError if the run is of another recipe or was made from something else, or if every checkpoint is
    damaged.
    """
    place = keep.place_of(Path(folder) / LAST)
    # What is kept is looked at before it comes here, and before this run would be kept in its place.
    if place and (kept := _read(place)):
        _check(kept, recipe, made_from, f"{place.parent}, where {folder} is kept,")
    keep.fetch(Path(folder) / LAST)
    found = [path for name in (LAST, BEFORE) if (path := Path(folder) / name).exists()]
    for path in found:
        state = _read(path)
        if state is None:
            log.warning("%s is damaged: the checkpoint before it is used", path)
        else:
            _check(state, recipe, made_from, str(folder))
            return state
    if found:
        raise KdsharpError(
            f"The checkpoints in {folder} are damaged: delete the folder to train from the beginning."
        )
    return None


def _check(state: dict[str, Any], recipe: Recipe, made_from: Origin, where: str) -> None:
    """See that a checkpoint is of this very run. Teacher and start may have other names: their content counts."""
    found = state.get("made_from")
    if not isinstance(found, dict):
        raise KdsharpError(
            f"{where} holds a run of another version of kdsharp: choose another folder, or delete it."
        )
    differ = set()
    try:
        same = _nameless(recipes.from_dict(state["recipe"])) == _nameless(recipe)
    except (KdsharpError, KeyError, TypeError, ValueError, AttributeError):  # of settings that are none today
        same = False
    if not same:
        differ.add("recipe")
    for name, wanted in made_from.items():
        if found.get(name) == wanted:
            continue
        stores = isinstance(wanted, dict) and isinstance(found.get(name), dict)
        differ |= set(identity.differences(found[name], wanted)) if stores else {name}
    if differ:
        raise KdsharpError(
            f"{where} holds a run of another {' and '.join(sorted(differ))}: choose another folder, or delete it."
        )


def _nameless(recipe: Recipe) -> Recipe:
    return dataclasses.replace(recipe, teacher=None, start=None)


def _read(path: Path) -> dict[str, Any] | None:
    """A checkpoint's state; None for a file that is no checkpoint. No code in it is run."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # the restricted unpickler stumbles over strange bytes in a dozen ways
        return None
    needed = {"recipe", "step", "network", "average", "optimizer", "history"}
    return state if isinstance(state, dict) and needed <= state.keys() else None
