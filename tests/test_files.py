"""Downloads and archives under faults: nothing wrong gets a final name, nothing right is lost."""

import contextlib
import hashlib
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from kdsharp import files
from kdsharp.errors import KdsharpError

PAYLOAD = np.random.default_rng(0).bytes(300_000)
SHA = hashlib.sha256(PAYLOAD).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves PAYLOAD; `server.plan` says what goes wrong."""

    def do_GET(self) -> None:
        plan = self.server.plan
        self.server.requests.append(self.headers.get("Range"))
        if plan.get("missing") or self.path == "/missing":
            self.send_error(404)
            return
        start = 0
        if (wanted := self.headers.get("Range")) and not plan.get("no_ranges"):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(PAYLOAD) - 1}/{len(PAYLOAD)}")
        else:
            self.send_response(200)
        body = PAYLOAD[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: plan.get("die_after", len(body))])

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serve(**plan: object) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.plan, server.requests = plan, []
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


def test_interrupted_download_is_resumed_where_it_broke(tmp_path: Path) -> None:
    path = tmp_path / "file.zip"
    with serve(die_after=120_000) as server, pytest.raises(KdsharpError) as error:
        files.download(server.url, path, SHA, len(PAYLOAD))
    one_sentence(error, "file.zip", "try again")
    assert not path.exists()
    part = tmp_path / "file.zip.part"
    assert part.read_bytes() == PAYLOAD[:120_000]
    with serve() as server:
        files.download(server.url, path, SHA, len(PAYLOAD))
        assert server.requests == ["bytes=120000-"]
    assert path.read_bytes() == PAYLOAD and not part.exists()


def test_server_without_ranges_starts_over(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    with serve(no_ranges=True) as server:
        files.download(server.url, path, SHA)
    assert path.read_bytes() == PAYLOAD


def test_wrong_hash_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    with serve() as server, pytest.raises(KdsharpError) as error:
        files.download(server.url, path, "0" * 64)
    one_sentence(error, "weights.pth", "sha256")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_file_of_the_user_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"mine")
    with pytest.raises(KdsharpError) as error:
        files.download("http://127.0.0.1:1/never", path, SHA)
    one_sentence(error, "weights.pth", "move it away")
    assert path.read_bytes() == b"mine"


def test_second_source_is_tried_when_the_first_answers_404(tmp_path: Path) -> None:
    with serve() as server:
        missing = server.url.replace("/file", "/missing")
        files.download([missing, server.url], tmp_path / "a", SHA)
    assert (tmp_path / "a").read_bytes() == PAYLOAD


def test_no_source_answers(tmp_path: Path) -> None:
    with serve(missing=True) as server, pytest.raises(KdsharpError) as error:
        files.download(server.url, tmp_path / "a")
    one_sentence(error, "404")


def test_a_finished_download_is_not_fetched_again(tmp_path: Path) -> None:
    with serve() as server:
        files.download(server.url, tmp_path / "a", SHA)
        files.download(server.url, tmp_path / "a", SHA)
        assert len(server.requests) == 1


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name in ("a.png", "folder/b.png"):
            opened.writestr(name, PAYLOAD[:50_000])
    return path


def test_unpack_goes_on_where_it_stopped(archive: Path, tmp_path: Path) -> None:
    folder = files.unpack(archive, tmp_path / "out")
    first = (folder / "a.png").stat().st_mtime_ns
    (folder / "folder" / "b.png").write_bytes(b"half")
    files.unpack(archive, folder)
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
        files.unpack(archive, tmp_path / "out")
    one_sentence(error, "photos.zip")
    assert not (tmp_path / "out" / "a.png").exists()  # the damaged member never appears under its name


def test_unpack_stays_in_its_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as opened:
        opened.writestr("../outside.txt", "x")
    with pytest.raises(KdsharpError, match="outside"):
        files.unpack(tmp_path / "evil.zip", tmp_path / "out")
    assert not (tmp_path / "outside.txt").exists()


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
