"""Files from elsewhere: from the first source that has them, verified while they come, resumed, unpacked safely."""

import contextlib
import errno
import hashlib
import logging
import os
import shutil
import struct
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

from tqdm.auto import tqdm

from kdsharp.disk import files, keep
from kdsharp.errors import KdsharpError

log = logging.getLogger(__name__)

# Photographs in PNG or JPEG do not shrink in a zip; a bomb shrinks a thousandfold.
MAX_RATIO = 100
_BLOCK = 1 << 20
_TIMEOUT_SECONDS = 30
_URGENT_SECONDS = 10
_PAUSES = (1.0, 3.0)  # seconds before a source that broke off, or was too busy, is asked again
_BUSY = (429, 500, 502, 503, 504)
_WEB_PAGE = (b"<!doctype html", b"<html")


class _Refused(Exception):
    """A source that will not give the file, however often it is asked."""


def download(
    urls: str | Sequence[str],
    path: Path,
    sha256: str | None = None,
    size: int | None = None,
    md5: str | None = None,
    urgent: bool = False,
    others: Mapping[str, Callable[[Path], None]] = MappingProxyType({}),
) -> Path:
    """Fetch `path` from the first of `urls` that gives the right file, verified before it gets its name.

    A file of that name in the folder that KDSHARP_MIRROR names, and one that is kept (see `keep`), come before any
    network; what the network gave is kept. A partial download stays as `path.part`: a broken connection is taken up
    again at once, and by the next call. A file that is already there and right is not fetched again; of several
    processes that want one, the first fetches it and the others wait.
    With `urgent`, for what one can do without, a server that cannot be reached or gives nothing is asked only once.
    `others`, by name, are asked last: each writes the file to the path that it is given, or raises KdsharpError with
    why it does not, as the end of a sentence about it.
    Raises KdsharpError if no source gives the right file (what was wrong with each is said, and a wrong file is thrown
    away), or if the disk is full or read-only (what came so far is kept).
    """
    path, urls = Path(path), [urls] if isinstance(urls, str) else list(urls)
    expected = {"sha256": sha256, "md5": md5}
    if path.exists():
        found = {kind: _digest(path, kind) for kind, value in expected.items() if value}
        if wrong := _difference(path.stat().st_size, size, found, expected):
            raise KdsharpError(f"{path} {wrong}: move it away, so that the right file can be downloaded.")
        return path
    part = path.with_name(path.name + ".part")
    kept = keep.place_of(path)
    nearer = [
        *_mirrored(urls or [path.name]),
        *([kept.resolve().as_uri()] if kept and kept.is_file() else []),
    ]
    kinds = [kind for kind, value in expected.items() if value]
    failures = []
    with files.writing(path.parent), files.only_one(path.parent, path.name, wait=True):
        if path.exists():  # another process was faster
            return path
        for url in [*nearer, *urls, *others]:
            try:
                if url in others:
                    found = _ask(others[url], part, size, kinds)
                else:
                    found = _fetch_patiently(url, part, size, kinds, urgent)
            except (_Refused, KdsharpError) as refusal:
                failures.append(f"{url} {refusal}")
                continue
            if wrong := _difference(part.stat().st_size, size, found, expected):
                failures.append(f"{url} gave a file that {wrong}, which was thrown away")
                part.unlink()
                continue
            os.replace(part, path)
            if url not in nearer:
                keep.store(path)
            return path
    raise KdsharpError(f"Could not download {path.name}, try again to resume: {'; '.join(failures)}.")


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a zip into `folder`; files that are already there, with the right content, are not written again.

    Raises KdsharpError naming the archive if it is damaged or no zip, if a member would land outside `folder`, if it
    grows more than `MAX_RATIO` times (a zip bomb), or if the disk has no room for it.
    """
    archive, folder = Path(archive), Path(folder)
    with files.writing(folder), readable_zip(archive) as opened:
        members = opened.infolist()
        if not all(member.filename for member in members):  # Python 3.11 stumbles over such a member
            raise KdsharpError(f"{archive} is damaged (a file in it has no name): fetch it again.")
        members = [member for member in members if not member.is_dir()]
        todo = [(member, _destination(member.filename, archive, folder)) for member in members]
        todo = [(member, path) for member, path in todo if not _is_there(path, member)]
        needed = sum(member.file_size for member, _ in todo)
        if needed > MAX_RATIO * archive.stat().st_size:
            raise KdsharpError(
                f"{archive} would grow more than {MAX_RATIO} times: it holds no photographs, leave it."
            )
        folder.mkdir(parents=True, exist_ok=True)
        _need_room(folder, needed, archive.name)
        progress = tqdm(total=needed, desc=f"unpacking {archive.name}", unit="B", unit_scale=True)
        with progress:
            for member, path in todo:
                with opened.open(member) as source, files.atomic_write(path) as handle:
                    while block := source.read(_BLOCK):
                        handle.write(block)
                        progress.update(len(block))
    return folder


def _ask(source: Callable[[Path], None], part: Path, size: int | None, kinds: list[str]) -> dict[str, str]:
    """Let `source` write the file to `part`, and return its digests."""
    _need_room(part.parent, size or 0, part.stem)
    source(part)
    digests = {kind: hashlib.new(kind) for kind in kinds}
    _feed(part, digests)
    return {kind: digest.hexdigest() for kind, digest in digests.items()}


def _fetch_patiently(
    url: str, part: Path, size: int | None, kinds: list[str], urgent: bool
) -> dict[str, str]:
    """Fetch, and again after a pause where the connection broke or the server was busy, as long as bytes come."""
    attempt = 0
    while True:
        before = _size_of(part)
        try:
            return _fetch(url, part, size, kinds, _URGENT_SECONDS if urgent else _TIMEOUT_SECONDS)
        except urllib.error.HTTPError as error:
            reason, again = f"answered {error.code}", error.code in _BUSY
        except urllib.error.URLError as error:
            reason, again = f"cannot be reached ({error.reason})", not urgent
        except (ConnectionError, TimeoutError, HTTPException) as error:
            reason = f"broke off ({error or type(error).__name__})"
            again = not urgent or _size_of(part) > before
        attempt = 0 if _size_of(part) > before else attempt + 1
        if not again or attempt > len(_PAUSES):
            raise _Refused(reason)
        log.info("%s %s: trying again", url, reason)
        time.sleep(_PAUSES[max(attempt, 1) - 1])


def _fetch(url: str, part: Path, size: int | None, kinds: list[str], timeout: float) -> dict[str, str]:
    """Append to `part` what is missing of `url`, and return its digests; starts over where there are no ranges."""
    have = _size_of(part)
    if size is not None and have > size:
        part.unlink()
        have = 0
    digests = {kind: hashlib.new(kind) for kind in kinds}
    if size is None or have < size:
        request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
        try:
            response = urllib.request.urlopen(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            if error.code != 416 or not have:
                raise
            if not (error.headers.get("Content-Range") or "").endswith(f"/{have}"):
                part.unlink()  # longer than the file
                return _fetch(url, part, size, kinds, timeout)
        else:
            with response:
                return _receive(response, part, have, size, digests)
    _feed(part, digests)
    return {kind: digest.hexdigest() for kind, digest in digests.items()}


def _receive(response: Any, part: Path, have: int, size: int | None, digests: dict) -> dict[str, str]:
    """Write the body of a response after the first `have` bytes of `part` (or anew), hashing on the way."""
    wanted = response.headers.get("Content-Range") or ""
    start = have if response.status == 206 and wanted.startswith(f"bytes {have}-") else 0
    rest = response.headers.get("Content-Length")
    total = start + int(rest) if rest else None
    if response.headers.get_content_type() == "text/html":
        raise _Refused("answered with a web page instead of the file")
    if size is not None and total is not None and total != size:
        raise _Refused(f"offers {total} bytes instead of {size}")
    _need_room(part.parent, (total or size or 0) - start, part.stem)
    block = response.read(_BLOCK)
    if not start and block[:64].lstrip().lower().startswith(_WEB_PAGE):
        raise _Refused("answered with a web page instead of the file")
    if start:
        _feed(part, digests)
    with (
        open(part, "ab" if start else "wb") as handle,
        tqdm(total=total or size, initial=start, desc=part.stem, unit="B", unit_scale=True) as progress,
    ):
        while block:
            handle.write(block)
            progress.update(len(block))
            for digest in digests.values():
                digest.update(block)
            block = response.read(_BLOCK)
    if total is not None and _size_of(part) < total:
        raise ConnectionError(f"{_size_of(part)} of {total} bytes came")
    return {kind: digest.hexdigest() for kind, digest in digests.items()}


def _mirrored(urls: list[str]) -> list[str]:
    """Files of the same name in the folder that KDSHARP_MIRROR names."""
    mirror = os.environ.get("KDSHARP_MIRROR")
    if not mirror:
        return []
    if not Path(mirror).is_dir():
        raise KdsharpError(
            f"KDSHARP_MIRROR is '{mirror}', but there is no such folder: correct it or unset it."
        )
    names = dict.fromkeys(PurePosixPath(unquote(urlsplit(url).path)).name for url in urls)
    return [(Path(mirror) / name).resolve().as_uri() for name in names if (Path(mirror) / name).is_file()]


@contextlib.contextmanager
def readable_zip(archive: Path) -> Iterator[zipfile.ZipFile]:
    """An open zip; whatever is wrong with it becomes one sentence."""
    try:
        with zipfile.ZipFile(archive) as opened:
            yield opened
    except FileNotFoundError as error:
        raise KdsharpError(f"There is no archive {archive}: check the path.") from error
    # An encrypted member is a RuntimeError, an unknown compression a NotImplementedError.
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError) as error:
        raise KdsharpError(
            f"{archive} is damaged or no zip ({error}): delete it and fetch it again."
        ) from error
    except OSError as error:
        if error.errno in files.CANNOT_WRITE:
            raise
        raise KdsharpError(f"{archive} cannot be read ({error}): delete it and fetch it again.") from error


def _destination(name: str, archive: Path, folder: Path) -> Path:
    destination = (folder / name).resolve()
    if not destination.is_relative_to(folder.resolve()):
        raise KdsharpError(f"{archive} holds '{name}', which would land outside {folder}.")
    return destination


def _need_room(folder: Path, needed: int, name: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"{name} needs {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free")


def _difference(actual: int, size: int | None, found: dict, expected: dict) -> str | None:
    """What is wrong with a file, as the end of a sentence; None if nothing is."""
    if size is not None and actual != size:
        return f"has {actual} bytes instead of {size}"
    for kind, value in found.items():
        if value != expected[kind]:
            return f"has the {kind} {value} instead of {expected[kind]}"
    return None


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_there(path: Path, member: zipfile.ZipInfo) -> bool:
    """Whether a file has a zip member's size and checksum."""
    if not path.is_file() or path.stat().st_size != member.file_size:
        return False
    found = 0
    with open(path, "rb") as handle:
        while block := handle.read(_BLOCK):
            found = zlib.crc32(block, found)
    return found == member.CRC


def _feed(path: Path, digests: dict) -> None:
    with open(path, "rb") as handle:
        while block := handle.read(_BLOCK):
            for digest in digests.values():
                digest.update(block)


def _digest(path: Path, kind: str) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, kind).hexdigest()
