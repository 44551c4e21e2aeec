"""The network in a real browser: on a picture, a fake camera and a shared screen, without a server and on a phone.

What it shows must be what Python computes, within 2 of 255.
"""

import base64
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from kdsharp import data
from kdsharp.apps import live, pictures
from kdsharp.deploy import sharpen
from kdsharp.disk import checkpoints

playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("flask")
waitress = pytest.importorskip("waitress.server")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import browser_lane  # noqa: E402

from kdsharp.apps import web  # noqa: E402 (it is of use with Flask only)

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(
        live.runtime_dir() is None,
        reason="onnxruntime-web is not here: `make web` fetches it, with Node's npm",
    ),
]
CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
PIXELS = """id => {
    const canvas = document.getElementById(id), context = canvas.getContext("2d");
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
    let text = "";
    for (let at = 0; at < pixels.length; at += 8192) text += String.fromCharCode(...pixels.subarray(at, at + 8192));
    return [canvas.height, canvas.width, btoa(text)];
}"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(web.STUDENTS) as where:
        yield where


@contextmanager
def serving(students: tuple[str, ...]) -> Iterator[str]:
    served = waitress.create_server(web.create_app(students=students), host="127.0.0.1", port=0, threads=8)
    threading.Thread(target=served.run, daemon=True).start()
    yield f"http://127.0.0.1:{served.effective_port}/live/"
    served.close()


@pytest.fixture
def visit(address: str) -> Iterator[Callable]:
    """Open the page in a browser with some switches; what it complains of is kept."""
    if (program := browser_lane.chromium()) is None:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as started:
        browsers = []

        def opened(*switches: str, url: str = address, wait: str = "Ready.", **options: Any) -> Any:
            browsers.append(started.chromium.launch(executable_path=program, args=list(switches)))
            context = browsers[-1].new_context(viewport={"width": 1280, "height": 900}, **options)
            page, page_complaints, asked = context.new_page(), [], []
            page.complaints, page.asked = page_complaints, asked
            page.on("console", lambda said: said.type == "error" and page_complaints.append(said.text))
            page.on("pageerror", lambda error: page_complaints.append(str(error)))
            context.on("request", lambda request: asked.append((request.method, request.url)))
            page.goto(url)
            if wait:
                says(page, wait)
            return page

        yield opened
        for browser in browsers:
            browser.close()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return data.write_image(tmp_path / "a face.png", received(203, 301))  # no multiple of anything


def received(height: int, width: int) -> np.ndarray:
    """A picture as a poor call brings it: a good one would be left alone by students with restraint."""
    image = data.read_image(data.embedded_photos("val")[0])[100 : 100 + height, 100 : 100 + width]
    small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


@pytest.fixture(scope="module")
def camera_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the fake camera films: received frames of a call, moving, as YUV4MPEG2 of 640x360."""
    photo = cv2.resize(
        data.read_image(data.embedded_photos("val")[0]), (1024, 1024), interpolation=cv2.INTER_AREA
    )
    path = tmp_path_factory.mktemp("camera") / "call.y4m"
    with open(path, "wb") as handle:
        handle.write(b"YUV4MPEG2 W640 H360 F30:1 Ip A1:1 C420jpeg\n")
        for number in range(30):
            sharp = photo[2 * number : 2 * number + 360, 150 + 4 * number : 790 + 4 * number]
            coded = cv2.imencode(
                ".jpg", cv2.resize(sharp[..., ::-1], (320, 180), interpolation=cv2.INTER_AREA)
            )[1]
            frame = cv2.resize(cv2.imdecode(coded, cv2.IMREAD_COLOR), (640, 360))
            handle.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420).tobytes())
    return path


class Quiet(SimpleHTTPRequestHandler):
    """Static files of a folder, on another origin than the page's."""

    def log_message(self, *_: object) -> None:
        pass


