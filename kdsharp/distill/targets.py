"""The target store: triples of (hr, input, target) crops, written once, reopened in seconds.

The teacher is slow and the student is fast, so the teacher's answers are computed before training and kept as `uint8`
on disk. A store is a folder of shards: `003-hr.u8`, `003-input.u8` and `003-target.u8` hold the crops of 32 photos,
`003.json` their number and checksums, `store.json` what all were made from: settings, the teacher's weights and the
photos' content. Every crop follows from that and the number of its photo alone: a store that was stopped and taken up
again, or made by several processes, ends with the same bytes as any other.
"""

import contextlib
import dataclasses
import itertools
import json
import logging
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm.auto import tqdm

from kdsharp import data, recipes
from kdsharp.degradation import Degraded, degrade
from kdsharp.disk import files, identity, parallel
from kdsharp.distill import shards
from kdsharp.distill.shards import Crops
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Degradation, Pairs, Store
from kdsharp.teacher import Teacher, target_for

log = logging.getLogger(__name__)

PHOTOS_PER_SHARD = 32
FORMAT = 2  # of `store.json` and of what follows from the same recipe
AHEAD = 2  # a decoded photo of 100 megapixels is 300 MB


@dataclass(frozen=True)
class TargetStore:
    """Crops of an open store, read-only `uint8` RGB, each like an array (count, height, width, 3).

    `input` is smaller than `hr` by the scale in an upscaling task. `target` is None in a store without teacher.
    `about` tells what the store was made from (see `describe`), the count of crops and, by name, the photos that were
    skipped; `teacher_source`, where the teacher's weights came from, if whoever made the store knew it.
    """

    folder: Path
    hr: Crops
    input: Crops
    target: Crops | None
    about: dict

    def __len__(self) -> int:
        return self.about["count"]

    @property
    def scale(self) -> float:
        """How many times larger `hr` is than `input`."""
        return self.about["made_from"]["scale"]


