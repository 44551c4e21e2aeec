"""A folder that outlives the machine, named by KDSHARP_KEEP: on Colab, one on Google Drive.

Training and reading happen on the local disk. Here go copies of the checkpoints, of finished shards of targets, of
downloads and of results, and from here they come back when the local ones are gone: a notebook that is run again from
the top on a new machine goes on where the old one was lost.
"""

import contextlib
import logging
import os
import shutil
import tarfile
from pathlib import Path

from kdsharp.disk import files
from kdsharp.errors import KdsharpError

log = logging.getLogger(__name__)


def use(folder: str) -> None:
    """Keep things in `folder` from here on; on Colab, Google Drive is mounted for a folder below /content/drive."""
    if folder.startswith("/content/drive") and not Path("/content/drive/MyDrive").exists():
        try:
            from google.colab import drive  # there on Colab only
        except ImportError as error:
            raise KdsharpError(f"{folder} is a folder of Colab: name one of this machine.") from error
        drive.mount("/content/drive")
    with files.writing(Path(folder)):
        Path(folder).mkdir(parents=True, exist_ok=True)
    os.environ["KDSHARP_KEEP"] = folder


def place_of(path: Path) -> Path | None:
    """Where the copy of a local file is kept: the same path below KDSHARP_KEEP; None where that is not set.

    None also for a file that lies in the kept folder itself, as all do on Kaggle: it is kept where it is.
    """
    if not (value := os.environ.get("KDSHARP_KEEP")):
        return None
    if not Path(value).is_dir():
        raise KdsharpError(
            f"KDSHARP_KEEP is '{value}', but there is no such folder: mount the drive and make the folder, or unset it."
        )
    path, root = Path(path).resolve(), files.root().resolve()
    inside = path.relative_to(root) if path.is_relative_to(root) else Path(path.parent.name, path.name)
    place = Path(value) / inside
    return None if place.resolve() == path else place


def store(path: Path) -> None:
    """Keep a copy of a file; a full or lost drive is a warning, because the local file is the one that counts.

    A file that would take more than half of the room left is not kept: a data set must not crowd out a checkpoint.
    """
    place = place_of(path)
    if place is None:
        return
    try:
        size, free = path.stat().st_size, shutil.disk_usage(os.environ["KDSHARP_KEEP"]).free
        if 2 * size > free:
            raise KdsharpError(f"it has {size / 1e9:.2f} GB, and {free / 1e9:.2f} GB are free.")
        _copy(path, place)
    except (OSError, KdsharpError) as error:
        log.warning("%s was not kept: %s", path.name, error)


def fetch(path: Path) -> None:
    """Bring a file back that is kept but not here. Raises KdsharpError if it cannot be read there."""
    place = place_of(path)
    if place is None or path.exists() or not place.is_file():
        return
    try:
        _copy(place, path)
    except OSError as error:
        raise KdsharpError(
            f"{place} is kept, but cannot be read ({error.strerror or error}): mount the drive again, or unset "
            "KDSHARP_KEEP."
        ) from error
    log.info("%s: taken from %s", path, place)


def fetch_all(folder: Path) -> None:
    """Bring back the files of a folder, not of folders in it, that are kept but not here; a lost drive is a warning."""
    place = place_of(folder / "any")
    if place is None or not place.parent.is_dir():
        return
    try:
        for kept in sorted(place.parent.iterdir()):
            if kept.is_file() and not kept.name.startswith("."):
                fetch(folder / kept.name)
    except (OSError, KdsharpError) as error:
        log.warning("not all of %s was brought back: %s", place.parent, error)


def store_together(paths: list[Path], name: str) -> None:
    """Keep several files of one folder as one tar, `name`; not again if it is there already."""
    place = place_of(paths[0].with_name(name))
    if place is None or place.exists():
        return
    try:
        with files.atomic_write(place) as handle, tarfile.open(fileobj=handle, mode="w") as archive:
            for path in paths:
                archive.add(path, path.name)
    except (OSError, KdsharpError) as error:
        log.warning("%s was not kept: %s", name, error)


def fetch_together(folder: Path, name: str) -> None:
    """Bring the files of a kept tar back into `folder`; what is there already stays, and so does a damaged tar."""
    place = place_of(folder / name)
    if place is None or not place.is_file():
        return
    try:
        with tarfile.open(place) as archive:
            for member in archive:
                target = folder / Path(member.name).name
                if not member.isfile() or target.exists():
                    continue
                with (
                    contextlib.closing(archive.extractfile(member)) as source,
                    files.atomic_write(target) as handle,
                ):
                    shutil.copyfileobj(source, handle, 1 << 20)
    except (tarfile.TarError, EOFError, OSError) as error:
        log.warning("%s is damaged or cannot be read (%s): its targets are made again", place, error)


def _copy(source: Path, destination: Path) -> None:
    """Whole or not at all."""
    with open(source, "rb") as opened, files.atomic_write(destination) as handle:
        shutil.copyfileobj(opened, handle, 1 << 20)