def says(page: Any, text: str, seconds: float = 60) -> None:
    page.wait_for_selector(f"#message:has-text('{text}')", timeout=1000 * seconds)


def pixels(page: Any, name: str) -> np.ndarray:
    height, width, text = page.evaluate(PIXELS, name)
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)[..., :3].copy()


def choose(page: Any, name: str, value: str) -> None:
    page.select_option(name, value)
    page.wait_for_selector("#message:not(:has-text('Loading'))")


def difference(
    page: Any, student: str = "call-s", strength: float = 1.0, engine: str = "onnx-int8", good: bool = False
) -> int:
    """Between what the page shows and what Python makes of its left side; a page may need a moment to show it.

    Unless the picture may be `good`, and so left alone, both sides must differ.
    """
    ready, found = sharpen.load_student(student, engine=engine), 255
    for _ in range(40):
        before, after = pixels(page, "before"), pixels(page, "after")
        expected = pictures.sharpened(pictures.Picture(before), ready, strength).colours
        changed = before.shape != after.shape or good or not np.array_equal(before, after)
        if changed and np.ptp(before) > 100 and expected.shape == after.shape:
            found = int(np.abs(expected.astype(int) - after).max())
            if found <= 2:
                break
        page.wait_for_timeout(250)
    return found


def test_every_network_on_a_picture_and_nothing_is_sent(visit: Callable, picture: Path, address: str) -> None:
    page = visit()
    for student in web.STUDENTS:
        choose(page, "#student", student)
        page.set_input_files("#picture", [])
        page.set_input_files("#picture", picture)
        says(page, "Done.")
        assert np.array_equal(pixels(page, "before"), data.read_image(picture))
        assert difference(page, student) <= 2, student
        page.evaluate("document.getElementById('message').textContent = 'Ready.'")
    assert "WebAssembly in 8 bits" in page.inner_text("#rate") and page.complaints == []
    assert {method for method, _ in page.asked} == {"GET"}
    root = address.removesuffix("live/")
    assert all(url.startswith((root, f"blob:{root}", "data:")) for _, url in page.asked), page.asked


def test_strength_and_32_bits(visit: Callable, picture: Path) -> None:
    page = visit()
    page.set_input_files("#picture", picture)
    says(page, "Done.")
    page.focus("#strength")
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(100)
    page.wait_for_timeout(500)
    says(page, "Done.")
    assert page.inner_text("#said") == "0.5"
    assert difference(page, strength=0.5) <= 2
    for _ in range(5):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(100)
    page.select_option("#engine", "wasm")
    page.wait_for_selector("#rate:has-text('WebAssembly, ')")
    assert difference(page, engine="onnx") <= 2


def test_a_picture_can_be_dropped(visit: Callable, picture: Path, drop: Callable) -> None:
    page = visit()
    drop(page, picture)
    says(page, "Done.")
    assert np.array_equal(pixels(page, "before"), data.read_image(picture)) and difference(page) <= 2


@pytest.mark.parametrize("kind", ["good", "between"])
def test_restraint_is_as_in_python(visit: Callable, tmp_path: Path, kind: str) -> None:
    good, poor = data.read_image(data.embedded_photos("val")[0])[100:303, 100:401], received(203, 301)
    student = sharpen.load_student("call-s", engine="onnx-int8")
    for share in np.linspace(0, 1, 41):
        image = cv2.addWeighted(good, 1 - share, poor, share, 0)
        answer, free = student(image).astype(int), student.unrestrained()(image).astype(int)
        found = np.abs(answer - image).sum() / np.abs(free - image).sum()
        if found == 0 if kind == "good" else 0.1 < found < 0.9:
            break
    else:
        pytest.fail("no such picture between a good and a poor one")
    page = visit()
    page.set_input_files("#picture", data.write_image(tmp_path / "picture.png", image))
    says(page, "Done.")
    assert difference(page, good=kind == "good") <= 2
    assert np.array_equal(pixels(page, "before"), pixels(page, "after")) == (kind == "good")


