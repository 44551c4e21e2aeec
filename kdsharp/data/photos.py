"""Photographs to learn from: DIV2K, CIFAR-10, or the ones that scikit-image ships."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from kdsharp.data.folders import list_photos
from kdsharp.data.images import write_image
from kdsharp.disk import downloads, files
from kdsharp.errors import KdsharpError

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
