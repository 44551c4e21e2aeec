"""Where things lie, and how files get there: whole or not at all, verified, and resumable."""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO

from tqdm.auto import tqdm

from kdsharp.errors import KdsharpError

log = logging.getLogger(__name__)

_BLOCK = 1 << 20
_TIMEOUT_SECONDS = 30
_PACKAGE = Path(__file__).resolve().parent


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


def results_file() -> Path:
    """What was measured about the published networks: in figures/ of a checkout, inside the package from a wheel."""
    beside = _PACKAGE.parent / "figures" / "results.json"
    return beside if beside.is_file() else _PACKAGE / "results.json"


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
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Write beside `path`, then rename: readers see the old file or the whole new one, never a half."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(beside, "wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


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
    return _digest(path, "sha256")


def download(
    urls: str | Sequence[str],
    path: Path,
    sha256: str | None = None,
    size: int | None = None,
    md5: str | None = None,
) -> Path:
    """Fetch the first of `urls` that answers to `path`, and verify it before it gets its name.

    A partial download stays as `path.part` and is resumed by the next call. A file that is already there and
    right is not fetched again. Raises KdsharpError if no source answers, if the connection breaks (calling again
    resumes), or if the file is not the expected one (which is then thrown away).
    """
    path, urls = Path(path), [urls] if isinstance(urls, str) else list(urls)
    if path.exists():
        _verify(path, path.name, sha256, size, md5, discard=False)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    failures = []
    for url in urls:
        try:
            _fetch(url, part, size)
            break
        except urllib.error.HTTPError as error:
            failures.append(f"{url} answered {error.code}")
        except (OSError, HTTPException) as error:
            failures.append(f"{url} broke off ({error or type(error).__name__})")
    else:
        raise KdsharpError(f"Could not download {path.name}, try again to resume: {'; '.join(failures)}.")
    _verify(part, path.name, sha256, size, md5, discard=True)
    os.replace(part, path)
    return path


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a zip into `folder`; files that are already there with the right size are not written again.

    Raises KdsharpError naming the archive if it is damaged, or if a member would land outside `folder`.
    """
    archive, folder = Path(archive), Path(folder)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            for member in tqdm(members, desc=f"unpacking {archive.name}", unit="file"):
                destination = (folder / member.filename).resolve()
                if not destination.is_relative_to(folder.resolve()):
                    raise KdsharpError(
                        f"{archive} holds '{member.filename}', which would land outside {folder}."
                    )
                if destination.exists() and destination.stat().st_size == member.file_size:
                    continue
                with opened.open(member) as source, atomic_write(destination) as handle:
                    shutil.copyfileobj(source, handle, _BLOCK)
    except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        raise KdsharpError(
            f"{archive} is missing or damaged ({error}): delete it and fetch it again."
        ) from error
    return folder


def _fetch(url: str, part: Path, size: int | None) -> None:
    """Append to `part` what is missing of `url`; starts over where the server knows no ranges."""
    have = part.stat().st_size if part.exists() else 0
    if size is not None and have == size:
        return
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing is left to send, or the part is longer than the file
            if (error.headers.get("Content-Range") or "").endswith(f"/{have}"):
                return
            part.unlink()
            return _fetch(url, part, size)
        raise
    with response:
        resumed = have and response.status == 206
        start = have if resumed else 0
        rest = response.headers.get("Content-Length")
        total = start + int(rest) if rest else None
        with (
            open(part, "ab" if resumed else "wb") as handle,
            tqdm(total=total, initial=start, desc=part.stem, unit="B", unit_scale=True) as progress,
        ):
            while block := response.read(_BLOCK):
                handle.write(block)
                progress.update(len(block))
    if total is not None and part.stat().st_size < total:
        raise ConnectionError(f"{part.stat().st_size} of {total} bytes came")


def _verify(
    path: Path, name: str, sha256: str | None, size: int | None, md5: str | None, *, discard: bool
) -> None:
    """Raise KdsharpError if the file is not the expected one; `discard` throws a wrong one away first."""
    wrong = None
    if size is not None and path.stat().st_size != size:
        wrong = f"has {path.stat().st_size} bytes instead of {size}"
    for kind, expected in (("sha256", sha256), ("md5", md5)):
        if wrong is None and expected and (found := _digest(path, kind)) != expected:
            wrong = f"has the {kind} {found} instead of {expected}"
    if wrong is None:
        return
    if discard:
        path.unlink()
        raise KdsharpError(f"{name} {wrong}: the download was thrown away, try again or use another source.")
    raise KdsharpError(f"{path} {wrong}: move it away, so that the right file can be downloaded.")


def _digest(path: Path, kind: str) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, kind).hexdigest()
