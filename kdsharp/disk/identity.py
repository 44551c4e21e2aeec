"""What things are, by their content: a file of the same name may hold another photograph, and one photograph may lie in
two places.

Whatever comes back from a cache (a target store, a kept copy, a checkpoint) was made from photographs, networks and a
recipe; it is used again only for the very same.
"""

import contextlib
import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from kdsharp.disk import files
from kdsharp.errors import KdsharpError

if TYPE_CHECKING:
    from torch import nn

SETTLED_SECONDS = 2.0  # some file systems count time in steps of two seconds
_TOGETHER = 1024  # a million files at once would be a million futures
_WORDS = {"teacher": "teacher", "photographs": "set of photographs"}


def digest(description: Any) -> str:
    """SHA-256, in hexadecimal, of anything that JSON can hold; the order of an object's keys does not matter."""
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def differences(found: dict, wanted: dict) -> list[str]:
    """In what two descriptions differ, in words for a message: recipe, teacher, set of photographs."""
    keys = [key for key in {**found, **wanted} if found.get(key) != wanted.get(key)]
    return sorted({_WORDS.get(key, "recipe") for key in keys})


def of_network(network: "nn.Module") -> str:
    """SHA-256 of a network's class and weights, on whatever device they lie."""
    import torch

    found = hashlib.sha256(type(network).__qualname__.encode())
    for name, value in network.state_dict().items():
        found.update(f"{name} {value.dtype} {tuple(value.shape)};".encode())
        found.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def of_files(paths: list[Path]) -> list[str | None]:
    """SHA-256 of each file; None for one that cannot be read.

    Digests are remembered in build/digests.json: a file is read again only when its size, times or inode have changed.
    """
    memory = files.work_dir() / "digests.json"
    known, now = _remembered(memory), time.time_ns()

    def look(path: Path) -> tuple[str, list[int], str] | None:
        path = path.absolute()
        try:
            about = path.stat()
            stamp = [about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino]
            before, value = known.get(str(path), (None, None))
            return str(path), stamp, value if before == stamp else files.sha256(path)
        except OSError:
            return None

    found = []
    with (
        ThreadPoolExecutor() as pool,
        tqdm(desc="checking files", total=len(paths), unit="file", delay=2, leave=False) as progress,
    ):
        for start in range(0, len(paths), _TOGETHER):
            found += pool.map(look, paths[start : start + _TOGETHER])
            progress.update(len(found) - start)
    # Who writes twice in one tick of the file system's clock leaves the same times: too young a file is not remembered.
    settled = now - SETTLED_SECONDS * 1e9
    fresh = {name: [stamp, value] for name, stamp, value in filter(None, found) if max(stamp[1:3]) < settled}
    if not fresh.items() <= known.items():
        with contextlib.suppress(KdsharpError):  # no room for it: the files are read again next time
            files.write_json(memory, known | fresh)
    return [one and one[2] for one in found]


def _remembered(memory: Path) -> dict[str, list]:
    """Stamp and digest of files by path; nothing where the memory is missing or damaged."""
    try:
        found = files.read_json(memory)
    except KdsharpError:
        return {}
    return found if isinstance(found, dict) and all(_is_entry(entry) for entry in found.values()) else {}


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, list) and [type(part) for part in entry] == [list, str]