def test_the_page_takes_what_keeps_up(visit: Callable, picture: Path) -> None:
    page = visit()
    page.select_option("#size", "1280x720")
    choose(page, "#student", "call")
    page.set_input_files("#picture", picture)
    says(page, "Done.")
    said = page.inner_text("#rate")
    tried = re.findall(r"(call-\w+): (\d+) ms a frame of 1280 x 720", said)
    assert tried and tried[-1][0] in ("call-m", "call-s", "call-xs"), said
    assert all(int(ms) > 40 for _, ms in tried[:-1]) and (
        int(tried[-1][1]) <= 40 or tried[-1][0] == "call-xs"
    )
    assert difference(page, tried[-1][0]) <= 2
    kept = page.evaluate("localStorage.getItem('call wasm-int8 1280x720')")
    choose(page, "#student", "call-s")
    choose(page, "#student", "call")
    page.set_input_files("#picture", [])
    page.set_input_files("#picture", picture)
    says(page, "Done.")
    page.wait_for_selector(f"#rate:has-text('{kept}')")
    assert len(re.findall("ms a frame of", page.inner_text("#rate"))) == 1  # the others are not tried again
    assert page.complaints == []


@pytest.mark.parametrize("student", ["call-s", "x2-s"])
def test_what_did_not_change_is_as_it_was(visit: Callable, tmp_path: Path, student: str) -> None:
    """The page computes the part of a frame that differs from the last one, and what that acts on."""
    page, image = visit(), received(203, 301)
    choose(page, "#student", student)
    for top, left, high, wide in (
        (0, 0, 0, 0),
        (90, 120, 31, 5),
        (0, 290, 3, 11),
        (202, 0, 1, 301),
        (50, 7, 1, 1),
    ):
        image[top : top + high, left : left + wide] = 255 - image[top : top + high, left : left + wide]
        page.set_input_files("#picture", [])
        page.set_input_files("#picture", data.write_image(tmp_path / "frame.png", image))
        for _ in range(40):
            if np.array_equal(pixels(page, "before"), image):
                break
            page.wait_for_timeout(100)
        assert np.array_equal(pixels(page, "before"), image) and difference(page, student) <= 2


def test_saved_is_what_is_shown(visit: Callable, picture: Path, tmp_path: Path) -> None:
    page = visit()
    page.set_input_files("#picture", picture)
    says(page, "Done.")
    with page.expect_download() as waiting:
        page.click("#download")
    assert waiting.value.suggested_filename == "a face-sharpened.png"
    waiting.value.save_as(tmp_path / "saved.png")
    assert np.array_equal(data.read_image(tmp_path / "saved.png"), pixels(page, "after"))


def test_on_a_camera_with_the_keyboard(visit: Callable, camera_file: Path) -> None:
    page = visit(*CAMERA, f"--use-file-for-fake-video-capture={camera_file}")
    page.focus("#camera")
    page.keyboard.press("Enter")
    says(page, "Live.")
    page.wait_for_selector("#rate:has-text('frames a second')")
    page.wait_for_timeout(3000)
    rate, frame = re.match(r"([\d.]+) frames a second, (\d+ x \d+)", page.inner_text("#rate")).groups()
    assert float(rate) > 1 and frame == "640 x 360"
    first = pixels(page, "before")
    for _ in range(20):
        page.wait_for_timeout(230)  # the film comes back every second
        if moved := not np.array_equal(first, pixels(page, "before")):
            break
    assert moved
    page.focus("#divider")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("document.getElementById('view').style.getPropertyValue('--at')") == "60%"
    page.focus("#stop")
    page.keyboard.press("Enter")
    says(page, "Stopped.")
    page.wait_for_timeout(500)
    assert difference(page) <= 2
    still = pixels(page, "before")
    page.wait_for_timeout(500)
    assert np.array_equal(still, pixels(page, "before")) and page.complaints == []


