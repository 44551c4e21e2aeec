"""The browser extension: its files, and at work in Chromium on a call between two peers and on videos of a page.

What it draws must be what Python makes of the frame that the video shows, within 2 of 255.
"""

import base64
import json
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from kdsharp import data
from kdsharp.apps import extension, live
from kdsharp.apps.cli import main
from kdsharp.deploy import Sharpener, load_student

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import browser_lane
from lane import tabs

needs_runtime = pytest.mark.skipif(
    live.runtime_dir() is None, reason="onnxruntime-web is not here: `make web` fetches it, with Node's npm"
)
SCRIPTS = Path(extension.__file__).parent / "scripts"
PAGES = {
    "call": tabs.call(320, 180, rate=6, kbps=100),
    "clips": """<style>#large { width: 100%; height: 320px; object-fit: cover } #small { transform: scaleX(-1) }</style>
        <div style="position: relative; width: 600px; overflow: hidden">
        <video id="large" src="clip.webm" autoplay muted loop></video></div>
        <video id="small" src="clip.webm" autoplay muted loop width="240"></video>
        <script>for (const video of document.querySelectorAll("video")) video.playbackRate = 0.2;</script>""",
    "foreign": '<video src="FOREIGN/clip.webm" autoplay muted loop width="480"></video>',
    "protected": """<video autoplay muted loop width="480"></video><script>
        const kind = { initDataTypes: ["keyids"], videoCapabilities: [{ contentType: 'video/webm; codecs="vp8"' }] };
        navigator.requestMediaKeySystemAccess("org.w3.clearkey", [kind]).then(async found => {
          const video = document.querySelector("video");
          await video.setMediaKeys(await found.createMediaKeys());
          video.src = "clip.webm";
        });</script>""",
    "none": "<p>Nothing to see.</p>",
}
# Pages of calls let nothing in: no frames, no workers; and they are isolated, so that threads can share memory.
STRICT = {
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline' blob:; frame-src 'none'; media-src * blob:",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "credentialless",
}
PIXELS = """
  const canvas = new OffscreenCanvas(source.videoWidth ?? source.width, source.videoHeight ?? source.height);
  const context = canvas.getContext("2d");
  context.drawImage(source, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  let text = "";
  for (let at = 0; at < pixels.length; at += 8192) text += String.fromCharCode(...pixels.subarray(at, at + 8192));
  return [canvas.height, canvas.width, btoa(text)];
"""


class Site(SimpleHTTPRequestHandler):
    """The pages and what they show; the call's is as strict as those of calls are."""

    def log_message(self, *_: object) -> None:
        pass

    def end_headers(self) -> None:
        if "call" in self.path:
            for name, value in STRICT.items():
                self.send_header(name, value)
        super().end_headers()


