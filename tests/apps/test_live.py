"""What the page in the browser consists of: the pinned runtime, the networks, the headers, static files, the wheel."""

import dataclasses
import os
import re
import stat
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from kdsharp import recipes
from kdsharp.apps import live
from kdsharp.apps.cli import main
from kdsharp.apps.live import runtime, site
from kdsharp.deploy import shaders, sharpen
from kdsharp.disk import checkpoints
from kdsharp.errors import KdsharpError
from kdsharp.student import build, load_network

ROOT = Path(__file__).resolve().parents[2]
STUDENTS = live.named(["call-s", "x4-s"])


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pages without a runtime beside them."""
    monkeypatch.setattr(runtime, "PAGES", tmp_path / "pages")
    return tmp_path / "pages"


def fake_npm(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    folder.mkdir()
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(npm.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_without_npm_it_says_what_to_install(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["web", "--runtime"]) == 2
    assert "Node.js" in capsys.readouterr().err and not elsewhere.exists()


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands in for npm")
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'npm error network down' >&2; exit 1", "npm error network down"),
        ("exit 0", "could not fetch"),
        (f'echo evil > "$4/{live.RUNTIME}.tgz"', "not the package that is pinned"),
    ],
    ids=["no network", "no file", "another package"],
)
def test_a_runtime_that_does_not_come_leaves_nothing(
    elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    fake_npm(tmp_path / "bin", monkeypatch, script)
    with pytest.raises(KdsharpError, match=said):
        live.fetch_runtime()
    assert live.runtime_dir() is None and not elsewhere.exists()


def test_a_runtime_with_a_missing_file_is_none(elsewhere: Path) -> None:
    folder = elsewhere / live.RUNTIME
    folder.mkdir(parents=True)
    for name in runtime.FILES:
        assert live.runtime_dir() is None
        (folder / name).write_text("")
    assert live.runtime_dir() == folder


def test_the_site_lists_networks_of_luma_under_short_names(tmp_path: Path) -> None:
    mine = tmp_path / "my own #1.safetensors"
    mine.write_bytes(checkpoints.find("call-s").read_bytes())
    found = site.networks_of(live.named(["call-s", "x4-s", "x4", mine]))  # x4 works on colours
    assert [network["name"] for network in found] == ["call-s", "x4-s", "my own #1"]
    assert found[2]["file"] == "networks/my%20own%20%231.onnx"
    assert [network["scale"] for network in found] == [1, 4, 1]
    assert found[0]["multiple"] == load_network("call-s")[0].multiple
    with pytest.raises(KdsharpError, match="nothing-of-the-kind"):
        site.networks_of(live.named(["nothing-of-the-kind"]))


def test_a_network_that_no_shader_is_written_for_is_the_processors(tmp_path: Path) -> None:
    """One that is wider than graphics cards are sure to take."""
    recipe = recipes.preset("call-xs")
    wide = recipes.Network("student", recipe.student.options | {"channels": 48})
    path = checkpoints.save(
        tmp_path / "wide.safetensors", build(wide), dataclasses.replace(recipe, student=wide)
    )
    described = [*site.networks_of(live.named([path])), *site.networks_of(live.named(["call-s"]))]
    assert [site.kinds_of(network) for network in described] == [["file", "int8"], ["file", "int8", "wgsl"]]


def test_static_files_are_for_a_new_folder_and_need_the_runtime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    monkeypatch.setattr(runtime, "runtime_dir", lambda: tmp_path)
    with pytest.raises(KdsharpError, match="not empty"):
        live.write_static(tmp_path, STUDENTS)
    monkeypatch.setattr(runtime, "runtime_dir", lambda: None)
    with pytest.raises(KdsharpError, match="--runtime"):
        live.write_static(tmp_path / "new", STUDENTS)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_pages_ask_nobody_else() -> None:
    """No address of another host is loaded, and nothing runs that is written into a page (the policy forbids both)."""
    for path in filter(Path.is_file, runtime.PAGES.iterdir()):
        text = path.read_text(encoding="utf-8")
        assert not re.findall(r"""(?:src|href|import|fetch|url)\W{1,3}(?:https?:)?//""", text), path.name
        if path.suffix == ".html":
            assert not re.findall(r"\son\w+=|<script(?![^>]*\ssrc=)", text), path.name


@pytest.fixture
def client():
    pytest.importorskip("waitress")
    pytest.importorskip("flask")
    from kdsharp.apps import web

    return web.create_app(students=("call-s", "x4-s")).test_client()


