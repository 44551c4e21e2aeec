"""Downloads and archives under faults: nothing wrong gets a final name, nothing right is lost."""

import contextlib
import hashlib
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from kdsharp.disk import downloads
from kdsharp.errors import KdsharpError

PAYLOAD = np.random.default_rng(0).bytes(300_000)
SHA = hashlib.sha256(PAYLOAD).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves `server.payload`; `server.plan` says what goes wrong, and how many times (`times`)."""

    def do_GET(self) -> None:
        plan, payload = self.server.plan, self.server.payload
        self.server.requests.append(self.headers.get("Range"))
        faulty = len(self.server.requests) <= plan.get("times", 1_000_000)
        if self.path == "/missing" or (faulty and "status" in plan):
            self.send_error(404 if self.path == "/missing" else plan["status"])
            return
        if faulty and "page" in plan:
            self.send_response(200)
            self.send_header("Content-Type", plan.get("type", "application/zip"))
            self.end_headers()
            self.wfile.write(plan["page"])
            return
        start = 0
        if (wanted := self.headers.get("Range")) and not plan.get("no_ranges"):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(payload):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(payload)}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(payload) - 1}/{len(payload)}")
        else:
            self.send_response(200)
        body = payload[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        body = body[: plan.get("die_after", len(body))] if faulty else body
        pieces = (
            [body] if "slow" not in plan else [body[at : at + 10_000] for at in range(0, len(body), 10_000)]
        )
        for piece in pieces:
            with contextlib.suppress(ConnectionError):
                self.wfile.write(piece)
            time.sleep(plan.get("slow", 0))

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses between attempts."""
    monkeypatch.setattr(downloads, "_PAUSES", (0.0, 0.0))


@contextlib.contextmanager
def serve(payload: bytes = PAYLOAD, **plan: object) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.payload, server.plan, server.requests = payload, plan, []
    server.url = f"http://127.0.0.1:{server.server_port}/file"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def one_sentence(error: pytest.ExceptionInfo, *words: str) -> None:
    text = str(error.value)
    assert "\n" not in text and text.endswith(".")
    for word in words:
        assert word in text


def left(folder: Path) -> list[Path]:
    """What a download left: all but the lock."""
    return [path for path in folder.iterdir() if path.suffix != ".lock"]


def test_two_that_want_one_file_fetch_it_once(tmp_path: Path) -> None:
    with serve(slow=0.01) as server, ThreadPoolExecutor(2) as pool:
        asked = (server.url, tmp_path / "file.zip", SHA, len(PAYLOAD))
        both = [pool.submit(downloads.download, *asked) for _ in range(2)]
        assert [one.result() for one in both] == [tmp_path / "file.zip"] * 2
        assert server.requests == [None]
    assert (tmp_path / "file.zip").read_bytes() == PAYLOAD


def test_a_connection_that_breaks_is_taken_up_again(tmp_path: Path) -> None:
    path = tmp_path / "file.zip"
    with serve(die_after=70_000) as server:  # cut again and again
        downloads.download(server.url, path, SHA, len(PAYLOAD))
        assert server.requests == [
            None,
            *(f"bytes={start}-" for start in (70_000, 140_000, 210_000, 280_000)),
        ]
    assert path.read_bytes() == PAYLOAD and left(tmp_path) == [path]


def test_a_server_that_gives_up_leaves_a_part_to_resume(tmp_path: Path) -> None:
    path, part = tmp_path / "file.zip", tmp_path / "file.zip.part"
    part.write_bytes(PAYLOAD[:120_000])
    with serve(die_after=0) as server, pytest.raises(KdsharpError) as error:
        downloads.download(server.url, path, SHA, len(PAYLOAD))
    one_sentence(error, "file.zip", "try again")
    assert not path.exists() and part.read_bytes() == PAYLOAD[:120_000]
    with serve() as server:
        downloads.download(server.url, path, SHA, len(PAYLOAD))
        assert server.requests == ["bytes=120000-"]
    assert path.read_bytes() == PAYLOAD and not part.exists()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(tmp_path: Path, status: int) -> None:
    with serve(status=status, times=2) as server:
        downloads.download(server.url, tmp_path / "a", SHA)
        assert len(server.requests) == 3


def test_killed_in_the_middle_it_goes_on(tmp_path: Path) -> None:
    path, part = tmp_path / "file.zip", tmp_path / "file.zip.part"
    script = (
        "import sys; from kdsharp.disk import downloads; downloads._BLOCK = 10_000; "
        "downloads.download(sys.argv[1], sys.argv[2])"
    )
    with serve(slow=0.05) as server:
        child = subprocess.Popen(
            [sys.executable, "-c", script, server.url, str(path)], stderr=subprocess.DEVNULL
        )
        while not (part.exists() and part.stat().st_size) and child.poll() is None:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        child.wait()
    came = part.stat().st_size
    assert 0 < came < len(PAYLOAD) and not path.exists()
    with serve() as server:
        downloads.download(server.url, path, SHA, len(PAYLOAD))
        assert server.requests == [f"bytes={came}-"]
    assert path.read_bytes() == PAYLOAD


