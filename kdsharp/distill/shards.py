"""One shard of a target store: raw `uint8` crops that grow photo by photo, and survive being killed at any point.

Bytes are only ever appended, and count only once the shard's JSON says so, which is written every few seconds: what was
appended after it is cut off when the shard is taken up again. The JSON of a finished shard holds its files' SHA-256.
"""

import contextlib
import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kdsharp.disk import files, keep
from kdsharp.errors import KdsharpError

log = logging.getLogger(__name__)

MAPS_OPEN = 256
COMMIT_SECONDS = (
    2.0  # a commit waits for the disk: with one for each of ten thousand small photos, little else is done
)


@dataclass(frozen=True)
class File:
    """A file of `count` crops of `side` by `side` pixels."""

    path: Path
    count: int
    side: int


class Crops(Sequence):
    """The crops of all shards, indexed like one array (count, height, width, channels) without reading the rest.

    `MAPS_OPEN` files at most are mapped into memory at a time: a system allows some 65,000 maps for each process.
    """

    def __init__(self, parts: list[File]) -> None:
        self._parts = parts
        self._ends = np.cumsum([part.count for part in parts])
        self._mapped = lru_cache(MAPS_OPEN)(_mapped)

    @property
    def shape(self) -> tuple[int, ...]:
        """(count, height, width, channels)."""
        return (len(self), self._parts[0].side, self._parts[0].side, 3)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: Any) -> np.ndarray:
        """`crops[7]`, `crops[7, rows, columns]`, or a copy of several: `crops[3:9]`."""
        number, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(number, slice):
            return np.stack([self[(one, *rest)] for one in range(*number.indices(len(self)))])
        number = range(len(self))[number]  # negative ones from the end; IndexError beyond it
        part = int(np.searchsorted(self._ends, number, side="right"))
        return self._mapped(self._parts[part])[(number - int(self._ends[part]), *rest)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        whole = np.empty(self.shape, dtype or np.uint8)
        for part, end in zip(self._parts, self._ends, strict=True):
            whole[end - part.count : end] = _mapped(part)
        return whole


@dataclass(frozen=True)
class Shard:
    """A finished shard: its crops' files by name, and the photos that gave none."""

    count: int
    skipped: dict[str, str]
    files: dict[str, File]


@dataclass
class Writer:
    """A shard that grows; made by `writer`."""

    folder: Path
    number: int
    store: str
    sizes: dict[str, int]
    photos: int
    photos_done: int = 0
    count: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)
    handles: dict[str, BinaryIO] = field(default_factory=dict, repr=False)
    committed: float = field(default_factory=time.monotonic, repr=False)

    def add(self, crops: dict[str, np.ndarray]) -> None:
        """Append the crops of the next photo, by name, each `uint8` (n, side, side, 3)."""
        with files.writing(self.folder):
            for name, handle in self.handles.items():
                handle.write(np.ascontiguousarray(crops[name]).data)
        self.count += len(crops["hr"])
        self._done()

    def skip(self, name: str, why: str) -> None:
        """Note that the next photo gave no crops."""
        self.skipped[name] = why
        self._done()

    def commit(self) -> None:
        """Make what was added so far count, whatever happens from here on."""
        for handle in self.handles.values():
            handle.flush()
            os.fsync(handle.fileno())
        if self.photos_done == self.photos:
            self.sha256 = {name: files.sha256(_file(self.folder, self.number, name)) for name in self.sizes}
        kept = ("store", "sizes", "photos", "photos_done", "count", "skipped", "sha256")
        files.write_json(_index(self.folder, self.number), {name: getattr(self, name) for name in kept})
        self.committed = time.monotonic()
        if self.sha256:
            whole = [_file(self.folder, self.number, name) for name in self.sizes]
            keep.store_together([*whole, _index(self.folder, self.number)], _archive(self.number, self.store))

    def _done(self) -> None:
        self.photos_done += 1
        if self.photos_done == self.photos or time.monotonic() - self.committed > COMMIT_SECONDS:
            self.commit()


@contextlib.contextmanager
def writer(folder: Path, number: int, store: str, sizes: dict[str, int], photos: int) -> Iterator[Writer]:
    """Begin shard `number`, or go on with it; a finished one is checked, and begun anew if it is damaged.

    Args:
        store: digest of what the store is made from; a shard of another store is made anew.
        sizes: the sides in pixels of the crops, by name.
        photos: how many photos the shard will hold.

    Raises KdsharpError if another run is writing this shard, or the disk is full or read-only.
    """
    with files.writing(folder), contextlib.ExitStack() as opened:
        opened.enter_context(files.only_one(folder, f"{number:03d}"))
        if not _index(folder, number).exists():
            keep.fetch_together(folder, _archive(number, store))
        shard = _so_far(folder, number, store, sizes, photos)
        if shard.photos_done < photos:
            for name, side in sizes.items():
                handle = opened.enter_context(open(_file(folder, number, name), "ab"))
                handle.truncate(shard.count * side * side * 3)
                shard.handles[name] = handle
        try:
            yield shard
        except KeyboardInterrupt:
            shard.commit()
            raise


def read(folder: Path, number: int, store: str) -> Shard:
    """Look at a finished shard. Raises KdsharpError if it is missing, half-made, truncated or of another store."""
    about = files.read_json(_index(folder, number)) if _index(folder, number).exists() else None
    if about is None or about["photos_done"] < about["photos"]:
        raise KdsharpError(
            f"The target store in {folder} is half-made: build it again with the same recipe to finish."
        )
    if about.get("store") != store:
        raise KdsharpError(
            f"{_index(folder, number)} belongs to another store: build it again, which makes it anew."
        )
    found = {}
    for name, side in about["sizes"].items():
        path = _file(folder, number, name)
        if not path.is_file() or path.stat().st_size != about["count"] * side * side * 3:
            raise KdsharpError(f"{path} is missing or cut short: build the store again, which makes it anew.")
        found[name] = File(path, about["count"], side)
    return Shard(about["count"], about["skipped"], found)


def _mapped(file: File) -> np.memmap:
    return np.memmap(file.path, np.uint8, "r", shape=(file.count, file.side, file.side, 3))


def _so_far(folder: Path, number: int, store: str, sizes: dict[str, int], photos: int) -> Writer:
    """What there is of a shard: nothing, a beginning, or all of it with the right checksums."""
    fresh = Writer(folder, number, store, sizes, photos)
    path = _index(folder, number)
    if not path.exists():
        return fresh
    try:
        found = Writer(folder, number, **files.read_json(path))
        if (found.store, found.sizes, found.photos) != (store, sizes, photos):
            raise KdsharpError(f"{path} tells of another shard.")
    except (KdsharpError, TypeError):
        log.warning("%s is damaged or of another store: this shard is made anew", path)
        return fresh
    for name, side in sizes.items():
        data, needed = _file(folder, number, name), found.count * side * side * 3
        size = data.stat().st_size if data.is_file() else 0
        if size < needed or (found.sha256 and size != needed):
            log.warning("%s is missing or of another size: this shard is made anew", data)
            return fresh
        if found.sha256 and files.sha256(data) != found.sha256[name]:
            log.warning("%s has another checksum than when it was written: this shard is made anew", data)
            return fresh
    return found


def _index(folder: Path, number: int) -> Path:
    return folder / f"{number:03d}.json"


def _file(folder: Path, number: int, name: str) -> Path:
    return folder / f"{number:03d}-{name}.u8"


def _archive(number: int, store: str) -> str:
    """The name of a kept shard says of which store it is: one of other photos never comes back for it."""
    return f"{number:03d}-{store[:12]}.tar"