def test_on_a_shared_screen(visit: Callable) -> None:
    page = visit(*CAMERA)
    page.select_option("#size", "960x540")
    page.click("#screen")
    says(page, "Live.")
    page.wait_for_selector("#rate:has-text('frames a second')")
    page.click("#stop")
    page.wait_for_timeout(500)
    assert difference(page, good=True) <= 2
    assert max(pixels(page, "before").shape) <= 960


def test_a_network_and_a_size_can_be_changed_live(visit: Callable, camera_file: Path) -> None:
    page = visit(*CAMERA, f"--use-file-for-fake-video-capture={camera_file}")
    page.click("#camera")
    page.wait_for_selector("#rate:has-text('frames a second')")
    page.select_option("#student", "x2-s")
    page.wait_for_selector("#rate:has-text('1280 x 720')")
    page.select_option("#student", "call-s")
    page.wait_for_selector("#rate:has-text('640 x 360')")
    page.click("#example")  # ends the camera
    page.wait_for_selector("#rate:has-text('512 x 512')")
    page.wait_for_timeout(500)
    assert page.is_hidden("#stop") and difference(page) <= 2 and page.complaints == []


def test_mistakes_are_told(visit: Callable, picture: Path, tmp_path: Path) -> None:
    page = visit()  # a headless browser asks nobody and refuses, or has no camera
    page.click("#camera")
    page.wait_for_selector("#message.error:has-text('The camera')")
    assert re.search(r"allow it|connect one", page.inner_text("#message"))
    (tmp_path / "notes.png").write_text("no picture")
    page.set_input_files("#picture", tmp_path / "notes.png")
    page.wait_for_selector("#message.error:has-text('not a picture')")
    huge = data.write_image(tmp_path / "huge.png", np.zeros((2000, 2000, 3), np.uint8))
    choose(page, "#student", "x4-s")
    page.set_input_files("#picture", huge)
    page.wait_for_selector("#message.error:has-text('2000x2000')")
    page.select_option("#student", "call-s")  # which does not enlarge
    says(page, "Done.")
    page.select_option("#student", "x4-s")
    page.wait_for_selector("#message.error:has-text('2000x2000')")
    page.select_option("#student", "call-s")
    says(page, "Done.")
    page.set_input_files("#picture", picture)
    page.wait_for_selector("#rate:has-text('301 x 203')")
    assert difference(page) <= 2


