"""A published network, or one that was trained here, out of its file."""

from pathlib import Path

import torch
from torch import nn

from kdsharp.disk import checkpoints
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Recipe
from kdsharp.student.registry import build


def load_network(name_or_path: str | Path) -> tuple[nn.Module, Recipe]:
    """A published network by name (`call-s`, `x4`, `teacher-x4`) or any of ours by path, in evaluation mode.

    Raises KdsharpError if there is none of that name, or if the file was not written by `checkpoints.save`.
    """
    path = checkpoints.find(name_or_path)
    state, recipe = checkpoints.read(path)
    try:
        with torch.device("meta"):  # shapes without memory: a strange file may claim any size
            shapes = {name: value.shape for name, value in build(recipe.student).state_dict().items()}
        if {name: value.shape for name, value in state.items()} != shapes:
            raise KdsharpError(checkpoints.FOREIGN.format(path))
        network = build(recipe.student)
        network.load_state_dict(state)
    except (KdsharpError, RuntimeError) as error:
        raise KdsharpError(checkpoints.FOREIGN.format(path)) from error
    return network.eval().requires_grad_(False), recipe
