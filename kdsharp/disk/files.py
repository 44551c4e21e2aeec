"""Where things lie, and how files are written: whole or not at all."""

import contextlib
import errno
import hashlib
import json
import logging
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from kdsharp.errors import KdsharpError

log = logging.getLogger(__name__)

# What the system says of a disk that is full, over quota or at a file's limit, and of a folder that is not ours.
CANNOT_WRITE = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
)
_UNFINISHED = ".kdsharp-unfinished-"
_LONGEST_NAME = 255  # bytes, on Linux; macOS and Windows count letters
_PACKAGE = Path(__file__).resolve().parents[1]


def root() -> Path:
    """KDSHARP_ROOT where it is set, else the checkout that the package lies in, else the current folder."""
    if "KDSHARP_ROOT" in os.environ:
        return Path(os.environ["KDSHARP_ROOT"])
    return _PACKAGE.parent if (_PACKAGE.parent / "pyproject.toml").exists() else Path.cwd()


def data_dir() -> Path:
    """Downloads and unpacked data sets."""
    return root() / "data"


def work_dir() -> Path:
    """What runs leave behind: targets, training runs, executed notebooks. Never committed."""
    return root() / "build"


def checkpoints_dir() -> Path:
    """The published networks: beside the package in a checkout, inside it when installed from a wheel."""
    beside = _PACKAGE.parent / "checkpoints"
    return beside if beside.is_dir() else _PACKAGE / "checkpoints"


def results_file(name: str = "results") -> Path:
    """What was measured about the published networks: in figures/ of a checkout, inside the package from a wheel.

    `name` is `results` or `calls`: the files that a wheel takes along (pyproject.toml).
    """
    beside = _PACKAGE.parent / "figures" / f"{name}.json"
    return beside if beside.is_file() else _PACKAGE / f"{name}.json"


def assets_dir() -> Path | None:
    """The folder of extra photographs and official weights that KDSHARP_ASSETS names, if any."""
    if not (value := os.environ.get("KDSHARP_ASSETS")):
        return None
    if not Path(value).is_dir():
        raise KdsharpError(
            f"KDSHARP_ASSETS is '{value}', but there is no such folder: correct it or unset it."
        )
    return Path(value)


@contextlib.contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turn a full disk, or a folder that may not be written, into one sentence that names `place`."""
    try:
        yield
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        raise KdsharpError(
            f"Cannot write to {place} ({error.strerror}): free some space or choose another folder; "
            "what was there is kept."
        ) from error


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Write beside `path`, then rename: readers see the old file or the whole new one, never a half.

    Every call has a temporary name of its own, which is short whatever the length of `path`'s: of several threads or
    processes that write one file, the last to end wins, and what it wrote is whole.
    Raises KdsharpError if the disk is full or the folder read-only; the old file stays.
    """
    path = Path(path)
    beside = path.with_name(f"{_UNFINISHED}{uuid.uuid4().hex}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(beside, "xb") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(beside, path)
        finally:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)


@contextlib.contextmanager
def only_one(folder: Path, part: str | None = None, wait: bool = False) -> Iterator[None]:
    """Keep other runs, of this process or another, from writing to `folder`, or to a `part` of it.

    The lock is the system's, on a file (`.kdsharp.lock` or `part`.lock) that stays behind empty: it ends with the
    process, however that ends. What killed runs left half-written in `folder` is removed. With `wait`, the end of the
    other run is waited for.
    Raises KdsharpError if another run holds it (without `wait`), or if the folder cannot be written.
    """
    folder = Path(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{part or '.kdsharp'}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            if not wait:
                raise KdsharpError(
                    f"Another run is writing to {folder}: wait for it, or choose another folder."
                ) from error
            log.info("waiting for another run that is writing to %s", folder)
            lock.acquire()
    try:
        if part is None:
            _remove_unfinished(folder)
        yield
    finally:
        lock.release()


def _remove_unfinished(folder: Path) -> None:
    """Remove what killed runs left of `atomic_write`: nobody has written to it for an hour."""
    for left in folder.glob(f"{_UNFINISHED}*"):
        with contextlib.suppress(OSError):  # another process was faster, or the file is not ours
            if time.time() - left.stat().st_mtime > 3600:
                left.unlink()


def check_output(source: Path, destination: Path, endings: Iterable[str], force: bool = False) -> None:
    """See that what is made of `source` may be written. Raises KdsharpError that says why not.

    The name must end in one of `endings`, and the file must not be the source, nor be there already without `force`.
    """
    if len(os.fsencode(destination.name)) > _LONGEST_NAME:
        raise KdsharpError(f"The name {destination.name[:40]}... is too long for a file: shorten it.")
    if destination.suffix.lower() not in endings:
        raise KdsharpError(f"Cannot write {destination.name}: give a name that ends in {', '.join(endings)}.")
    if destination.exists() and source.exists() and destination.samefile(source):
        raise KdsharpError(f"{destination} is the source itself: choose another name.")
    if destination.exists() and not force:
        raise KdsharpError(f"{destination} is there already: choose another name, or give --force.")


def write_json(path: Path, value: Any) -> None:
    """Write JSON, whole or not at all."""
    with atomic_write(path) as handle:
        handle.write(json.dumps(value, indent=2).encode())


def read_json(path: Path) -> Any:
    """Read JSON. Raises KdsharpError naming the file if it is missing or not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise KdsharpError(f"{path} is missing or not JSON: delete it and make it again.") from error


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
