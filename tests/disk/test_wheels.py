"""Wheels through pip: verified, fetched once, taken from nearer places first; every failure is one sentence."""

import hashlib
import importlib.abc
import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from kdsharp.disk import wheels
from kdsharp.errors import KdsharpError

# A platform tag and a Python tag that this test's Python need not have.
FILE = "kdsharp_made_up-1.0-cp312-none-manylinux1_x86_64.whl"
WEIGHTS = bytes(range(256)) * 40


def make_wheel(folder: Path, file: str = FILE) -> wheels.Wheel:
    """A wheel of a package that nobody has published, which pip takes for one."""
    package, version, *tag = file.removesuffix(".whl").split("-")
    folder.mkdir(parents=True, exist_ok=True)
    about = f"{package}-{version}.dist-info"
    with zipfile.ZipFile(folder / file, "w") as archive:
        archive.writestr(f"{package}/models/net.bin", WEIGHTS)
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        archive.writestr(
            f"{about}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {'-'.join(tag)}\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    content = (folder / file).read_bytes()
    return wheels.Wheel(
        package.replace("_", "-"), version, file, len(content), hashlib.sha256(content).hexdigest()
    )


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip knows."""
    for name, value in {
        "NO_INDEX": "1",
        "FIND_LINKS": str(tmp_path / "index"),
        "CONFIG_FILE": os.devnull,
    }.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    (tmp_path / "index").mkdir()
    return tmp_path / "index"


def place(root: Path) -> Path:
    return root / "data" / "wheels" / FILE


def refused(wheel: wheels.Wheel, *words: str) -> None:
    """`fetch` raises one sentence with these words."""
    with pytest.raises(KdsharpError) as error:
        wheels.fetch(wheel)
    text = str(error.value)
    assert "\n" not in text and text.endswith(".") and text.count(". ") == 0
    for word in words:
        assert word in text, text


def test_pip_brings_a_wheel_of_another_platform(index: Path, own_root: Path) -> None:
    wheel = make_wheel(index)
    path = wheels.fetch(wheel)
    assert path == place(own_root) and path.read_bytes() == (index / FILE).read_bytes()
    assert [left.name for left in path.parent.iterdir() if left.suffix != ".lock"] == [FILE]
    (index / FILE).unlink()
    assert wheels.fetch(wheel) == path  # once it is there, nobody is asked
    assert wheels.read(wheel, ["kdsharp_made_up/models/net.bin"]) == [WEIGHTS]
    with pytest.raises(KdsharpError, match=r"holds no kdsharp_made_up/models/other\.bin"):
        wheels.read(wheel, ["kdsharp_made_up/models/net.bin", "kdsharp_made_up/models/other.bin"])


def test_several_that_want_one_wheel_ask_once(
    index: Path, own_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel, asked = make_wheel(index), []

    def ask(wheel: wheels.Wheel, path: Path) -> None:
        asked.append(path)
        path.write_bytes((index / FILE).read_bytes())

    monkeypatch.setattr(wheels, "ask_pip", ask)
    with ThreadPoolExecutor(4) as pool:
        found = [one.result() for one in [pool.submit(wheels.fetch, wheel) for _ in range(4)]]
    assert found == [place(own_root)] * 4 and len(asked) == 1


@pytest.mark.parametrize("variable", ["KDSHARP_MIRROR", "KDSHARP_KEEP"])
def test_a_mirror_and_a_kept_copy_come_before_pip(
    variable: str, index: Path, own_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    near = tmp_path / "near"
    wheel = make_wheel(near if variable == "KDSHARP_MIRROR" else near / "data" / "wheels")
    monkeypatch.setenv(variable, str(near))
    assert wheels.fetch(wheel) == place(own_root)  # the index is empty
    place(own_root).unlink()
    stale = next(near.rglob(FILE))
    stale.write_bytes(stale.read_bytes()[:500])
    refused(wheel, "500 bytes instead of", "pip finds no kdsharp-made-up 1.0")
    assert stale.stat().st_size == 500 and not place(own_root).exists()


def test_what_pip_brought_is_kept(
    index: Path, own_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "drive").mkdir()
    monkeypatch.setenv("KDSHARP_KEEP", str(tmp_path / "drive"))
    wheels.fetch(make_wheel(index))
    assert (tmp_path / "drive" / "data" / "wheels" / FILE).read_bytes() == place(own_root).read_bytes()


def test_a_wrong_wheel_is_thrown_away(index: Path, own_root: Path) -> None:
    wheel = make_wheel(index)
    refused(replace(wheel, sha256="0" * 64), "pip gave a file that has the sha256", "thrown away")
    refused(replace(wheel, size=7), "bytes instead of 7", "thrown away")
    assert {left.suffix for left in place(own_root).parent.iterdir()} <= {".lock"}
    mine = place(own_root)
    mine.write_bytes(b"mine")  # what lies there is the user's: named, and left
    refused(wheel, FILE, "move it away")
    assert mine.read_bytes() == b"mine"


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_wheel_that_is_damaged_on_its_way(damage: str, index: Path, own_root: Path) -> None:
    wheel = make_wheel(index)
    content = bytearray((index / FILE).read_bytes())
    content[200] ^= 255
    (index / FILE).write_bytes(content[:5000] if damage == "cut" else content)
    refused(wheel, "Could not download", "pip")
    assert not place(own_root).exists()


def test_a_package_that_is_gone(index: Path) -> None:
    wheel = make_wheel(index)
    (index / FILE).unlink()
    make_wheel(index, FILE.replace("1.0", "1.1"))
    refused(wheel, "pip finds no kdsharp-made-up 1.0 in its package index")


def test_no_network(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(tmp_path)
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    refused(wheel, "pip could not reach its package index")


def test_a_python_without_pip(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As uv makes them; and this process does not look for one (setuptools would take it amiss before Python 3.12)."""
    looked_for = []

    class Watch(importlib.abc.MetaPathFinder):
        def find_spec(self, name: str, *_: object) -> None:
            looked_for.append(name)

    bare = tmp_path / "bare"
    venv.create(bare, with_pip=False)
    monkeypatch.setattr(sys, "executable", str(bare / ("Scripts" if os.name == "nt" else "bin") / "python"))
    monkeypatch.setattr(sys, "meta_path", [Watch(), *sys.meta_path])
    refused(make_wheel(index), "pip is not there in this Python", "ensurepip", "uv pip install pip")
    assert "pip" not in looked_for


@pytest.mark.parametrize(
    ("said", "understood"),
    [
        (
            "Traceback ...\nERROR: first\nERROR: no such option: --platform\n\n",
            "says: no such option: --platform",
        ),
        ("only words\nthe last ones.\n", "pip says: the last ones."),
        ("", "pip says: nothing."),
    ],
)
def test_other_failures_of_pip_are_told_by_their_last_line(
    said: str, understood: str, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], **_: object) -> subprocess.CompletedProcess:
        return subprocess.CompletedProcess(command, 2, "", said)

    monkeypatch.setattr(wheels.subprocess, "run", run)
    refused(make_wheel(index), understood)


def test_a_pip_that_hangs_is_stopped(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], timeout: float, **_: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(wheels.subprocess, "run", run)
    refused(make_wheel(index), "pip was not done after 15 minutes")


def test_another_file_than_the_pinned_one(index: Path) -> None:
    """The version is there, but built otherwise."""
    wheel = make_wheel(index, "kdsharp_made_up-1.0-py3-none-any.whl")
    refused(replace(wheel, file=FILE), "pip brought kdsharp_made_up-1.0-py3-none-any.whl instead")


@pytest.mark.parametrize("what", ["no room", "read-only"])
def test_a_disk_that_takes_nothing(
    what: str, index: Path, own_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(index)
    if what == "no room":
        usage: Callable = wheels.downloads.shutil.disk_usage(own_root)._replace
        monkeypatch.setattr(wheels.downloads.shutil, "disk_usage", lambda _: usage(free=100))
    else:
        (own_root / "data").write_text("a file where a folder should be")
    with pytest.raises(KdsharpError, match="free some space"):
        wheels.fetch(wheel)
