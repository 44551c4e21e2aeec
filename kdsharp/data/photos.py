"""Photographs in: DIV2K, a folder of your own, or the ones that scikit-image ships.

Images are `uint8` RGB arrays (H, W, 3), whatever the file held; tensors are float32 (1, 3, H, W) in [0, 1].
"""

from __future__ import annotations

import importlib.util
import logging
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from kdsharp.data import reading
from kdsharp.disk import downloads, files
from kdsharp.errors import KdsharpError
from kdsharp.recipes.degradations import Degradation, Pairs

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

SHARP, BLURRED = "sharp_Image", "blur_Image"
SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".avif")
EMBEDDED = {
    "train": ("chelsea.png", "rocket.jpg", "motorcycle_left.png", "motorcycle_right.png"),
    "val": ("astronaut.png", "coffee.png"),
}


@dataclass(frozen=True)
class Archive:
    """One official zip file, with what it must weigh and hash to."""

    urls: tuple[str, ...]
    size: int
    md5: str
    sha256: str | None = None
    images: int = 0


_ETH = "https://data.vision.ee.ethz.ch/cvl/DIV2K"
DIV2K = {
    "train": Archive(
        (f"{_ETH}/DIV2K_train_HR.zip",),
        3530603713,
        "bdc2d9338d4e574fe81bf7d158758658",
        "9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335",
        images=800,
    ),
    "valid": Archive(
        (f"{_ETH}/DIV2K_valid_HR.zip",), 448993893, "9fcdda83005c5e5997799b69f955ff88", images=100
    ),
}


def read_image(path: Path) -> np.ndarray:
    """Any picture file as `uint8` RGB (H, W, 3), turned upright; transparency is laid over white.

    Raises KdsharpError naming the file if it is missing, damaged, or no picture.
    """
    picture = reading.read(path)
    image = reading.to_8_bits(picture.colours)
    if picture.alpha is not None:
        shown = Image.fromarray(np.dstack([image, reading.to_8_bits(picture.alpha)]))
        image = np.array(Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("RGB"))
    return reading.upright(image, picture.extras.exif)


def write_image(path: Path, image: np.ndarray) -> Path:
    """Write `uint8` RGB as PNG or JPEG (quality 95) by the suffix; whole or not at all."""
    path = Path(path)
    formats = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
    if path.suffix.lower() not in formats:
        raise KdsharpError(f"Cannot write {path.name}: give the picture a name that ends in .png or .jpg.")
    encoded = BytesIO()
    Image.fromarray(image).save(encoded, formats[path.suffix.lower()], quality=95)
    with files.atomic_write(path) as handle:
        handle.write(encoded.getvalue())
    return path


def read_for(path: Path, degradation: Degradation) -> np.ndarray:
    """What `degrade` needs of a photograph: RGB (H, W, 3); for `Pairs`, with its partner's RGB behind it (H, W, 6).

    Raises KdsharpError as `read_image` does, or if the partner has another size.
    """
    if not isinstance(degradation, Pairs):
        return read_image(path)
    other = partner(path)
    sharp, received = read_image(path), read_image(other)
    if sharp.shape != received.shape:
        raise KdsharpError(f"{path} and {other} differ in size: a pair shows the same picture twice.")
    return np.concatenate([sharp, received], axis=2)


def to_tensor(image: np.ndarray) -> Tensor:
    """`uint8` (H, W, 3) to float32 (1, 3, H, W) in [0, 1]."""
    import torch  # here, so that reading and writing pictures does not wait for it

    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


