"""The target store: triples of (hr, input, target) crops, written once, reopened in a second.

The teacher is slow and the student is fast, so the teacher's answers are computed before training and kept as
`uint8` arrays on disk. The store is written photo by photo: a run that was stopped goes on with the next photo,
and ends with the same bytes as one that was not.
"""

import dataclasses
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from tqdm.auto import tqdm

from kdsharp import data, files, recipes
from kdsharp.degrade import degrade
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Recipe
from kdsharp.teacher import Teacher, target_for

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TargetStore:
    """Crops of an open store, as read-only `uint8` RGB arrays (count, height, width, 3).

    `input` is smaller than `hr` by the scale in an upscaling task. `target` is None in a store without teacher.
    """

    folder: Path
    hr: np.ndarray
    input: np.ndarray
    target: np.ndarray | None
    about: dict

    def __len__(self) -> int:
        return self.about["count"]


def build(
    folder: Path, photos: list[Path], recipe: Recipe, teacher: Teacher | None, device: str = "cpu"
) -> TargetStore:
    """Make the store, or go on with a half-made one, or reopen a finished one.

    Photos that cannot be read, or are smaller than a crop, are named in the log and skipped. Raises KdsharpError if
    `folder` holds a store of another recipe, teacher or set of photos (which is left as it is), or if no photo
    was usable.
    """
    folder = Path(folder)
    wanted = _identity(photos, recipe, teacher)
    about = _read_about(folder) or {"identity": wanted, "photos_done": 0, "count": 0, "skipped": {}}
    if about["identity"] != wanted:
        raise KdsharpError(
            f"{folder} holds targets of another recipe, teacher or set of photos: choose another folder or delete it."
        )
    if about["photos_done"] < len(photos):
        arrays = _arrays(folder, len(photos) * recipe.store.crops_per_photo, recipe, teacher is not None)
        progress = tqdm(photos, initial=about["photos_done"], desc="targets", unit="photo")
        for number, photo in list(enumerate(photos))[about["photos_done"] :]:
            _add_photo(number, photo, arrays, about, recipe, teacher, device)
            for array in arrays.values():
                array.flush()
            about["photos_done"] = number + 1
            files.write_json(folder / "store.json", about)
            progress.update()
        progress.close()
    if not about["count"]:
        raise KdsharpError(
            f"None of the {len(photos)} photos could be used: {'; '.join(about['skipped'].values())}"
        )
    return open_store(folder)


def build_validation(folder: Path, photos: list[Path], recipe: Recipe, device: str = "cpu") -> TargetStore:
    """A small store without teacher to validate on: 8 crops a photo, drawn with a seed that training does not use."""
    few = dataclasses.replace(recipe, store=dataclasses.replace(recipe.store, crops_per_photo=8, seed=1))
    return build(folder, photos, few, None, device)


def open_store(folder: Path) -> TargetStore:
    """Open a finished store without reading its crops. Raises KdsharpError if it is missing or half-made."""
    folder = Path(folder)
    about = _read_about(folder)
    if about is None:
        raise KdsharpError(
            f"There is no target store in {folder}: build one first (notebook 05, or `kdsharp targets`)."
        )
    if about["photos_done"] < len(about["identity"]["photos"]):
        raise KdsharpError(
            f"The target store in {folder} is half-made: build it again with the same recipe to finish."
        )
    opened = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r")[: about["count"]]
        for name in ("hr", "input", "target")
        if (folder / f"{name}.npy").exists()
    }
    return TargetStore(folder, opened["hr"], opened["input"], opened.get("target"), about)


def _add_photo(
    number: int,
    photo: Path,
    arrays: dict[str, np.ndarray],
    about: dict,
    recipe: Recipe,
    teacher: Teacher | None,
    device: str,
) -> None:
    """Append the crops of one photo; every random choice follows from (seed, number) alone."""
    size = recipe.store.crop
    try:
        image = data.read_image(photo)
        if min(image.shape[:2]) < size:
            raise KdsharpError(f"{photo.name} is smaller than a crop of {size} pixels.")
    except KdsharpError as error:
        log.warning("skipped: %s", error)
        about["skipped"][photo.name] = str(error)
        return
    generator = torch.Generator().manual_seed(recipe.store.seed * 1_000_003 + number)
    left = recipe.store.crops_per_photo
    while left:
        group = min(left, recipe.store.group)
        crops = [_random_crop(image, size, generator) for _ in range(group)]
        hr = torch.cat([data.to_tensor(crop) for crop in crops]).to(device)
        with torch.no_grad():
            degraded = degrade(hr, recipe.degradation, generator)
            batch = {"hr": hr, "input": degraded.input}
            if teacher is not None:
                batch["target"] = target_for(teacher, degraded.small, (size, size))
        start = about["count"]
        for name, tensor in batch.items():
            arrays[name][start : start + group] = _to_uint8(tensor)
        about["count"] += group
        left -= group


def _random_crop(image: np.ndarray, size: int, generator: torch.Generator) -> np.ndarray:
    top = int(torch.randint(image.shape[0] - size + 1, (1,), generator=generator))
    left = int(torch.randint(image.shape[1] - size + 1, (1,), generator=generator))
    return image[top : top + size, left : left + size]


def _to_uint8(tensor: torch.Tensor) -> np.ndarray:
    return (tensor.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def _arrays(folder: Path, capacity: int, recipe: Recipe, with_target: bool) -> dict[str, np.ndarray]:
    """The store's files at full capacity, opened for writing; made sparse the first time."""
    folder.mkdir(parents=True, exist_ok=True)
    size = recipe.store.crop
    sides = {"hr": size, "input": size // recipe.scale} | ({"target": size} if with_target else {})
    arrays = {}
    for name, side in sides.items():
        path = folder / f"{name}.npy"
        if path.exists():
            arrays[name] = open_memmap(path, mode="r+")
        else:
            arrays[name] = open_memmap(path, mode="w+", dtype=np.uint8, shape=(capacity, side, side, 3))
    return arrays


def _identity(photos: list[Path], recipe: Recipe, teacher: Teacher | None) -> dict:
    """What a store was made from; training's own settings do not matter to it."""
    described = recipes.to_dict(recipe)
    kept = ("task", "scale", "degradation", "degradation_kind", "store")
    identity = {key: described[key] for key in kept}
    identity["teacher"] = teacher.name if teacher else None
    identity["photos"] = [photo.name for photo in photos]
    return json.loads(json.dumps(identity))


def _read_about(folder: Path) -> dict | None:
    path = folder / "store.json"
    return files.read_json(path) if path.exists() else None
