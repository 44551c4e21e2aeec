"""A pack: photographs, benchmarks and the weights that teach, in one zip file that is small enough to travel.

Inside lie `photos/train`, `photos/val`, `benchmarks/NAME` and `weights`, and `manifest.json` with each file's size and
SHA-256. The same photographs give the same bytes, as long as Pillow's JPEG encoder is the same.
"""

import hashlib
import json
import zipfile
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from kdsharp import data, recipes
from kdsharp.disk import files
from kdsharp.distill import losses
from kdsharp.distill.perceptual import vgg_at_hand
from kdsharp.errors import KdsharpError
from kdsharp.teacher import OFFICIAL, official

SIDES = (2048, 1792, 1536, 1280, 1152, 1024, 896, 768, 640, 512, 448, 384)  # the longer one, in pixels
SMALLEST = 192  # the shorter one: a crop of the stores
QUALITY = 95  # with whole chroma (4:4:4)
MANIFEST = "manifest.json"
_BEFORE_ALL_TIME = (1980, 1, 1, 0, 0, 0)  # so that the file does not say when it was made


def pack(
    photos: Path,
    out: Path,
    names: list[str],
    megabytes: float = 50.0,
    validation: Path | None = None,
    benchmarks: Path | None = None,
    held_out: int = 8,
) -> dict:
    """Write the pack `out` of the photographs in a folder; returns its manifest.

    Args:
        names: the recipes that will be trained: the weights that teach them come along, fetched where need be.
        megabytes: what the file may weigh: all photographs are shrunk to the largest of `SIDES` that fits.
        validation: a folder of others to validate on; None holds out `held_out` of the photographs.
        benchmarks: a folder of folders of pictures, which come along as they are.

    Raises KdsharpError if a folder holds no picture, a teacher cannot be had, or nothing fits.
    """
    train = data.list_photos(photos, SMALLEST)
    train, val = (
        (train, data.list_photos(validation, SMALLEST)) if validation else data.holdout(train, held_out)
    )
    fixed = {f"weights/{path.name}": path.read_bytes() for path in weights_for(names)}
    for folder in sorted(path for path in benchmarks.iterdir() if path.is_dir()) if benchmarks else []:
        for path in data.list_photos(folder, min_size=8):
            fixed[f"benchmarks/{folder.name}/{path.name}"] = path.read_bytes()
    room = megabytes * 1e6 - sum(map(len, fixed.values())) - 200 * (len(train) + len(val) + len(fixed)) - 2000
    for side in SIDES:
        pictures = _encoded({"train": train, "val": val}, side, room)
        if pictures is not None:
            return _write(out, pictures | fixed, {"side": side, "train": len(train), "val": len(val)})
    others = sum(map(len, fixed.values())) / 1e6
    raise KdsharpError(
        f"{len(train) + len(val)} photographs do not fit into {megabytes:g} MB beside {others:.1f} MB of weights and "
        f"benchmarks, even at {SIDES[-1]} pixels: give fewer of either, or more room."
    )


def weights_for(names: list[str]) -> list[Path]:
    """The files of others' networks that some recipes learn from. Raises KdsharpError for one that cannot be had."""
    found = []
    for recipe in map(recipes.preset, names):
        needs = losses.needed(recipe.losses)
        if recipe.teacher in OFFICIAL and needs & {"target", "vgg", "features"}:
            found.append(official.local_file(recipe.teacher) or official.official_file(recipe.teacher))
        if "vgg" in needs:
            path = vgg_at_hand(recipe.losses.vgg)
            if path is None:
                raise KdsharpError(
                    f"{recipe.name} looks through VGG{recipe.losses.vgg}: put its file into "
                    f"{files.data_dir() / 'weights'}, or leave {recipe.name} out."
                )
            found.append(path)
    return sorted(set(found))


def unpack(path: Path, folder: Path) -> dict:
    """Lay out a pack in a folder, where nothing is written twice; returns the manifest.

    Raises KdsharpError for a file that is no pack, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read(MANIFEST))
            for name, about in manifest["files"].items():
                place = folder / name
                if not place.resolve().is_relative_to(folder.resolve()):
                    raise KdsharpError(f"{path} is no pack of photographs: make one with `pack`.")
                if place.is_file() and files.sha256(place) == about["sha256"]:
                    continue
                content = archive.read(name)
                if hashlib.sha256(content).hexdigest() != about["sha256"]:
                    raise KdsharpError(f"{path} is damaged ({name}): bring it here again.")
                with files.atomic_write(place) as handle:
                    handle.write(content)
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise KdsharpError(f"{path} is missing, damaged, or no pack: make one with `pack`.") from error
    return manifest


def _encoded(parts: dict[str, list[Path]], side: int, room: float) -> dict[str, bytes] | None:
    """The photographs by their names in the pack, shrunk to a side; None if they do not fit into `room` bytes."""
    found: dict[str, bytes] = {}
    todo = [(f"photos/{part}/{number:04d}.jpg", path)
            for part, paths in parts.items() for number, path in enumerate(paths)]  # fmt: skip
    for name, path in tqdm(todo, desc=f"at {side} pixels", unit="photo", leave=False):
        found[name] = _jpeg(_shrunk(data.read_image(path), side))
        room -= len(found[name])
        if room < 0:
            return None
    return found


def _shrunk(image: np.ndarray, side: int) -> np.ndarray:
    """No longer than `side`, but never narrower than `SMALLEST`."""
    height, width = image.shape[:2]
    factor = min(1.0, max(side / max(height, width), SMALLEST / min(height, width)))
    size = (max(SMALLEST, round(width * factor)), max(SMALLEST, round(height * factor)))
    return image if factor == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _jpeg(image: np.ndarray) -> bytes:
    encoded = BytesIO()
    Image.fromarray(image).save(encoded, "JPEG", quality=QUALITY, subsampling="4:4:4", optimize=True)
    return encoded.getvalue()


def _write(out: Path, contents: dict[str, bytes], about: dict) -> dict:
    listed = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in sorted(contents.items())
    }
    manifest = about | {"files": listed}
    everything = {MANIFEST: json.dumps(manifest, indent=1).encode()} | dict(sorted(contents.items()))
    with files.atomic_write(out) as handle, zipfile.ZipFile(handle, "w") as archive:
        for name, content in everything.items():
            archive.writestr(zipfile.ZipInfo(name, _BEFORE_ALL_TIME), content)
    return manifest