def build(
    folder: Path,
    photos: list[Path],
    degradation: Degradation,
    store: Store,
    teacher: Teacher | None,
    device: str = "cpu",
) -> TargetStore:
    """Make the store, or go on with a half-made one, or check and reopen a finished one.

    `store` holds its settings: how many crops, how large.

    Under `accelerate launch` each process makes every n-th shard. Photos that cannot be read, or are smaller than a
    crop, are named in the log and skipped. A shard whose checksums do not fit is named and made anew.
    Raises KdsharpError if `folder` holds a store of other settings, teacher or set of photos (which is left as it is),
    if another run is writing it, if the disk is full, or if no photo was usable.
    """
    folder, wanted = Path(folder), describe(photos, degradation, store, teacher)
    made_from, sizes = identity.digest(wanted), _sizes(store.crop, wanted["scale"], teacher is not None)
    mine = range(parallel.rank(), -(-len(photos) // PHOTOS_PER_SHARD), parallel.world())
    with (
        files.only_one(folder) if parallel.rank() == 0 else contextlib.nullcontext(),
        tqdm(total=len(photos), desc="targets", unit="photo", disable=parallel.rank() > 0) as progress,
    ):
        _claim(folder, wanted, {"teacher_source": teacher.source} if teacher and teacher.source else {})
        for number in mine:
            start = number * PHOTOS_PER_SHARD
            some = photos[start : start + PHOTOS_PER_SHARD]
            with shards.writer(folder, number, made_from, sizes, len(some)) as shard:
                progress.update(shard.photos_done * parallel.world())
                start, todo = start + shard.photos_done, some[shard.photos_done :]
                pictures = _read_ahead(todo, degradation, store.crop)
                for index, (photo, picture) in enumerate(zip(todo, pictures, strict=True), start):
                    if isinstance(picture, KdsharpError):
                        log.warning("skipped: %s", picture)
                        shard.skip(photo.name, str(picture))
                    else:
                        shard.add(crops_of(index, picture, degradation, store, teacher, device))
                    progress.update(parallel.world())
    parallel.wait()
    return open_store(folder)


def build_validation(
    folder: Path, photos: list[Path], degradation: Degradation, store: Store, device: str = "cpu"
) -> TargetStore:
    """A small store without teacher to validate on: 8 crops a photo, drawn with a seed that training does not use."""
    few = dataclasses.replace(store, crops_per_photo=8, seed=1)
    return build(folder, photos, degradation, few, None, device)


def describe(photos: list[Path], degradation: Degradation, store: Store, teacher: Teacher | None) -> dict:
    """All that a store follows from, ready for JSON: photos and networks are named by digests of their content.

    The names of photos and teacher do not matter. Stores are known by this: it must not change.
    """
    scale = recipes.scale_of(degradation)
    paired = isinstance(degradation, Pairs)
    read = [file for photo in photos for file in ((photo, data.partner(photo)) if paired else (photo,))]
    made_from = {
        "format": FORMAT,
        "task": "upscale" if scale > 1 else "sharpen",
        "scale": scale,
        "degradation": recipes.written(degradation),
        "degradation_kind": recipes.kind_of(degradation),
        "store": recipes.written(store),
        "teacher": teacher.identity if teacher else None,
        "photographs": {"count": len(photos), "sha256": identity.digest(identity.of_files(read))},
    }
    return json.loads(json.dumps(made_from))


def open_store(folder: Path) -> TargetStore:
    """Open a finished store without reading its crops.

    Raises KdsharpError if it is missing, half-made or truncated, or if none of its photos was usable.
    """
    folder = Path(folder)
    made_from = _description_of(folder)
    if made_from is None:
        raise KdsharpError(
            f"There is no target store in {folder}: build one first (notebook 05, or `kdsharp targets`)."
        )
    photos, digest = made_from["photographs"]["count"], identity.digest(made_from)
    opened = [shards.read(folder, number, digest) for number in range(-(-photos // PHOTOS_PER_SHARD))]
    about = {
        "made_from": made_from,
        "count": sum(shard.count for shard in opened),
        "skipped": {name: why for shard in opened for name, why in shard.skipped.items()},
    }
    if source := files.read_json(folder / "store.json").get("teacher_source"):
        about["teacher_source"] = source
    if not about["count"]:
        raise KdsharpError(
            f"None of the {photos} photos could be used: {'; '.join(about['skipped'].values())}"
        )
    crops = {name: Crops([shard.files[name] for shard in opened if shard.count]) for name in opened[0].files}
    return TargetStore(folder, crops["hr"], crops["input"], crops.get("target"), about)


def crops_of(
    number: int,
    image: np.ndarray,
    degradation: Degradation,
    store: Store,
    teacher: Teacher | None,
    device: str = "cpu",
) -> dict[str, np.ndarray]:
    """The crops of photo `number` by name (`hr`, `input`, `target`), each `uint8` RGB (count, side, side, 3).

    `image` is what `data.read_for` gives of it. Every random choice follows from (store.seed, number) alone.
    """
    found: dict[str, list[np.ndarray]] = {}
    with torch.no_grad():
        for hr, degraded in _groups(number, image, degradation, store, device):
            batch = {"hr": hr[:, :3], "input": degraded.input}
            if teacher is not None:
                size = (store.crop, store.crop)
                batch["target"] = target_for(teacher, degraded.small, size, degraded.receiver)
            for name, tensor in batch.items():
                found.setdefault(name, []).append(_to_uint8(tensor))
    return {name: np.concatenate(groups) for name, groups in found.items()}


@torch.no_grad()
def answer_to(
    index: int, made: TargetStore, photos: list[Path], degradation: Degradation, teacher: Teacher, device: str
) -> np.ndarray:
    """What a teacher answers to one crop of a store that was `made` without it, `uint8` RGB.

    The other arguments are those that the store was made with: its crop is made once more, since the frame that a
    teacher gets is not kept. Raises KdsharpError if they give another crop.
    """
    settings = made.about["made_from"]["store"]
    store = Store(**settings | {"reductions": tuple(settings["reductions"])})
    used = [(number, photo) for number, photo in enumerate(photos) if photo.name not in made.about["skipped"]]
    number, photo = used[index // store.crops_per_photo]
    group, place = divmod(index % store.crops_per_photo, store.group)
    groups = _groups(number, data.read_for(photo, degradation), degradation, store, device)
    hr, degraded = next(itertools.islice(groups, group, None))
    if not np.array_equal(_to_uint8(hr[place : place + 1, :3])[0], made.hr[index]):
        raise KdsharpError(
            f"{made.folder} was made from other photographs: give those that it was made from."
        )
    small = degraded.small[place : place + 1]
    target = target_for(teacher, small, (store.crop, store.crop), degraded.receiver)
    return _to_uint8(target)[0]


def _groups(
    number: int, image: np.ndarray, degradation: Degradation, store: Store, device: str
) -> Iterator[tuple[torch.Tensor, Degraded]]:
    """The originals of each group of crops of photo `number`, a batch, and what becomes of them."""
    generator = torch.Generator().manual_seed(store.seed * 1_000_003 + number)
    for first in range(0, store.crops_per_photo, store.group):
        group = min(store.group, store.crops_per_photo - first)
        reduced = _reduce(image, store, generator)
        crops = [_random_crop(reduced, store.crop, generator) for _ in range(group)]
        hr = torch.cat([data.to_tensor(crop) for crop in crops]).to(device)
        yield hr, degrade(hr, degradation, generator)


def _read_ahead(
    photos: list[Path], degradation: Degradation, crop: int
) -> Iterator[np.ndarray | KdsharpError]:
    """The pictures in order, two of them being decoded while one is worked on; what cannot be used is an error."""
    with ThreadPoolExecutor(1) as pool:
        coming: deque[Future] = deque()
        for photo in photos:
            coming.append(pool.submit(_usable, photo, degradation, crop))
            if len(coming) > AHEAD:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def _usable(photo: Path, degradation: Degradation, crop: int) -> np.ndarray | KdsharpError:
    try:
        image = data.read_for(photo, degradation)
    except KdsharpError as error:
        return error
    if min(image.shape[:2]) < crop:
        return KdsharpError(f"{photo.name} is smaller than a crop of {crop} pixels.")
    return image


def _reduce(image: np.ndarray, store: Store, generator: torch.Generator) -> np.ndarray:
    """The photo shrunk by one of the store's factors, but never below the size of a crop."""
    if store.reductions == (1.0,):
        return image
    factor = store.reductions[int(torch.randint(len(store.reductions), (1,), generator=generator))]
    height, width = (max(store.crop, round(side / factor)) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _random_crop(image: np.ndarray, size: int, generator: torch.Generator) -> np.ndarray:
    top = int(torch.randint(image.shape[0] - size + 1, (1,), generator=generator))
    left = int(torch.randint(image.shape[1] - size + 1, (1,), generator=generator))
    return image[top : top + size, left : left + size]


def _to_uint8(tensor: torch.Tensor) -> np.ndarray:
    return (tensor.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def _sizes(crop: int, scale: float, with_target: bool) -> dict[str, int]:
    """The sides of a store's crops in pixels, by name."""
    return {"hr": crop, "input": recipes.shrunk(crop, scale)} | ({"target": crop} if with_target else {})


def _claim(folder: Path, wanted: dict, told: dict) -> None:
    """Write what the store is made from, and what else is `told` of it; or see that it is made from the same."""
    found = _description_of(folder)
    if found is None:
        files.write_json(folder / "store.json", {"made_from": wanted} | told)
    elif found != wanted:
        others = " and ".join(identity.differences(found, wanted))
        raise KdsharpError(f"{folder} holds targets of another {others}: choose another folder or delete it.")


def _description_of(folder: Path) -> dict | None:
    """What the store in `folder` was made from; None where there is none."""
    path = folder / "store.json"
    if not path.exists():
        return None
    found = files.read_json(path)
    found = found.get("made_from") if isinstance(found, dict) else None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise KdsharpError(
            f"{folder} holds targets of another version of kdsharp: choose another folder or delete it."
        )
    return found
