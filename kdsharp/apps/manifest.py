"""Lists of files to sharpen: every picture under a folder, or what a manifest names; a shard of either.

A list of a million lines costs no look at a million files: an entry is two strings, and a shard keeps its own alone.
"""

import json
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kdsharp import data
from kdsharp.apps import video
from kdsharp.data.writing import FORMATS
from kdsharp.errors import KdsharpError

LONGEST_NAME = 255  # bytes, of a file on most systems
HIDDEN = (".", "__MACOSX")  # as macOS's `._x.png`
JSON_LINES = (".jsonl", ".ndjson")
# Pictures and videos that a folder may hold and that are not sharpened there: they are named, not passed over.
LEFT_OUT = (
    *(".gif", ".heic", ".heif", ".jp2", ".j2k", ".jxl", ".ico", ".tga", ".ppm", ".pgm", ".psd", ".exr", ".hdr", ".svg"),
    *(".dng", ".nef", ".cr2", ".cr3", ".arw", ".raf", ".orf", ".rw2"),
    *video.SUFFIXES,
    *video.ONLY_READ,
)  # fmt: skip


@dataclass(frozen=True)
class Shard:
    """Part `number` (from 1) of `count`: whose files it is follows from their places alone, on every machine."""

    number: int = 1
    count: int = 1

    def holds(self, place: str) -> bool:
        """Whether a place below the output folder is of this part, by the CRC-32 of its bytes."""
        return self.count == 1 or zlib.crc32(os.fsencode(place)) % self.count == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}-of-{self.count}" if self.count > 1 else ""


@dataclass
class Listed:
    """What a list holds for a shard.

    `sources` are paths, absolute or below `root`, by the places that they will have below the output folder (with `/`);
    `problems` what cannot be done, a sentence by its line; `lines` how many there were for all shards.
    """

    root: Path
    sources: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    lines: int = 0


def shard(text: str) -> Shard:
    """The shard that `3/100` means. Raises KdsharpError for another text."""
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text, re.ASCII)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise KdsharpError(f"'{text}' is no shard: give 1/100, 2/100, ... or 100/100.")
    return Shard(int(found[1]), int(found[2]))


def of_folder(folder: Path, part: Shard) -> tuple[Listed, list[str]]:
    """Every picture under a folder, hidden ones aside; also those of other kinds, which are left out."""
    listed, left_out = Listed(folder), []
    for name in _walk(str(folder)):
        ending = os.path.splitext(name)[1].lower()
        if ending in data.SUFFIXES:
            listed.lines += 1
            _add(listed, part, name, name)
        elif ending in LEFT_OUT:
            left_out.append(name)
    return listed, left_out


def of_manifest(manifest: Path, part: Shard) -> Listed:
    """What a manifest names: a path a line, or JSON a line with `path` where its name ends in `.jsonl`.

    Paths are relative to the manifest's folder, or absolute. A file below that folder keeps its place there; of others
    the whole path becomes folders, so that nothing is written outside. Raises KdsharpError if it cannot be read or
    names no file.
    """
    listed = Listed(Path(os.path.abspath(manifest)).parent)
    root = os.path.join(listed.root, "")
    read = _path_in_json if manifest.suffix.lower() in JSON_LINES else str
    try:
        with open(manifest, encoding="utf-8-sig", errors="surrogateescape", newline="\n") as lines:
            for line in lines:
                if line := line.rstrip("\r\n"):
                    listed.lines += 1
                    _add_line(listed, part, line, read, root)
    except OSError as error:
        raise KdsharpError(f"{manifest} cannot be read ({error.strerror}): give a list of files.") from error
    if not listed.lines:
        raise KdsharpError(f"{manifest} names no file: write a path on each line.")
    return listed


def _add_line(listed: Listed, part: Shard, line: str, read: Callable[[str], str], root: str) -> None:
    try:
        given = read(line)
        place = _place(given, root)
    except (ValueError, KeyError, TypeError):
        if part.holds(line):
            listed.problems[line] = (
                f"'{line[:80]}' names no file: give a path, or JSON with \"path\" in .jsonl."
            )
        return
    _add(listed, part, given, place)


def _path_in_json(line: str) -> str:
    value = json.loads(line)
    path = value if isinstance(value, str) else value["path"]
    if not isinstance(path, str):
        raise TypeError(path)
    return path


def _place(given: str, root: str) -> str:
    """Where a path (relative to `root`, which ends in a slash) belongs below an output folder, whatever it is."""
    whole = os.path.normpath(os.path.join(root, given))
    if whole.startswith(root):
        place = whole[len(root) :]
    else:
        drive, below = os.path.splitdrive(whole)
        place = re.sub(r"[^\w]+", "", drive) + below if drive else below
    place = place.replace(os.sep, "/").strip("/")
    if not place or "\0" in place or given.endswith(("/", os.sep)):
        raise ValueError(given)
    return place


def _add(listed: Listed, part: Shard, given: str, place: str) -> None:
    plain = _plain(place)
    if not part.holds(plain):
        return
    place = place if plain == place else _free(listed.root, place, plain)
    other = listed.sources.setdefault(place, given)
    if other != given and os.path.normpath(listed.root / other) != os.path.normpath(listed.root / given):
        listed.problems[given] = f"{given} would become the same file as {other}: rename one of them."


def _plain(place: str) -> str:
    """The same place; pictures of formats that are not written get `.png` behind their names, such videos `.mkv`."""
    ending = os.path.splitext(place)[1].lower()
    if ending in FORMATS or ending in video.SUFFIXES:
        return place
    named = f"{place}.mkv" if ending in video.ONLY_READ else f"{place}.png"
    long = len(os.fsencode(named.rpartition("/")[2])) > LONGEST_NAME
    return os.path.splitext(place)[0] + named[-4:] if long else named


def _free(root: Path, place: str, plain: str) -> str:
    """`plain`, or a numbered name if another source has that: `c.bmp` beside `c.bmp.png` becomes `c.bmp.2.png`."""
    free, number = plain, 1
    while os.path.exists(root / free):
        number += 1
        free = f"{place}.{number}{plain[-4:]}"
    return free


def _walk(folder: str, below: str = "") -> Iterator[str]:
    """The files under a folder, sorted within each, as places with `/`; hidden ones aside. No file is looked at."""
    entries: Iterable[os.DirEntry] = sorted(
        os.scandir(os.path.join(folder, below)), key=lambda entry: entry.name
    )
    for entry in entries:
        if entry.name.startswith(HIDDEN):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(folder, f"{below}{entry.name}/")
        elif entry.is_file():
            yield below + entry.name