@pytest.mark.parametrize("length", [len(PAYLOAD), len(PAYLOAD) + 5])
def test_a_part_of_full_length_or_more(tmp_path: Path, length: int) -> None:
    """The server answers 416: a whole part is taken, one that is too long is fetched anew."""
    (tmp_path / "a.part").write_bytes((PAYLOAD + bytes(5))[:length])
    with serve() as server:
        downloads.download(server.url, tmp_path / "a", SHA)
    assert (tmp_path / "a").read_bytes() == PAYLOAD


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><title>Sign in</title>", b"\n <HTML>quota exceeded"])
@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/zip"])
def test_a_web_page_is_no_file_and_costs_no_part(tmp_path: Path, page: bytes, kind: str) -> None:
    part = tmp_path / "a.zip.part"
    part.write_bytes(PAYLOAD[:1000])
    with serve(page=page, type=kind) as server, pytest.raises(KdsharpError) as error:
        downloads.download(server.url, tmp_path / "a.zip")
    one_sentence(error, "web page")
    assert part.read_bytes() == PAYLOAD[:1000]


def test_what_is_urgent_is_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no network, or a server that closes the line; but a busy one, and one that sends, get time."""
    slept: list[float] = []
    monkeypatch.setattr(downloads.time, "sleep", slept.append)
    for url in ("http://no-such-host.invalid/a", "http://127.0.0.1:9/a"):
        with pytest.raises(KdsharpError, match="cannot be reached") as error:
            downloads.download(url, tmp_path / "a", urgent=True)
        one_sentence(error)
    assert not slept
    with serve(die_after=0) as server, pytest.raises(KdsharpError):
        downloads.download(server.url, tmp_path / "a", SHA, urgent=True)
    assert len(server.requests) == 1
    for plan in ({"status": 503, "times": 2}, {"die_after": 200_000}):
        with serve(**plan) as server:
            downloads.download(server.url, path := tmp_path / plan.popitem()[0], SHA, urgent=True)
        assert path.read_bytes() == PAYLOAD


def test_a_server_that_does_not_answer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_URGENT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a"
        began = time.monotonic()
        with pytest.raises(KdsharpError, match="timed out"):
            downloads.download(url, tmp_path / "a", urgent=True)
    assert time.monotonic() - began < 5


def test_other_sources_are_asked_last(tmp_path: Path) -> None:
    def asked(path: Path) -> None:
        path.write_bytes(PAYLOAD[: 1000 if path.name.startswith("wrong") else None])

    def refusing(_: Path) -> None:
        raise KdsharpError("has a day off")

    with serve() as server:
        others = {"the cellar": refusing, "the attic": asked}
        downloads.download(server.url, tmp_path / "a", SHA, others=others)
        assert len(server.requests) == 1
        missing = server.url.replace("/file", "/missing")
        downloads.download(missing, tmp_path / "b", SHA, len(PAYLOAD), others=others)
        assert (tmp_path / "b").read_bytes() == PAYLOAD
        with pytest.raises(KdsharpError) as error:
            downloads.download(missing, tmp_path / "wrong", SHA, others=others)
    one_sentence(error, "404", "the cellar has a day off", "the attic gave a file that has the sha256")
    assert {path.name for path in left(tmp_path)} == {"a", "b"}


def test_a_source_that_offers_another_size_is_left_at_once(tmp_path: Path) -> None:
    with serve() as wrong, serve() as right:
        with pytest.raises(KdsharpError, match="300000 bytes instead of 7"):
            downloads.download(wrong.url, tmp_path / "a", size=7)
        assert left(tmp_path) == []
        downloads.download([wrong.url + "x", right.url], tmp_path / "a", SHA, len(PAYLOAD))


def test_a_source_with_another_content_is_followed_by_the_next(tmp_path: Path) -> None:
    with serve(page=b"some other file") as wrong, serve() as right:
        downloads.download([wrong.url, right.url], tmp_path / "a", SHA)
    assert (tmp_path / "a").read_bytes() == PAYLOAD


def test_a_mirror_folder_comes_before_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = tmp_path / "mirror with spaces"
    mirror.mkdir()
    (mirror / "file").write_bytes(PAYLOAD)
    monkeypatch.setenv("KDSHARP_MIRROR", str(mirror))
    with serve() as server:
        downloads.download(server.url, tmp_path / "a", SHA)
        assert server.requests == [] and (tmp_path / "a").read_bytes() == PAYLOAD
        (mirror / "file").write_bytes(b"stale")
        downloads.download(server.url, tmp_path / "b", SHA)
        assert (tmp_path / "b").read_bytes() == PAYLOAD and (mirror / "file").read_bytes() == b"stale"
    monkeypatch.setenv("KDSHARP_MIRROR", str(tmp_path / "nowhere"))
    with pytest.raises(KdsharpError, match="KDSHARP_MIRROR"):
        downloads.download(server.url, tmp_path / "c")


def test_no_room_is_said_before_a_byte_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = downloads.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with serve() as server, pytest.raises(KdsharpError) as error:
        downloads.download(server.url, tmp_path / "a", SHA)
    one_sentence(error, "free some space")
    assert left(tmp_path) == []


def test_server_without_ranges_starts_over(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    with serve(no_ranges=True) as server:
        downloads.download(server.url, path, SHA)
    assert path.read_bytes() == PAYLOAD


def test_wrong_hash_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    with serve() as server, pytest.raises(KdsharpError) as error:
        downloads.download(server.url, path, "0" * 64)
    one_sentence(error, "weights.pth", "sha256")
    assert left(tmp_path) == []


def test_a_wrong_file_of_the_user_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"mine")
    with pytest.raises(KdsharpError) as error:
        downloads.download("http://127.0.0.1:1/never", path, SHA)
    one_sentence(error, "weights.pth", "move it away")
    assert path.read_bytes() == b"mine"


def test_second_source_is_tried_when_the_first_answers_404(tmp_path: Path) -> None:
    with serve() as server:
        missing = server.url.replace("/file", "/missing")
        downloads.download([missing, server.url], tmp_path / "a", SHA)
    assert (tmp_path / "a").read_bytes() == PAYLOAD


def test_no_source_answers(tmp_path: Path) -> None:
    with serve(status=404) as server, pytest.raises(KdsharpError) as error:
        downloads.download(server.url, tmp_path / "a")
    one_sentence(error, "404")


def test_a_finished_download_is_not_fetched_again(tmp_path: Path) -> None:
    with serve() as server:
        downloads.download(server.url, tmp_path / "a", SHA)
        downloads.download(server.url, tmp_path / "a", SHA)
        assert len(server.requests) == 1


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name in ("a.png", "folder/b.png"):
            opened.writestr(name, PAYLOAD[:50_000])
    return path


def test_unpack_goes_on_where_it_stopped(archive: Path, tmp_path: Path) -> None:
    folder = downloads.unpack(archive, tmp_path / "out")
    first = (folder / "a.png").stat().st_mtime_ns
    for wrong in (b"half", bytes(50_000)):  # cut short; or of the right size, with another content
        (folder / "folder" / "b.png").write_bytes(wrong)
        downloads.unpack(archive, folder)
    assert (folder / "folder" / "b.png").read_bytes() == PAYLOAD[:50_000]
    assert (folder / "a.png").stat().st_mtime_ns == first


@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_corrupt_zip_is_named(archive: Path, tmp_path: Path, damage: str) -> None:
    content = bytearray(archive.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flipped":
        content[20_000] ^= 255
    else:
        content = bytearray(b"this is no zip")
    archive.write_bytes(content)
    with pytest.raises(KdsharpError) as error:
        downloads.unpack(archive, tmp_path / "out")
    one_sentence(error, "photos.zip")
    assert not (tmp_path / "out" / "a.png").exists()  # the damaged member never appears under its name


@pytest.mark.parametrize("name", ["../outside.txt", "/{}/outside.txt", "a/../../outside.txt"])
def test_unpack_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as opened:
        opened.writestr(name.format(tmp_path), "x")
    with pytest.raises(KdsharpError, match="outside"):
        downloads.unpack(tmp_path / "evil.zip", tmp_path / "out")
    assert not (tmp_path / "outside.txt").exists()


def test_a_file_without_a_name_is_damage(tmp_path: Path) -> None:
    """zipfile ends a name at a zero byte; Python 3.11 then raises IndexError, 3.12 writes to the folder itself."""
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("Q", b"a photograph")
    archive.write_bytes(archive.read_bytes().replace(b"Q", b"\0"))
    with pytest.raises(KdsharpError, match=r"photos\.zip is damaged"):
        downloads.unpack(archive, tmp_path / "out")


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("a.png", bytes(50_000_000))
    with pytest.raises(KdsharpError, match="more than 100 times"):
        downloads.unpack(tmp_path / "bomb.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_zip_without_room_is_not_begun(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = downloads.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(KdsharpError, match="free some space"):
        downloads.unpack(archive, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_unpacking_killed_in_the_middle_goes_on(tmp_path: Path) -> None:
    path, folder = tmp_path / "photos.zip", tmp_path / "out"
    with zipfile.ZipFile(path, "w") as opened:
        for number in range(300):
            opened.writestr(f"{number:04d}.png", PAYLOAD)
    script = "import sys; from kdsharp.disk import downloads; downloads.unpack(sys.argv[1], sys.argv[2])"
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(path), str(folder)], stderr=subprocess.DEVNULL
    )
    while not (folder / "0010.png").exists() and child.poll() is None:
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert all(done.read_bytes() == PAYLOAD for done in folder.glob("*.png"))  # none is half
    downloads.unpack(path, folder)
    assert len(list(folder.glob("*.png"))) == 300
    assert all(done.read_bytes() == PAYLOAD for done in folder.glob("*.png"))