def test_pages_are_isolated_so_that_threads_can_share_memory(client) -> None:
    for address in ("/live/", "/live/worker.js", "/live/site.json", "/live/networks/call-s.onnx"):
        answer = client.get(address)
        assert answer.status_code == 200
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        policy = answer.headers["Content-Security-Policy"]
        assert "script-src 'self' 'wasm-unsafe-eval';" in policy and "default-src 'self'" in policy


def test_networks_are_opened_once_and_not_for_every_visitor(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("waitress")
    pytest.importorskip("flask")
    from kdsharp.apps import web

    client = web.create_app(students=("call-s", "x4-s")).test_client()
    described = client.get("/live/site.json").json
    first = client.get("/live/networks/call-s.onnx").data

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a network was opened for a request")

    monkeypatch.setattr(site, "OnnxNetwork", never)
    monkeypatch.setattr(sharpen, "OnnxNetwork", never)
    for _ in range(3):
        assert client.get("/live/site.json").json == described
        assert client.get("/live/networks/call-s.onnx").data == first
    assert [network["name"] for network in described["networks"]] == ["call-s", "x4-s"]


def test_networks_are_the_exported_files(client) -> None:
    source = checkpoints.find("call-s")
    for name, int8 in (("call-s.onnx", False), ("call-s.int8.onnx", True)):
        expected = sharpen.exported_file(source, int8).read_bytes()
        assert client.get(f"/live/networks/{name}").data == expected
    assert client.get("/live/networks/call-s.wgsl").text == shaders.text(source, ".wgsl")


@pytest.mark.parametrize(
    "address",
    [
        "networks/blur-s.onnx",
        "networks/..%2fcall-s.onnx",
        "../web.py",
        "live.py",
        "upload.html",
        "onnxruntime-license.txt",
        f"{live.RUNTIME}/..%2flive.html",
        f"{live.RUNTIME}/nothing.mjs",
    ],
)
def test_nothing_else_is_served(client, address: str) -> None:
    assert client.get(f"/live/{address}").status_code == 404


def test_without_the_runtime_the_rest_works(client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "runtime_dir", lambda: None)
    assert client.get("/live/site.json").json["runtime"] is None
    assert client.get("/live/").status_code == 200 and client.get("/").status_code == 200


def test_an_unknown_student_is_said_before_anybody_comes(client) -> None:
    from kdsharp.apps import web

    with pytest.raises(KdsharpError, match="nothing-of-the-kind"):
        web.create_app(students=("call-s", "nothing-of-the-kind"))


def test_only_a_notebooks_page_may_be_framed(client) -> None:
    from kdsharp.apps import web

    assert "frame-ancestors 'self'" in client.get("/").headers["Content-Security-Policy"]
    framed = web.create_app(framed=True, students=("call-s",)).test_client().get("/")
    assert "frame-ancestors" not in framed.headers["Content-Security-Policy"]


def test_in_colab_the_page_goes_through_colabs_own_frame(client, monkeypatch: pytest.MonkeyPatch) -> None:
    from kdsharp.apps import web

    asked: list[tuple] = []
    colab = ModuleType("google.colab")
    colab.output = SimpleNamespace(
        serve_kernel_port_as_iframe=lambda port, **rest: asked.append((port, rest))
    )
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    server = web.in_notebook("live/", height=500, students=("call-s",))
    try:
        assert asked == [(server.effective_port, {"path": "/live/", "height": "500"})]
        with urllib.request.urlopen(f"http://127.0.0.1:{server.effective_port}/live/site.json") as answer:
            assert b"call-s" in answer.read()
    finally:
        server.close()


@pytest.mark.heavy
def test_a_wheel_has_the_pages_and_the_runtime(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    if live.runtime_dir() is None:
        pytest.skip("onnxruntime-web is not here: `make web` fetches it, with Node's npm")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(tmp_path / "installed")
    look = "from kdsharp.apps import live; print(live.runtime_dir()); print(live.html('live.html'))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    environment.pop("KDSHARP_ROOT", None)
    done = subprocess.run(
        [sys.executable, "-c", look],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(str(tmp_path / "installed")) and "<h1>Sharpen live" in done.stdout
    assert (tmp_path / "installed" / "kdsharp" / "apps" / "pages" / live.RUNTIME / "LICENSE").is_file()
