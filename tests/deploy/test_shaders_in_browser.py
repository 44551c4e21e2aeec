"""Students in WGSL, run by `webgpu.js` in Chromium with WebGPU on the processor: within 2 of 255 of Python."""

import base64
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from calls import KINDS, between, difference, enlarged, poor, reference, save

from kdsharp import data, deploy
from kdsharp.apps import live
from kdsharp.deploy import shaders
from kdsharp.deploy.clamp import clamped
from kdsharp.deploy.shaders import plain
from kdsharp.disk import checkpoints

playwright = pytest.importorskip("playwright.sync_api")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import browser_lane  # noqa: E402

pytestmark = pytest.mark.heavy
PAGES = Path(live.__file__).resolve().parents[1] / "pages"
RUN = """async ([text, bytes, width, height, settings]) => {
    const { open } = await import("/webgpu.js");
    window.device ??= await (await navigator.gpu.requestAdapter()).requestDevice();
    const luma = new Float32Array(Uint8Array.from(atob(bytes), letter => letter.charCodeAt(0)).buffer);
    window.device.pushErrorScope("validation");
    const network = await open(window.device, text);
    const found = new Uint8Array((await network.run(luma, width, height, settings)).buffer);
    const complaint = await window.device.popErrorScope();
    if (complaint) throw new Error(complaint.message);
    let letters = "";
    for (let at = 0; at < found.length; at += 8192) letters += String.fromCharCode(...found.subarray(at, at + 8192));
    return btoa(letters);
}"""

PAINT = """async ([text, picture, how, settings]) => {
    const [{ open }, { openPainter }] = await Promise.all([import("/webgpu.js"), import("/webgpu-frames.js")]);
    const device = window.device ??= await (await navigator.gpu.requestAdapter()).requestDevice();
    device.pushErrorScope("validation");
    const letters = atob(picture), bytes = Uint8Array.from(letters, letter => letter.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const canvas = new OffscreenCanvas(1, 1);
    const painter = await openPainter(device, await open(device, text), canvas);
    painter[how](bitmap, bitmap.width, bitmap.height, settings);
    const painted = canvas.transferToImageBitmap(), complaint = await device.popErrorScope();
    if (complaint) throw new Error(complaint.message);
    painter.destroy();
    const context = new OffscreenCanvas(painted.width, painted.height).getContext("2d");
    context.drawImage(painted, 0, 0);
    const found = context.getImageData(0, 0, painted.width, painted.height).data;
    let sent = "";
    for (let at = 0; at < found.length; at += 8192) sent += String.fromCharCode(...found.subarray(at, at + 8192));
    return [painted.height, painted.width, btoa(sent)];
}"""


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    if (program := browser_lane.chromium()) is None:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=browser_lane.SOFTWARE_GPU)
        opened = browser.new_page()
        opened.route(
            "**/*.js", lambda asked: asked.fulfill(path=PAGES / asked.request.url.rpartition("/")[2])
        )
        opened.route(
            "**/empty", lambda asked: asked.fulfill(body="<!doctype html>", content_type="text/html")
        )
        opened.goto("http://localhost/empty")  # WebGPU is for secure pages only
        if not opened.evaluate("async () => Boolean(await navigator.gpu?.requestAdapter())"):
            pytest.skip("this Chromium has no WebGPU on the processor")
        yield opened
        browser.close()


def run(page: Any, source: Path, luma: np.ndarray, **settings: Any) -> np.ndarray:
    """Luma (H, W) in [0, 1] through a network in the browser."""
    height, width = luma.shape
    sent = base64.b64encode(luma.astype(np.float32).tobytes()).decode()
    found = page.evaluate(RUN, [shaders.text(source, ".wgsl"), sent, width, height, settings])
    return np.frombuffer(base64.b64decode(found), np.float32).reshape(
        enlarged(luma, plain.read(source).scale).shape
    )


@pytest.mark.parametrize("name", ["call-xs"])
def test_a_browser_gives_the_same_luma(page: Any, name: str) -> None:
    source, luma = checkpoints.find(name), poor(67, 101)
    found = run(page, source, luma)
    assert difference(found, reference(source)(luma)) < 2
    assert difference(found, luma) > 5  # doing nothing would not pass


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_and_size(page: Any, kind: str, tmp_path: Path) -> None:
    source = save(tmp_path / "mine.safetensors", **KINDS[kind])
    for size in ((67, 101), (10, 130)):
        found, expected = run(page, source, poor(*size)), reference(source)(poor(*size))
        assert difference(found, expected) < 2
        assert difference(found, enlarged(poor(*size), plain.read(source).scale)) > 2


