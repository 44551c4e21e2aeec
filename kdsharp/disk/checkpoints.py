"""Published networks: one safetensors file each, with the recipe that made it, and a card to read.

PyTorch is imported by what needs it, `save` and `read`: the runtimes of exported students do without.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from kdsharp import recipes
from kdsharp.disk import files, foreign
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn

_RECIPE, _RESULTS = "kdsharp.recipe", "kdsharp.results"
FOREIGN = "{} is not a network of this course: train one, or fetch it again."


def save(path: Path, network: nn.Module, recipe: Recipe, **results: Any) -> Path:
    """Write `network` (as `recipe.student` builds it) with its recipe and results; whole or not at all."""
    from safetensors.torch import save as serialise

    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    metadata = {_RECIPE: json.dumps(recipes.to_dict(recipe)), _RESULTS: json.dumps(results)}
    with files.atomic_write(Path(path)) as handle:
        handle.write(serialise(tensors, metadata))
    return Path(path)


def read(path: Path) -> tuple[dict[str, Tensor], Recipe]:
    """The weights by name, and the recipe, of a file that `save` wrote; raises KdsharpError for any other."""
    recipe = recipe_of(path)
    try:
        with safe_open(path, "pt") as handle:
            return {key: handle.get_tensor(key) for key in handle.keys()}, recipe  # noqa: SIM118 (no mapping)
    except SafetensorError as error:
        raise KdsharpError(FOREIGN.format(path)) from error


def recipe_of(path: Path) -> Recipe:
    """The recipe that a network of ours was made by. Raises KdsharpError for a file that `save` did not write."""
    metadata = _metadata(path)
    try:
        return recipes.from_dict(json.loads(metadata[_RECIPE]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise KdsharpError(FOREIGN.format(path)) from error
    except KdsharpError as error:
        raise KdsharpError(f"{path} holds a recipe that cannot be used: {error}") from error


def digest(path: Path) -> str:
    """Twelve characters that differ between weights: an exported file says with them what it was made from."""
    return files.sha256(path)[:12]


def results(name_or_path: str | Path) -> dict[str, Any]:
    """What was recorded about a network when it was saved: steps, seed, validation PSNR."""
    return json.loads(_metadata(find(name_or_path)).get(_RESULTS, "{}"))


def find(name_or_path: str | Path) -> Path:
    """The file of a published name or the path itself; KdsharpError if there is neither."""
    path = Path(name_or_path)
    if path.is_file():
        return path
    ours = files.checkpoints_dir() / f"{name_or_path}.safetensors"
    if ours.is_file():
        return ours
    names = ", ".join(item.stem for item in published()) or "none yet"
    raise KdsharpError(f"There is no network '{name_or_path}': give a .safetensors file or a name ({names}).")


def published() -> list[Path]:
    """The files of all published networks, by name."""
    return sorted(files.checkpoints_dir().glob("*.safetensors"))


def students() -> list[str]:
    """Names of the published networks that sharpen or enlarge by themselves: those that only teach are left out."""
    return [path.stem for path in published() if recipe_of(path).student.family != "residual"]


def is_ours(path: Path) -> bool:
    """Whether a safetensors file was written by `save`."""
    return _RECIPE in _metadata(path)


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, "np") as handle:
            return handle.metadata() or {}
    except (SafetensorError, OSError) as error:
        reason = foreign.mistaken(path) or (
            "is cut off or damaged: fetch it again"
            if foreign.is_safetensors(path)
            else "is not a safetensors file: train a network, or fetch it again"
        )
        raise KdsharpError(f"{path} {reason}.") from error