@pytest.mark.parametrize("runtime", [True, False])
def test_on_a_graphics_card_that_is_emulated(
    visit: Callable, tmp_path: Path, runtime: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By choice, since WebAssembly is faster than an emulated card; or because there is nothing else."""
    if not runtime:
        monkeypatch.setattr(live.runtime, "runtime_dir", lambda: None)
    with serving(("call-xs",)) as where:
        page = visit(*browser_lane.SOFTWARE_GPU, url=where)
        assert page.input_value("#engine") == ("wasm-int8" if runtime else "webgpu")
        choose(page, "#engine", "webgpu")
        page.set_input_files("#picture", data.write_image(tmp_path / "small.png", received(67, 101)))
        page.wait_for_selector("#rate:has-text('WebGPU')", timeout=120_000)
        assert difference(page, "call-xs", engine="onnx") <= 2
        page.fill("#strength", "0.5")
        assert difference(page, "call-xs", strength=0.5, engine="onnx") <= 2 and page.complaints == []


def test_a_card_that_paints_nothing_is_not_offered(visit: Callable) -> None:
    page = visit(*browser_lane.SOFTWARE_GPU[:-2])
    assert page.evaluate("async () => Boolean(await navigator.gpu?.requestAdapter())")
    assert page.locator("#engine option[value=webgpu]").is_disabled()


def test_it_comes_up_without_its_server(visit: Callable) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "kdsharp", "web", "--port", str(port)])
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/live/site.json").read()
                break
            except OSError:
                time.sleep(0.1)
        page = visit(url=f"http://127.0.0.1:{port}/live/")
    finally:
        server.terminate()
        server.wait(20)
    page.reload()
    says(page, "Ready.")
    choose(page, "#student", "call-m")  # one that was not looked at before
    page.click("#example")
    says(page, "Done.")
    assert difference(page, "call-m") <= 2


def test_runtimes_and_networks_that_are_gone_are_not_kept_for_ever(visit: Callable) -> None:
    page = visit()
    kept = """async () => (await (await caches.open("kdsharp-live")).keys()).map(one => new URL(one.url).pathname)"""
    page.evaluate("""async () => {
        const cache = await caches.open("kdsharp-live");
        for (const name of ["onnxruntime-web-1.2.3/ort.wasm.min.mjs", "networks/gone.onnx", "example-2.png"])
            await cache.put(name, new Response("old"));
    }""")
    assert "/live/onnxruntime-web-1.2.3/ort.wasm.min.mjs" in page.evaluate(kept)
    page.reload()
    says(page, "Ready.")
    left = page.evaluate(kept)
    assert not [name for name in left if "1.2.3" in name or "gone" in name]
    assert "/live/example-2.png" in left and "/live/networks/call-s.onnx" in left
    assert [name for name in left if name.startswith(f"/live/{live.RUNTIME}/")]


def test_static_files_run_on_any_host(visit: Callable, tmp_path: Path) -> None:
    mine = tmp_path / "my own #1.safetensors"
    mine.write_bytes(checkpoints.find("call-s").read_bytes())
    folder = live.write_static(tmp_path / "site", live.named([mine]))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        page = visit(url=f"http://127.0.0.1:{server.server_port}/")
        page.click("#example")
        says(page, "Done.")
    finally:
        server.shutdown()
    assert "1 thread" in page.inner_text("#rate") and page.is_hidden("#upload")
    assert difference(page) <= 2


def test_inside_a_notebooks_frame(
    visit: Callable, camera_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda made: shown.append(made.data))
    server = web.in_notebook("live/", students=("call-s",))
    (tmp_path / "notebook.html").write_text(f"<!doctype html>{shown[0]}")
    outer = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=outer.serve_forever, daemon=True).start()
    switches = (*CAMERA, f"--use-file-for-fake-video-capture={camera_file}")
    try:
        page = visit(*switches, url=f"http://localhost:{outer.server_port}/notebook.html", wait="")
        (frame,) = page.frames[1:]
        says(frame, "Ready.")
        frame.click("#camera")
        frame.wait_for_selector("#rate:has-text('frames a second')")
        frame.click("#stop")
        frame.wait_for_timeout(500)
        assert difference(frame) <= 2
    finally:
        outer.shutdown()
        server.close()


def test_without_the_runtime_it_says_how_to_get_it(
    visit: Callable, monkeypatch: pytest.MonkeyPatch, picture: Path
) -> None:
    monkeypatch.setattr(live.runtime, "runtime_dir", lambda: None)
    page = visit(wait="kdsharp web --runtime")
    assert page.is_disabled("#camera") and page.get_attribute("#message", "class") == "error"
    with page.expect_navigation():  # the other page too has a field of this name
        page.click("#upload")
    page.set_input_files("#picture", picture)
    page.wait_for_selector("#result:not([hidden])")


@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_a_desktop_and_a_phone(visit: Callable, camera_file: Path, width: int) -> None:
    page = visit(*CAMERA, f"--use-file-for-fake-video-capture={camera_file}")
    page.set_viewport_size({"width": width, "height": 850})
    page.click("#camera")
    page.wait_for_selector("#rate:has-text('frames a second')")
    page.wait_for_timeout(2500)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shot = Path("build") / "browser" / f"live-{width}.png"
    shot.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=shot, full_page=True)
