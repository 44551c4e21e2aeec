"""Writing: whole or not at all, and a full or forbidden disk is said in one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kdsharp import files
from kdsharp.errors import KdsharpError


def test_atomic_write_keeps_the_old_file_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    path.write_bytes(b"good")
    with pytest.raises(RuntimeError), files.atomic_write(path) as handle:
        handle.write(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"good" and list(tmp_path.iterdir()) == [path]


def test_missing_assets_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDSHARP_ASSETS", "/no/such/folder")
    with pytest.raises(KdsharpError, match="/no/such/folder"):
        files.assets_dir()


def test_a_full_disk_is_said_and_keeps_the_old_file(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: writing fails half-way, as it does there."""
    path = tmp_path / "checkpoint"
    path.write_bytes(b"good")
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from kdsharp import files\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "with files.atomic_write(Path(sys.argv[1])) as handle:\n"
        "    handle.write(bytes(300_000))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True)
    assert "KdsharpError: Cannot write to" in done.stderr and "free some space" in done.stderr
    assert path.read_bytes() == b"good" and list(tmp_path.iterdir()) == [path]


def test_a_full_device_is_said() -> None:
    with pytest.raises(KdsharpError, match="No space left"), files.writing(Path("/dev/full")):
        Path("/dev/full").write_bytes(b"x" * 10)


def test_a_read_only_folder_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "ours"
    folder.mkdir()
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("the administrator may write everywhere")
    with (
        pytest.raises(KdsharpError, match="choose another folder"),
        files.atomic_write(folder / "a") as handle,
    ):
        handle.write(b"x")


def test_a_file_in_the_way_of_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"mine")
    with (
        pytest.raises(KdsharpError, match="choose another folder"),
        files.atomic_write(tmp_path / "taken" / "a"),
    ):
        pass
    assert (tmp_path / "taken").read_bytes() == b"mine"
