"""The folder of a training run: a checkpoint to resume from, and the one before it should the last be damaged."""

import logging
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from kdsharp import files, keep, recipes
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Recipe

log = logging.getLogger(__name__)

LAST, BEFORE = "last.pt", "before.pt"


def save(folder: Path, recipe: Recipe, state: dict[str, Any]) -> None:
    """Write `last.pt` and `history.json`; what was `last.pt` becomes `before.pt`.

    Raises KdsharpError if the disk is full or read-only; the checkpoint that was there stays.
    """
    encoded = BytesIO()  # in memory first: torch turns a full disk into an error of its own
    torch.save(state | {"recipe": recipes.to_dict(recipe)}, encoded)
    last = Path(folder) / LAST
    with files.atomic_write(last) as handle:
        handle.write(encoded.getbuffer())
        handle.flush()
        if last.exists():
            os.replace(last, last.with_name(BEFORE))
    files.write_json(Path(folder) / "history.json", state["history"])
    keep.store(last)


def load(folder: Path, recipe: Recipe) -> dict[str, Any] | None:
    """The newest state in `folder` that can be read; None in a folder without a run.

    Raises KdsharpError if the run is of another recipe, or if every checkpoint is damaged.
    """
    keep.fetch(Path(folder) / LAST)
    found = [path for name in (LAST, BEFORE) if (path := Path(folder) / name).exists()]
    for path in found:
        state = _read(path)
        if state is None:
            log.warning("%s is damaged: the checkpoint before it is used", path)
        elif recipes.from_dict(state["recipe"]) != recipe:
            raise KdsharpError(
                f"{folder} holds a run of another recipe: choose another folder, or delete it."
            )
        else:
            return state
    if found:
        raise KdsharpError(
            f"The checkpoints in {folder} are damaged: delete the folder to train from the beginning."
        )
    return None


def _read(path: Path) -> dict[str, Any] | None:
    """A checkpoint's state; None for a file that is no checkpoint. No code in it is run."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # the restricted unpickler stumbles over strange bytes in a dozen ways
        return None
    needed = {"recipe", "step", "network", "average", "optimizer", "history"}
    return state if isinstance(state, dict) and needed <= state.keys() else None
