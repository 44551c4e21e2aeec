"""Measure the live page and the extension in this machine's Chromium, on frames of 640x360 without a graphics card.

    python -m benchmarks.browser

Writes figures/browser.json, and the pictures live.png and extension.png. Needs Playwright, a Chromium of the system and
`kdsharp web --runtime`. The page's camera is a film of a received call at 60 frames a second; the extension is switched
on in a call between two peers, and takes what keeps up.
"""

import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from playwright.sync_api import sync_playwright
from waitress.server import create_server

from kdsharp import course, data, evaluate, recipes
from kdsharp.apps import extension, web
from kdsharp.degradation import degrade_picture
from kdsharp.disk import files
from kdsharp.errors import KdsharpError
from kdsharp.speed import hardware

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import browser_lane  # noqa: E402 (of the tools, which are scripts)
from lane import tabs  # noqa: E402

NETWORKS, ENGINES = ("call-s", "call-xs"), ("wasm", "wasm-int8")
SIZE, RATE, KBPS = (640, 360), 30, 300
FILM_RATE = 60  # more than any network makes here
ROUNDS, WINDOWS = 5, 5  # of the page's counts, and of the extension's, each over two seconds
COLUMNS = {
    "where": "{where}",
    "network": "{network}",
    "engine": "{engine}",
    "frames a second": "{fps:.1f}",
    "ms a frame": "{ms:.0f}",
}


def photograph() -> np.ndarray:
    """`uint8` RGB (1024, 1024, 3): a camera's picture, twice as large as it has details."""
    return cv2.resize(course.photograph(), (1024, 1024), interpolation=cv2.INTER_CUBIC)


def film(path: Path) -> Path:
    """What the fake camera films: a received photograph, moving, as YUV4MPEG2."""
    _, received = degrade_picture(photograph(), recipes.fixed_call(2, 70))
    with open(path, "wb") as handle:
        handle.write(f"YUV4MPEG2 W{SIZE[0]} H{SIZE[1]} F{FILM_RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for number in [*range(60), *range(59, -1, -1)]:
            frame = received[number : number + SIZE[1], 100 + 2 * number : 100 + 2 * number + SIZE[0]]
            handle.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes())
    return path


@contextmanager
def page_of(browser: Any, address: str) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(address)
    page.wait_for_selector("#message:has-text('Ready.')")
    yield page
    page.close()


def live_page(
    browser: Any, address: str, network: str, engine: str, shot: Path | None
) -> tuple[float, float]:
    """Frames a second on the page's camera, and milliseconds a frame, as it says; a picture of it goes to `shot`."""
    with page_of(browser, address) as page:
        for name, value in (("#student", network), ("#engine", engine), ("#size", "640x360")):
            page.select_option(name, value)
            page.wait_for_selector("#message:not(:has-text('Loading'))")
        page.click("#camera")
        page.wait_for_selector("#rate:has-text('frames a second')")
        page.wait_for_timeout(5000)
        fps, ms = re.search(r"^([\d.]+) .*network (\d+) ms", page.inner_text("#rate")).groups()
        if shot:
            page.screenshot(path=shot, full_page=True)
    return float(fps), float(ms)


def live_rows(browser: Any, address: str, shot: Path) -> list[dict]:
    """Medians over rounds, in which all take turns."""
    kinds = [(network, engine) for network in NETWORKS for engine in ENGINES]
    found: dict[tuple, list] = {kind: [] for kind in kinds}
    for _ in range(ROUNDS):
        for kind in kinds:
            found[kind].append(live_page(browser, address, *kind, shot if kind == kinds[1] else None))
    rows = []
    for (network, engine), told in found.items():
        fps, ms = (median(column) for column in zip(*told, strict=True))
        rows.append({"where": "live page", "network": network, "engine": engine, "fps": fps, "ms": ms})
    return rows


def in_a_call(chromium: Any, folder: Path, shot: Path) -> dict:
    """The extension's own count, what it chose, and the seconds from the click to the first picture."""
    unpacked, _ = extension.write_extension(folder / "sharper")
    site = folder / "site"
    site.mkdir()
    data.write_image(site / "photo.png", photograph())
    (site / "call.html").write_text(f"<!doctype html><meta charset=utf-8>{tabs.call(*SIZE, RATE, KBPS)}")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tabs.browser(chromium, unpacked, folder / "profile") as opened:
        tab = opened(f"http://127.0.0.1:{server.server_port}/call.html")
        tab.page.wait_for_timeout(5000)  # until the peers have found their rate
        began = time.monotonic()
        tab.click()
        tab.until("return work[0]?.counted() > 0")
        waited = time.monotonic() - began
        tab.page.wait_for_timeout(30_000)  # until it has found its pace
        said = []
        for _ in range(WINDOWS):
            tab.page.wait_for_timeout(2000)
            said.append(tab.said())
        tab.run("work[0].find('#divider').value = 50;")
        tab.page.mouse.move(300, 100)  # which brings the bar
        tab.page.wait_for_timeout(500)
        tab.page.screenshot(path=shot, clip={"x": 8, "y": 8, "width": SIZE[0], "height": SIZE[1]})
    server.shutdown()
    found = [
        re.match(r"(\d+) of (\d+) frames a second, (\d+ x \d+), (.+?), (.+)", one).groups() for one in said
    ]
    *_, size, network, engine = found[-1]
    fps, presented = (median(int(one[at]) for one in found) for at in (0, 1))
    told = f"{engine}, at {size}, of {presented:.0f} a second"
    return {
        "where": "extension",
        "network": network,
        "engine": told,
        "fps": fps,
        "ms": np.nan,
        "first_s": waited,
    }


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    if reason := browser_lane.missing():
        raise KdsharpError(f"The browser cannot be measured: {reason}.")
    served = create_server(web.create_app(), host="127.0.0.1", port=0, threads=8)
    threading.Thread(target=served.run, daemon=True).start()
    address, figures = f"http://127.0.0.1:{served.effective_port}/live/", ROOT / "figures"
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as started:
        camera = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
        switches = (*camera, f"--use-file-for-fake-video-capture={film(Path(scratch, 'call.y4m'))}")
        browser = started.chromium.launch(executable_path=browser_lane.chromium(), args=switches)
        rows = live_rows(browser, address, figures / "live.png")
        facts = hardware() | {"chromium": browser.version, "size": "640x360"}
        browser.close()
        rows.append(in_a_call(started.chromium, Path(scratch), figures / "extension.png"))
    print(", ".join(f"{key} {value}" for key, value in facts.items()))
    print(evaluate.text_table(rows, COLUMNS))
    print(f"Extension: the first picture {rows[-1]['first_s']:.1f} s after the click.")
    del rows[-1]["ms"]
    files.write_json(figures / "browser.json", {"facts": facts, "rows": rows})


if __name__ == "__main__":
    main()