def to_image(tensor: Tensor) -> np.ndarray:
    """float (1, 3, H, W) or (3, H, W) in [0, 1] to `uint8` (H, W, 3), rounded and clipped."""
    planes = tensor[0] if tensor.ndim == 4 else tensor
    return (planes.detach().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()


def list_photos(folder: Path, min_size: int = 64) -> list[Path]:
    """The pictures under a folder, sorted; damaged ones and those under `min_size` pixels are named and skipped.

    Raises KdsharpError if the folder is missing or holds no usable picture.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise KdsharpError(f"There is no folder {folder}: check the path.")
    usable = []
    for path in reading.visible(folder, SUFFIXES):
        try:
            with Image.open(path) as opened:
                width, height = opened.size
                opened.verify()
        except Exception:  # decoders raise anything at strange files
            log.warning("skipped %s: it is damaged or not a picture", path)
            continue
        if min(width, height) < min_size:
            log.warning("skipped %s: %dx%d is smaller than %d pixels", path, width, height, min_size)
        else:
            usable.append(path)
    if not usable:
        raise KdsharpError(
            f"{folder} holds no usable picture of at least {min_size} pixels ({', '.join(SUFFIXES)})."
        )
    return usable


def list_pairs(folder: Path, min_size: int = 64) -> list[Path]:
    """The sharp photographs of a folder of pairs: `sharp_Image/` and `blur_Image/`, files of the same names.

    Photographs without a partner are named and skipped. Raises KdsharpError if a folder is missing or no pair is left.
    """
    folder = Path(folder)
    for name in (SHARP, BLURRED):
        if not (folder / name).is_dir():
            raise KdsharpError(f"{folder} holds no folder {name}: pairs lie in {SHARP}/ and {BLURRED}/.")
    sharp, blurred = (list_photos(folder / name, min_size) for name in (SHARP, BLURRED))
    names = [{str(path.relative_to(folder / part)) for path in found}
             for part, found in ((SHARP, sharp), (BLURRED, blurred))]  # fmt: skip
    for name in sorted(names[0] ^ names[1]):
        where, other = (SHARP, BLURRED) if name in names[0] else (BLURRED, SHARP)
        log.warning("skipped %s/%s: it has no partner in %s", where, name, other)
    pairs = [path for path in sharp if str(path.relative_to(folder / SHARP)) in names[1]]
    if not pairs:
        raise KdsharpError(
            f"{folder} holds no pair: give {SHARP}/ and {BLURRED}/ pictures of the same names."
        )
    return pairs


def is_paired(folder: Path) -> bool:
    """Whether a folder is laid out as pairs."""
    return (Path(folder) / SHARP).is_dir()


def cifar10(split: str = "train", count: int = 1000) -> list[Path]:
    """The first `count` pictures of CIFAR-10 (Krizhevsky 2009), 32x32, as PNG files under data/CIFAR10.

    torchvision fetches and checks the archive (170 MB). Raises KdsharpError if it cannot.
    """
    from torchvision.datasets import CIFAR10

    root = files.data_dir() / "CIFAR10"
    folder = root / f"{split}-{count}"
    paths = [folder / f"{number:05d}.png" for number in range(count)]
    if not all(path.exists() for path in paths):
        try:
            pictures = CIFAR10(root, train=split == "train", download=True).data
        except (OSError, RuntimeError) as error:
            raise KdsharpError(
                f"CIFAR-10 could not be had ({error}): put the official cifar-10-python.tar.gz into {root}."
            ) from error
        for path, picture in zip(paths, pictures, strict=False):
            write_image(path, picture)
    return paths


def embedded_photos(split: str = "train") -> list[Path]:
    """Photographs that scikit-image ships (public domain or CC0), for runs without any download."""
    found = importlib.util.find_spec("skimage")
    folder = Path(found.submodule_search_locations[0]) / "data"
    photos = [folder / name for name in EMBEDDED[split] if (folder / name).exists()]
    if not photos:
        raise KdsharpError(
            f"scikit-image ships none of {', '.join(EMBEDDED[split])}: install the locked version."
        )
    return photos


def div2k(split: str = "train", source: Path | None = None) -> list[Path]:
    """DIV2K's HR images (Agustsson and Timofte 2017): 800 of `train`, 100 of `valid`.

    Downloads 3.5 GB (0.45 GB for `valid`) into data/, resumable; `source` names a zip or folder that you
    already have. Raises KdsharpError if the archive is damaged or images are missing.
    """
    if split not in DIV2K:
        raise KdsharpError(f"DIV2K has no split '{split}'; choose train or valid.")
    archive = DIV2K[split]
    if source is not None and Path(source).is_dir():
        return list_photos(source)
    folder = files.data_dir() / "DIV2K" / split
    if source is not None:
        downloads.unpack(Path(source), folder)
        return list_photos(folder)
    done = sorted(folder.rglob("*.png"))
    if len(done) < archive.images:
        path = files.data_dir() / f"DIV2K_{split}_HR.zip"
        downloads.download(archive.urls, path, archive.sha256, archive.size, archive.md5)
        done = sorted(downloads.unpack(path, folder).rglob("*.png"))
    if len(done) < archive.images:
        raise KdsharpError(
            f"{folder} holds {len(done)} of DIV2K's {archive.images} images: delete it, try again."
        )
    return done


def holdout(photos: list[Path], count: int) -> tuple[list[Path], list[Path]]:
    """Split photographs into (training, validation): every n-th of them is held out, `count` in all."""
    if not count:
        return photos, []
    if not 0 < count < len(photos):
        raise KdsharpError(
            f"Cannot hold out {count} of {len(photos)} photographs: choose 1 to {len(photos) - 1}."
        )
    held = {round(index * len(photos) / count) for index in range(count)}
    train = [photo for index, photo in enumerate(photos) if index not in held]
    return train, [photo for index, photo in enumerate(photos) if index in held]


def photos_for(profile: str, split: str, source: str = "div2k") -> list[Path]:
    """`quick`: the embedded photographs; else DIV2K, or CIFAR-10's first 1000 (`val`: 100 of its test pictures).

    `medium` takes DIV2K's validation photographs alone, 0.45 GB: 90 to train on, every tenth held out.
    """
    if profile == "quick":
        return embedded_photos(split)
    if source == "cifar10":
        return cifar10("train", 1000) if split == "train" else cifar10("test", 100)
    if profile == "medium":
        photos = div2k("valid")
        train, held_out = holdout(photos, max(1, len(photos) // 10))
        return train if split == "train" else held_out
    return div2k("valid" if split == "val" else split)


def crop_to_multiple(image: np.ndarray, multiple: int) -> np.ndarray:
    """The image without the last rows and columns that do not fill a multiple."""
    height, width = (side - side % multiple for side in image.shape[:2])
    return image[:height, :width]


def centre(image: np.ndarray, side: int) -> np.ndarray:
    """The middle `side` pixels of a picture (H, W, C), or all of it where it is smaller."""
    height, width = image.shape[:2]
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return image[top : top + side, left : left + side]


def partner(path: Path) -> Path:
    """The file of the same name in `blur_Image/`. Raises KdsharpError for a file that is in no `sharp_Image/`."""
    parts = list(Path(path).parts)
    if SHARP not in parts:
        raise KdsharpError(f"{path} is not in a folder {SHARP}: it has no partner in {BLURRED}.")
    place = len(parts) - 1 - parts[::-1].index(SHARP)
    return Path(*parts[:place], BLURRED, *parts[place + 1 :])
