"""Writing: whole or not at all, and a full or forbidden disk is said in one sentence."""

import os
import signal
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kdsharp.disk import files
from kdsharp.errors import KdsharpError


def test_atomic_write_keeps_the_old_file_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    path.write_bytes(b"good")
    with pytest.raises(RuntimeError), files.atomic_write(path) as handle:
        handle.write(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"good" and list(tmp_path.iterdir()) == [path]


def test_threads_that_write_one_file_leave_a_whole_one(tmp_path: Path) -> None:
    """Sixteen threads meet between opening and writing: each file is one thread's, and whole."""
    path, together = tmp_path / "history.json", threading.Barrier(16)

    def write(number: int) -> None:
        with files.atomic_write(path) as handle:
            together.wait()
            for _ in range(50):
                handle.write(bytes([number]) * 1000)
                handle.flush()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(16)))
    content = path.read_bytes()
    assert len(content) == 50_000 and len(set(content)) == 1 and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["n" * 255, "я" * 127, "写" * 85])
def test_a_name_as_long_as_names_may_be(tmp_path: Path, name: str) -> None:
    files.write_json(tmp_path / name, [1])
    assert files.read_json(tmp_path / name) == [1]


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        files.write_json(tmp_path / "ours", 1)
        (tmp_path / "plain").touch()
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "plain").stat().st_mode
    )


HOLD = """
import sys, time
from pathlib import Path
from kdsharp.disk import files
with files.only_one(Path(sys.argv[1])), files.atomic_write(Path(sys.argv[1]) / "a") as handle:
    print("here", flush=True)
    time.sleep(60)
"""


def test_one_run_a_folder_and_a_killed_one_leaves_it_free(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    other.stdout.readline()
    with pytest.raises(KdsharpError, match=r"Another run is writing to .*choose another folder"):
        files.only_one(tmp_path).__enter__()
    with files.only_one(tmp_path, "part"), files.only_one(tmp_path / "new"):
        pass
    (left,) = tmp_path.glob(".kdsharp-unfinished-*")
    other.send_signal(signal.SIGKILL)
    other.wait()
    with files.only_one(tmp_path):
        assert left.exists(), "somebody else may be writing it"
        with pytest.raises(KdsharpError, match="Another run"), files.only_one(tmp_path):
            pass  # nor does a second run in this process get in
    os.utime(left, (0, 0))
    with files.only_one(tmp_path):
        assert not left.exists()


def test_a_second_one_may_wait(tmp_path: Path) -> None:
    entered, order = threading.Event(), []

    def second() -> None:
        entered.set()
        with files.only_one(tmp_path, wait=True):
            order.append("second")

    with ThreadPoolExecutor(1) as pool, files.only_one(tmp_path):
        waiting = pool.submit(second)
        entered.wait()
        with pytest.raises(TimeoutError):
            waiting.result(0.2)
        order.append("first")
    assert order == ["first", "second"]


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
        "from kdsharp.disk import files\n"
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