class Seen(tabs.Tab):
    """A tab whose pixels are compared with Python's."""

    def pixels(self, source: str) -> np.ndarray:
        height, width, text = self.run(f"const source = {source}; {PIXELS}")
        return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)[..., :3].copy()

    def student(self) -> Sharpener:
        """What computes here, in Python: where 32 bits are too slow, the extension takes 8."""
        said = self.said()
        return load_student("call-s", engine="onnx-int8" if "8 bits" in said else "onnx")

    def difference(self, student: Sharpener, number: int = 0) -> int:
        """Between what is drawn over a paused video and what Python makes of its frame."""
        video = f"document.querySelectorAll('video')[{number}]"
        self.page.evaluate(f"{video}.pause()")
        found = 255
        for _ in range(20):
            self.page.wait_for_timeout(300)
            frame, drawn = self.pixels(video), self.pixels(f"work[{number}].canvas")
            if frame.shape == drawn.shape and not np.array_equal(frame, drawn):
                found = int(np.abs(student(frame).astype(int) - drawn).max())
                if found <= 2:
                    break
        return found

    def apart(self, number: int = 0) -> float:
        """Pixels by which the sides of the overlay and of its video differ, at most."""
        measured = f"""
            await new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)));
            const boxes = [document.querySelectorAll("video")[{number}], work[{number}].canvas];
            const [one, other] = boxes.map(element => element.getBoundingClientRect());
            return Math.max(...["left", "top", "right", "bottom"].map(side => Math.abs(one[side] - other[side])));
        """
        for _ in range(20):
            if (found := self.run(measured)) < 0.5:
                break
            self.page.wait_for_timeout(200)
        return found


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extension") / "sharper"
    return extension.write_extension(folder, ["call-s"])[0]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the pages are; the same server under another name is another site."""
    import clips  # which needs PyAV

    folder = tmp_path_factory.mktemp("site")
    photo = cv2.resize(
        data.read_image(data.embedded_photos("val")[0]), (512, 512), interpolation=cv2.INTER_AREA
    )
    data.write_image(folder / "photo.png", soft(photo))
    frames = [clips.framed(soft(photo[n : n + 180, 60:380]), n, format="yuv420p") for n in range(50)]
    clips.write(folder / "clip.webm", frames, "libvpx", {"crf": "10", "b": "1M"})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Site, directory=str(folder)))
    for name, body in PAGES.items():
        page = f"<!doctype html><meta charset=utf-8><body style='height: 2000px'>{body}"
        page = page.replace("FOREIGN", f"http://localhost:{server.server_port}")
        (folder / f"{name}.html").write_text(page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def soft(image: np.ndarray) -> np.ndarray:
    """As a poor call brings it: a good picture would be left alone."""
    height, width = image.shape[:2]
    small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if browser_lane.chromium() is None:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as started:
        yield started.chromium


@pytest.fixture(scope="module")
def visit(
    chromium: Any, unpacked: Path, address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable]:
    with tabs.browser(chromium, unpacked, tmp_path_factory.mktemp("profile"), kind=Seen) as opened:
        yield lambda name: opened(f"{address}/{name}.html")


@needs_runtime
def test_what_is_written(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """All that the manifest and the scripts name is there, of nobody else, and may send nothing out."""
    folder = tmp_path / "sharper"
    assert main(["extension", str(folder)]) == 0
    assert capsys.readouterr().out.split() == [str(folder), f"{folder}.zip"]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["permissions"] == ["activeTab", "scripting"] and not manifest.keys() & {
        "host_permissions"
    }
    assert "script-src 'self' 'wasm-unsafe-eval'" in manifest["content_security_policy"]["extension_pages"]
    named = [*manifest["icons"].values(), *manifest["web_accessible_resources"][0]["resources"]]
    for script in folder.glob("*.js"):
        text = script.read_text(encoding="utf-8")
        named += re.findall(r"""(?:from|Worker\(|getURL\() ?"(?:\./)?([^"]+)""", text)
        named += re.findall(r'"(networks/[^"]+)"', text)
        assert not re.findall(r"https?:|eval\(|new Function", text), script.name
    assert len(named) > 25 and all((folder / name).is_file() for name in named), named
    assert {"LICENSE", f"{live.RUNTIME}/LICENSE"} <= {
        str(path.relative_to(folder)) for path in folder.rglob("*")
    }
    for name, size in ((path.name, int(path.stem)) for path in (folder / "icons").iterdir()):
        assert data.read_image(folder / "icons" / name).shape == (size, size, 3)
    with zipfile.ZipFile(f"{folder}.zip") as packed:
        inside = {name: packed.read(name) for name in packed.namelist()}
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert inside == {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("case", ["no runtime", "taken", "zip", "student"])
def test_what_cannot_be_written_is_said_in_a_sentence(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(live.runtime, "runtime_dir", lambda: None if case == "no runtime" else SCRIPTS)
    mine = tmp_path / {"taken": "new/mine.txt", "zip": "new.zip"}.get(case, "mine.txt")
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("precious")
    students = ["--students", "call-s", "x2-s"] if case == "student" else []
    assert main(["extension", str(tmp_path / "new"), *students]) == 2
    expected = {
        "no runtime": "--runtime",
        "taken": "not empty",
        "zip": "new.zip",
        "student": "x2-s does not",
    }[case]
    assert expected in capsys.readouterr().err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [
        mine
    ] and mine.read_text() == "precious"


@pytest.mark.skipif(not shutil.which("node"), reason="there is no Node.js")
def test_the_pace() -> None:
    """A 1280x720 video at 30 a second: what fits is begun with; who falls behind goes down, and off in the end."""
    program = f"""
        import {{ firstStep, judging, steps }} from {json.dumps((SCRIPTS / "pace.js").as_uri())};
        const found = steps(1280, 720), judge = judging(), told = [];
        const window = (drawn, room) => judge({{ presented: 60, drawn, every: 1, room }});
        for (const drawn of [60, 47, 47, 47, 60, 47, 0]) told.push(window(drawn, false));
        for (let turn = 0; turn < 16; turn++) told.push(window(60, true));
        told.push(judge({{ presented: 1, drawn: 1, every: 1, room: true }}));
        const half = judging(), halves = [24, 23, 23].map(drawn => half({{ presented: 60, drawn, every: 2 }}));
        console.log(JSON.stringify([
            found.map(step => [step.width, step.height, step.every]),
            [20, 40, 80, 400, 10_000].map(cost => firstStep(found, cost, 30)), told, halves]));
    """
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program], capture_output=True, text=True, check=True
    )
    steps, firsts, told, halves = json.loads(done.stdout)
    order = [
        (1280, 1),
        (960, 1),
        (1280, 2),
        (960, 2),
        (640, 1),
        (480, 1),
        (640, 2),
        (480, 2),
        (320, 1),
        (320, 2),
    ]
    assert [tuple(step) for step in steps] == [(side, side * 9 // 16, every) for side, every in order]
    assert firsts == [0, 1, 3, 7, 9]  # ms a million pixels against 30 ms a frame, or twice as many
    assert told == [0, 0, 1, 0, 0, 0, 1, *[0] * 4, -1, *[0] * 9, -1, 0, 0]
    assert halves == [0, 0, 1]


@needs_runtime
@pytest.mark.heavy
def test_a_call_is_sharpened_as_in_python(visit: Callable) -> None:
    """On a page that lets no other frames and workers in; and its own video loses nothing by it."""
    tab = visit("call")
    counting = """async () => {
        const video = document.querySelector("video"), quality = () => video.getVideoPlaybackQuality();
        const before = quality();
        await new Promise(resolve => setTimeout(resolve, 3000));
        const after = quality();
        return [after.totalVideoFrames - before.totalVideoFrames, after.droppedVideoFrames - before.droppedVideoFrames];
    }"""
    tab.page.wait_for_timeout(1000)
    alone = tab.page.evaluate(counting)
    tab.click()
    tab.until("return work[0]?.counted() > 3")
    beside = tab.page.evaluate(counting)
    assert beside[1] <= alone[1] + 4 and beside[0] >= alone[0] - 4, (alone, beside)
    said = tab.until("return work[0].find('#said').textContent.match(/.* frames a second, .*/)?.[0]")
    assert re.fullmatch(
        r"\d+ of \d+ frames a second, \d+ x \d+, call-s, WebAssembly( in 8 bits)?, \d+ threads?", said
    )
    student = tab.student()
    shot = Path("build") / "browser" / "extension.png"
    shot.parent.mkdir(parents=True, exist_ok=True)
    tab.run("work[0].find('#divider').value = 50;")
    tab.page.mouse.move(300, 100)  # which brings the bar
    tab.page.wait_for_timeout(500)
    tab.page.screenshot(path=shot, clip={"x": 0, "y": 0, "width": 656, "height": 376})
    tab.run("work[0].find('#divider').value = 0;")
    assert tab.difference(student) <= 2 and tab.apart() < 0.5
    tab.run("const strength = work[0].find('#strength'); strength.value = 0.5;")
    frame = tab.pixels("document.querySelector('video')").astype(int)
    tab.page.wait_for_timeout(1000)
    expected = frame + 0.5 * (student(frame.astype(np.uint8)) - frame)
    assert np.abs(tab.pixels("work[0].canvas") - expected).max() <= 2
    tab.click()
    tab.until("return !work.length")
    counts = "[document.body.children.length, document.documentElement.children.length]"
    tab.waits(f"JSON.stringify({counts}) === '[2,2]'")


@needs_runtime
@pytest.mark.heavy
def test_videos_are_followed_wherever_they_go(visit: Callable) -> None:
    """The largest is sharpened, the other one by its button; both through scrolling, resizing and full screen."""
    tab = visit("clips")
    tab.click()
    tab.until("return work[0]?.counted() > 1")
    assert tab.run("return work.map(one => one.isOn())") == [True, False]
    tab.run("work[1].find('button').click()")
    tab.until("return work[1].counted() > 1")
    assert tab.run("return work[1].canvas.style.transform") == "scale(-1, 1)"  # a mirror stays one
    for change in (
        "scrollTo(0, 120)",
        "document.querySelector('div').style.width = '437.5px'",
        "document.body.style.transform = 'scale(0.8)'",
        "document.body.style.transform = ''; document.querySelector('div').requestFullscreen()",
        "document.exitFullscreen()",
        "document.querySelector('#small').requestFullscreen()",
        "document.exitFullscreen()",
        "document.querySelector('div').append(document.querySelector('#small'))",
    ):
        tab.page.evaluate(f"() => {{ {change} }}")
        tab.page.wait_for_timeout(300)
        assert tab.apart(0) < 0.5 and tab.apart(1) < 0.5, change
    student = tab.student()
    assert tab.difference(student, 0) <= 2 and tab.difference(student, 1) <= 2
    tab.page.evaluate("document.querySelector('#large').remove()")  # its turn goes to what is left
    tab.until("return work.length === 1 && work[0].isOn()")


@needs_runtime
@pytest.mark.heavy
def test_on_a_graphics_card_that_is_emulated(chromium: Any, address: str, tmp_path: Path) -> None:
    """Its frames are painted by WebGPU; a real card is what the extension would take by itself."""
    folder = extension.write_extension(tmp_path / "sharper", ["call-xs"])[0]
    card = (folder / "card.js").read_text()
    assert "!adapter.info.isFallbackAdapter" in card
    (folder / "card.js").write_text(card.replace("!adapter.info.isFallbackAdapter", "true"))
    switches = browser_lane.SOFTWARE_GPU
    with tabs.browser(chromium, folder, tmp_path / "profile", *switches, kind=Seen) as opened:
        tab = opened(f"{address}/call.html")
        tab.click()
        said = tab.said(seconds=120)
        if "WebGPU" not in said:
            pytest.skip("this Chromium has no WebGPU on the processor")
        step = re.search(r"(\d+) x (\d+), call-xs, WebGPU$", said)
        student, width = load_student("call-xs", engine="onnx"), int(step[1])
        assert width == 320 and tab.difference(student) <= 2


@needs_runtime
@pytest.mark.heavy
def test_memory_stays_as_it_is(visit: Callable) -> None:
    tab = visit("clips")
    tab.click()
    tab.until("return work[0]?.counted() > 10")
    tab.said()  # the bar's sentence is a node too

    def held() -> list[int]:
        tab.session.send("HeapProfiler.collectGarbage")
        counters = tab.session.send("Memory.getDOMCounters")
        return [
            tab.session.send("Runtime.getHeapUsage")["usedSize"],
            counters["nodes"],
            counters["jsEventListeners"],
        ]

    first = held()
    tab.page.wait_for_timeout(12_000)
    last = held()
    assert tab.run("return work[0].counted()") > 30
    assert last[0] - first[0] < 1_000_000 and last[1:] == first[1:], (first, last)


@needs_runtime
@pytest.mark.heavy
@pytest.mark.parametrize(
    ("page", "sentence"),
    [("foreign", "from another site"), ("protected", "is protected"), ("none", "No video plays")],
)
def test_what_cannot_be_sharpened_is_left_alone_with_a_sentence(
    visit: Callable, page: str, sentence: str
) -> None:
    tab = visit(page)
    tab.click()
    if page == "none":
        tab.page.wait_for_selector(f"[role=status]:has-text('{sentence}')")
    else:
        assert sentence in tab.until("return work[0]?.find('#said').textContent")
        assert tab.run("return work.map(one => one.isOn())") == [False]