@pytest.mark.parametrize("kind", ["restrained", "x1.5"])
def test_settings_do_what_they_do_in_python(page: Any, kind: str, tmp_path: Path) -> None:
    source, luma = save(tmp_path / "mine.safetensors", **KINDS[kind]), poor(44, 60)
    scale = plain.read(source).scale
    expected = clamped(luma, reference(source)(luma), scale)
    assert difference(run(page, source, luma, clamped=True), expected) < 2
    assert difference(run(page, source, luma), expected) > 2
    assert difference(run(page, source, luma, strength=0), enlarged(luma, scale)) < 2


def test_a_good_frame_is_left_alone_unless_told(page: Any) -> None:
    source = checkpoints.find("call-xs")
    sharp = np.random.default_rng(0).random((64, 90)).astype(np.float32)
    assert difference(run(page, source, sharp), sharp) < 1
    free = run(page, source, sharp, restraint=False)
    assert difference(free, reference(source, restrained=False)(sharp)) < 2 < difference(free, sharp)


def test_a_frame_is_painted_as_python_paints_it(page: Any, tmp_path: Path) -> None:
    frame, small = a_frame(), save(tmp_path / "mine.safetensors", **KINDS["x2 and folded"])
    painted = paint(page, checkpoints.find("call-xs"), frame, restraint=False)
    expected = deploy.load_student("call-xs", engine="onnx").unrestrained()(frame)
    assert difference(painted / 255, expected / 255) < 2.5 < difference(painted / 255, frame / 255)
    base = cv2.resize(frame, (206, 134), interpolation=cv2.INTER_CUBIC)
    assert difference(paint(page, small, frame, strength=0) / 255, base / 255) < 2.5
    larger, expected = paint(page, small, frame), deploy.load_student(small, engine="onnx")(frame)
    assert difference(larger / 255, expected / 255) < 2.5 < difference(base / 255, expected / 255)


def test_restraint_between_alone_and_corrected_is_that_of_bytes(page: Any) -> None:
    source, frame = checkpoints.find("call-xs"), between()
    student = deploy.load_student("call-xs", engine="onnx")
    expected, free = (made(frame).astype(float) for made in (student, student.unrestrained()))
    assert 0.3 < np.abs(expected - frame).sum() / np.abs(free - frame).sum() < 0.7
    assert difference(paint(page, source, frame) / 255, expected / 255) < 2.5
    assert difference(paint(page, source, frame, steps=0) / 255, expected / 255) > 2.5


def test_what_changes_is_painted_in_two_halves(page: Any) -> None:
    frame = a_frame()
    above, below = np.split(
        paint(page, checkpoints.find("call-xs"), frame, "paintChange", restraint=False), 2
    )
    expected = deploy.load_student("call-xs", engine="onnx").unrestrained()(frame)
    together = np.clip(frame + above.astype(float) - below, 0, 255)
    assert difference(together / 255, expected / 255) < 2.5 and above.max() > 5 < below.max()
    assert not np.minimum(above, below).any()


def a_frame() -> np.ndarray:
    """RGB (67, 103, 3), soft enough that there is something to sharpen."""
    photo = data.read_image(data.embedded_photos("val")[0])
    small = cv2.resize(photo, (52, 33), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (103, 67), interpolation=cv2.INTER_LINEAR)


def paint(page: Any, source: Path, frame: np.ndarray, how: str = "paint", **settings: Any) -> np.ndarray:
    """RGB (H, W, 3) through a network in the browser, as its canvas shows it."""
    picture = base64.b64encode(cv2.imencode(".png", frame[..., ::-1])[1]).decode()
    height, width, found = page.evaluate(PAINT, [shaders.text(source, ".wgsl"), picture, how, settings])
    return np.frombuffer(base64.b64decode(found), np.uint8).reshape(height, width, 4)[..., :3]


def test_another_file_is_refused(page: Any) -> None:
    with pytest.raises(playwright.Error, match="no network"):
        page.evaluate(RUN, ["fn nothing() {}", "", 8, 8, {}])
