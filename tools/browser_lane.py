"""Run the notebooks as a reader does: in JupyterLab, in a real browser, with the sliders moved.

The course runner (`make course`) executes the cells, but it has no front end: whether a widget shows, whether a
slider changes its picture, and whether a callback raises in silence can be seen in a browser only. Needs Playwright
and a Chromium of the system; the user's own Jupyter settings are neither read nor changed.

    tools/browser_lane.py --only 02 05
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

from kdsharp.disk import files
from kdsharp.errors import KdsharpError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, WebSocket

ROOT = Path(__file__).resolve().parent.parent
MAC_CHROME = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", MAC_CHROME)
MAX_HEIGHT = 16000  # of one picture, in pixels: Chromium draws none that is higher than 16384
START_SECONDS = 120  # for the server, and for the page
PANEL_SECONDS = 60  # for a panel's picture to change
QUIET_SECONDS = 4  # a kernel that idles this long after a control moved has nothing more to show
SETTLE_SECONDS = 15  # for widgets and pictures to appear
SETTINGS = {
    # Every cell has to be in the page, seen or not; pictures of it should end where the notebook does.
    "notebook-extension/tracker": {"windowingMode": "none", "scrollPastEnd": False},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}

_TRACEBACK = "Traceback (most recent call last)"
_RAISED = re.compile(re.escape(_TRACEBACK) + r".*?^([A-Za-z_][\w.]*(?:: [^\n]*)?)$", re.S | re.M)
# `jupyterapp` is there because the server is started with expose_app_in_browser.
_KERNEL = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status ?? null"
_RUN_ALL = """() => {
    window.laneDone = false;
    const done = () => { window.laneDone = true; };
    window.jupyterapp.commands.execute("notebook:run-all-cells").then(done, done);
}"""
_CELLS = """() => [...window.jupyterapp.shell.currentWidget.content.widgets]
    .filter(cell => cell.model.type === "code" && cell.model.sharedModel.getSource().trim())
    .map((cell, index) => {
        const kind = "application/vnd.jupyter.widget-view+json";
        const outputs = cell.model.outputs.toJSON();
        return {
            number: index + 1,
            count: cell.model.executionCount,
            raised: outputs.filter(o => o.output_type === "error").map(o => `${o.ename}: ${o.evalue}`),
            widgets: outputs.filter(o => o.data && kind in o.data).length,
            // A live widget names no format; what stands in for one (text, a picture) names its own.
            shown: [...cell.node.querySelectorAll(".jp-OutputArea-output:not([data-mime-type])")]
                .filter(node => !node.parentElement.closest(".jp-OutputArea-output")).length,
        };
    })"""
_LOADING = """() => [...document.querySelectorAll(".jp-OutputArea-output")]
    .some(node => node.innerText.includes("Loading widget"))
    || [...document.querySelectorAll(".jp-Notebook img")].some(image => !image.complete)"""
_OUTPUTS = """() => [...document.querySelectorAll(".jp-OutputArea-output")]
    .filter(node => !node.parentElement.closest(".jp-OutputArea-output"))
    .map(node => node.innerText)"""
# Pictures of other hosts (the Colab badge) may fail: the lane runs offline too.
_BROKEN_IMAGES = """() => [...document.querySelectorAll(".jp-Notebook img")]
    .filter(image => !/^https?:/.test(image.src) || new URL(image.src).host === location.host)
    .filter(image => image.getClientRects().length && image.complete && image.naturalWidth === 0).length"""
# The pixels themselves, because every update gives a picture a new address; without a picture, the text, without
# that of the controls, which changes in any case.
_LOOKS = """panel => {
    const images = [...panel.querySelectorAll("img")].filter(image => image.getClientRects().length);
    if (images.some(image => !image.complete)) return null;
    if (!images.length) {
        const copy = panel.cloneNode(true);
        for (const node of copy.querySelectorAll(".widget-slider, select, button, input")) node.remove();
        return copy.textContent;
    }
    return images.map(image => {
        const canvas = document.createElement("canvas");
        canvas.width = image.naturalWidth, canvas.height = image.naturalHeight;
        if (!canvas.width || !canvas.height) return "nothing";
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        const pixels = new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
        let hash = 2166136261;
        for (const pixel of pixels) hash = Math.imul(hash ^ pixel, 16777619);
        return `${canvas.width}x${canvas.height}:${hash >>> 0}`;
    }).join(" ");
}"""
# How often each panel's picture was replaced: a training view changes by itself, while its cell runs.
_COUNT_LOADS = """document.addEventListener("load", event => {
    const panel = event.target.closest?.(".kdsharp-panel");
    if (panel) panel.laneLoads = (panel.laneLoads ?? 0) + 1;
}, true);"""
_TALL = """() => {
    const outer = window.jupyterapp.shell.currentWidget.content.node.querySelector(".jp-WindowedPanel-outer");
    return {all: outer.scrollHeight, seen: outer.clientHeight};
}"""
_SCROLL = """top => {
    const node = window.jupyterapp.shell.currentWidget.content.node;
    node.querySelector(".jp-WindowedPanel-outer").scrollTop = top;
}"""


@dataclass
class Watch:
    """What went wrong out of sight: messages of the kernel, and exceptions of the page's own scripts.

    The kernel's messages are read on their way into the page, because JupyterLab hides some of them: what a bare
    callback raises goes to its log console, which nobody opens.
    """

    raised: list[str] = field(default_factory=list)
    text: str = ""
    died: bool = False
    busy: set[str] = field(default_factory=set)  # requests that the kernel works on

    @property
    def rests(self) -> bool:
        """Whether the kernel has nothing to do. What JupyterLab shows is not enough: its last word can be on one of
        several requests."""
        return not self.busy

    def attach(self, page: "Page") -> None:
        """Listen to everything that `page` is going to hear."""
        page.on("pageerror", self._page_error)
        page.on("websocket", self._socket)

    def take(self) -> list[str]:
        """What was raised since the last call, one line each, without repetitions."""
        lines = [*self.raised, *tracebacks(self.text)]
        self.raised, self.text = [], ""
        return list(dict.fromkeys(lines))

    def _page_error(self, error: Exception) -> None:
        if "ResizeObserver loop" not in str(error):  # a warning of the browser, not a mistake
            self.raised.append(f"the page raised {first_line(error)}")

    def _socket(self, socket: "WebSocket") -> None:
        if "/channels" in socket.url:
            socket.on("framereceived", self.hear)

    def hear(self, frame: bytes | str) -> None:
        """Take in one message of a kernel."""
        kind, parent, content = decode(frame)
        if kind == "error":
            self.raised.append(f"{content['ename']}: {first_line(content['evalue'])}")
        elif kind == "stream":
            self.text += content["text"]
        elif kind == "status":
            state = content["execution_state"]
            self.died = self.died or state in ("restarting", "autorestarting", "dead")
            self.busy = {*self.busy, parent} if state == "busy" else self.busy - {parent}


@dataclass(frozen=True)
class Server:
    """A running JupyterLab server."""

    address: str
    token: str
    log: Path

    def ask(self, path: str, method: str = "GET") -> Any:
        """The answer of the server's REST interface."""
        request = urllib.request.Request(
            f"{self.address}/{path}", method=method, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.loads(response.read() or b"null")

    def close_kernels(self) -> None:
        """Shut down every kernel: two of them side by side would share the memory."""
        for session in self.ask("api/sessions"):
            self.ask(f"api/sessions/{session['id']}", "DELETE")


def decode(frame: bytes | str) -> tuple[str, str, dict]:
    """One kernel message's kind, the request that it answers, and its content (for the kinds that `Watch` knows).

    JupyterLab speaks v1.kernel.websocket.jupyter.org: a count, that many offsets (64 bits, little-endian), and between
    them channel, header, parent header, metadata, content and buffers.
    """
    if isinstance(frame, str):
        message = json.loads(frame)
        return message["header"]["msg_type"], message["parent_header"].get("msg_id", ""), message["content"]
    count = int.from_bytes(frame[:8], "little")
    offsets = [int.from_bytes(frame[8 * place : 8 * place + 8], "little") for place in range(1, count + 1)]
    parts = [frame[start:end] for start, end in pairwise(offsets)]
    kind = json.loads(parts[1])["msg_type"]
    content = json.loads(parts[4]) if kind in ("error", "stream", "status") else {}
    return kind, json.loads(parts[2]).get("msg_id", ""), content


def tracebacks(text: str) -> list[str]:
    """What was raised, for every traceback in `text`, whether Python or IPython wrote it."""
    found = [match.strip() for match in _RAISED.findall(text)]
    return found or ["a traceback"] if _TRACEBACK in text else []


def first_line(text: object) -> str:
    """The first line of an error's text, which may be empty."""
    return (str(text).strip().splitlines() or [""])[0]


def missing() -> str | None:
    """Why the lane cannot run on this machine, or None."""
    for module in ("playwright", "jupyterlab", "ipywidgets"):
        if find_spec(module) is None:
            return f"{module} is not installed: pip install -e '.[browser]'"
    if chromium() is None:
        return "there is no Chromium: apt-get install chromium (or Google Chrome on other systems)"
    return None


def chromium() -> str | None:
    """The system's Chromium or Chrome."""
    return next((found for name in CHROMIUMS if (found := shutil.which(name))), None)


def run_lane(
    notebooks: Path,
    out: Path,
    only: list[str] | None = None,
    widths: tuple[int, int] = (1280, 800),
    timeout: float = 300,
    say: Callable[[str], None] = lambda _line: None,
) -> list[dict]:
    """Run `notebooks`/NN_*.ipynb in JupyterLab; pictures of them and report.json go to `out`.

    `only` holds the numbers of the notebooks to take; `timeout` is for all cells of one notebook. Returns one row per
    notebook: notebook, seconds, panels (how many were tried), problems (sentences), pictures. Raises KdsharpError if
    the folder holds no such notebook, or if the machine lacks what the lane needs.
    """
    found = sorted(Path(notebooks).glob("[0-9][0-9]_*.ipynb"))
    found = [path for path in found if not only or path.name[:2] in only]
    if not found:
        raise KdsharpError(f"There are no such notebooks in {notebooks}: check --notebooks and --only.")
    if reason := missing():
        raise KdsharpError(f"The browser lane cannot run: {reason}.")
    from playwright.sync_api import sync_playwright

    out.mkdir(parents=True, exist_ok=True)
    rows = []
    with (
        tempfile.TemporaryDirectory(prefix="kdsharp-lane-", ignore_cleanup_errors=True) as scratch,
        serve(Path(scratch), found) as server,
        sync_playwright() as playwright,
        # Playwright switches Chromium's sandbox off by itself, as root and containers need it.
        contextlib.closing(playwright.chromium.launch(executable_path=chromium())) as browser,
    ):
        for path in found:
            say(f"{path.stem} ...")
            rows.append(visit(browser, server, path.name, out, widths, timeout))
            say(format_row(rows[-1]))
            files.write_json(out / "report.json", rows)
    return rows


@contextlib.contextmanager
def serve(scratch: Path, notebooks: list[Path]) -> Iterator[Server]:
    """A server whose files, settings and kernels are all in `scratch`, with the notebooks copied there."""
    _copy(notebooks, scratch / "notebooks")
    for name, values in SETTINGS.items():
        files.write_json(scratch / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings", values)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(f"http://127.0.0.1:{port}", os.urandom(16).hex(), scratch / "server.log")
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": scratch / "notebooks",
        "ServerApp.allow_root": True,
        "IdentityProvider.token": server.token,
        "LabApp.expose_app_in_browser": True,
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser"]
    command += [f"--{name}={value}" for name, value in options.items()]
    with open(server.log, "wb") as log:
        process = subprocess.Popen(command, env=_environment(scratch), stdout=log, stderr=log, cwd=scratch)
    try:
        _await(server, process)
        yield server
        server.close_kernels()
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def visit(
    browser: "Browser", server: Server, name: str, out: Path, widths: tuple[int, int], timeout: float
) -> dict:
    """Open one notebook, run it, try its panels and take its pictures; returns its row."""
    from playwright.sync_api import Error

    start = time.monotonic()
    row: dict[str, Any] = {"notebook": Path(name).stem, "seconds": 0.0, "panels": 0, "problems": []}
    row["pictures"] = []
    context = browser.new_context(viewport={"width": widths[0], "height": 900})
    page, watch = context.new_page(), Watch()
    watch.attach(page)
    page.add_init_script(_COUNT_LOADS)
    try:
        _open(page, server, name)
        row["problems"] += _run_cells(page, watch, timeout)
        row["pictures"] = _photograph(page, out, name[:2], widths)
        if watch.rests and not watch.died:  # else no panel can answer
            row["panels"], problems = _try_panels(page, watch, out, name[:2])
            row["problems"] += problems
        row["problems"] += _look(page, row["problems"])
    except (Error, OSError) as error:  # the browser's, the server's: the next notebook is tried all the same
        row["problems"] += watch.take()
        row["problems"].append(f"it could not be driven, {type(error).__name__}: {first_line(error)}")
    finally:
        context.close()
        with contextlib.suppress(OSError):
            server.close_kernels()
    row["problems"] = list(dict.fromkeys(row["problems"]))
    row["seconds"] = round(time.monotonic() - start, 1)
    return row


def format_row(row: dict) -> str:
    """One line of the table."""
    state = "; ".join(row["problems"]) or "ok"
    return f"{row['notebook']:22} {row['seconds']:8.1f} {row['panels']:6}  {state}"


def format_table(rows: list[dict]) -> str:
    """The closing table: seconds, panels and problems of every notebook."""
    total = f"{'total':22} {sum(row['seconds'] for row in rows):8.1f} {sum(row['panels'] for row in rows):6}"
    return "\n".join([f"{'notebook':22} {'seconds':>8} {'panels':>6}  state", *map(format_row, rows), total])


def _copy(notebooks: list[Path], folder: Path) -> None:
    """The notebooks without outputs, so that nothing of an earlier run passes for this one's."""
    folder.mkdir(parents=True)
    for path in notebooks:
        notebook = nbformat.read(path, as_version=4)
        notebook.metadata.pop("widgets", None)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, folder / path.name)


def _environment(scratch: Path) -> dict[str, str]:
    """Variables of the server and its kernels: settings, kernels and start-up files of the user stay out."""
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "share",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    return (
        os.environ
        | {name: str(scratch / folder) for name, folder in folders.items()}
        | {"KDSHARP_PROFILE": "quick", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    )


def _await(server: Server, process: subprocess.Popen) -> None:
    """Return when the server answers; raises KdsharpError with the end of its log if it never does."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            server.ask("api/status")
            return
        except OSError:
            time.sleep(0.3)
    tail = server.log.read_text(encoding="utf-8", errors="replace")[-1500:]
    raise KdsharpError(f"JupyterLab did not start; its log ends:\n{tail}")


def _open(page: "Page", server: Server, name: str) -> None:
    """Open a notebook in a workspace of its own, and wait for its kernel."""
    workspace = f"{server.address}/lab/workspaces/lane-{name[:2]}/tree/{name}"
    page.goto(f"{workspace}?reset&token={server.token}", timeout=START_SECONDS * 1000)
    end = time.monotonic() + START_SECONDS
    while page.evaluate(_KERNEL) != "idle":
        if time.monotonic() > end:
            raise TimeoutError(f"no kernel after {START_SECONDS} seconds")
        accept = page.locator(".jp-Dialog .jp-mod-accept")
        if accept.count():  # which kernel? the one that is offered
            accept.first.click()
        page.wait_for_timeout(300)


def _run_cells(page: "Page", watch: Watch, timeout: float) -> list[str]:
    """Run all cells and wait until that is over; returns what is wrong with them."""
    page.evaluate(_RUN_ALL)
    end, late = time.monotonic() + timeout, False
    dialog = page.locator(".jp-Dialog-content")
    while not (page.evaluate("window.laneDone") and watch.rests):
        page.wait_for_timeout(300)
        late = time.monotonic() > end
        if late or dialog.count():
            break
    problems = [f"its cells took longer than {timeout:g} seconds"] if late else []
    if watch.died:
        problems.append("its kernel died (out of memory?)")
    elif dialog.count():
        problems.append(f"JupyterLab asks: {' '.join(dialog.first.inner_text().split())}")
    if dialog.count():
        page.keyboard.press("Escape")
    _settle(page)
    cells = page.evaluate(_CELLS)
    for cell in cells:
        problems += [f"cell {cell['number']} raised {first_line(line)}" for line in cell["raised"]]
    if left := [str(cell["number"]) for cell in cells if cell["count"] is None]:
        problems.append(f"{len(left)} cells were not executed, the first is cell {left[0]}")
    if lost := sum(max(0, cell["widgets"] - cell["shown"]) for cell in cells):
        problems.append(f"{lost} widgets are not live (is jupyterlab_widgets installed?)")
    said = " ".join(problems)
    return problems + [f"while its cells ran: {line}" for line in watch.take() if line not in said]


def _settle(page: "Page") -> None:
    """Wait for widgets and pictures that are on their way; what never comes is found later."""
    end = time.monotonic() + SETTLE_SECONDS
    page.wait_for_timeout(500)
    while page.evaluate(_LOADING) and time.monotonic() < end:
        page.wait_for_timeout(300)


def _try_panels(page: "Page", watch: Watch, out: Path, number: str) -> tuple[int, list[str]]:
    """Use every panel; returns how many there are, and what is wrong with them."""
    panels = page.locator(".kdsharp-panel:visible:not(.kdsharp-panel .kdsharp-panel)").all()
    problems = []
    for place, panel in enumerate(panels, 1):
        problem = _use(page, watch, panel)
        wrong = watch.take() + ([problem] if problem else [])
        if wrong:
            panel.screenshot(path=out / f"{number}-panel-{place}.png")
        problems += [f"panel {place}: {line}" for line in wrong]
    return len(panels), problems


def _use(page: "Page", watch: Watch, panel: "Locator") -> str | None:
    """Move the panel's sliders, else its drop-downs, else its buttons, until its picture is another one."""
    end, tried = time.monotonic() + PANEL_SECONDS, False
    for action in _actions(page, panel):
        before, tried = panel.evaluate(_LOOKS), True
        action()
        if _changes(page, watch, panel, before, end):
            return None
        if time.monotonic() > end:
            break
    if tried:
        return "no control changed its picture"
    if panel.evaluate("panel => (panel.laneLoads ?? 0) < 2"):
        return "its picture never changed, and it has no control to change it"
    return None


def _actions(page: "Page", panel: "Locator") -> Iterator[Callable[[], None]]:
    """One way after the other to change something in a panel."""
    for slider in panel.locator(".noUi-target:visible:not([disabled])").all():
        yield lambda slider=slider: _move(page, slider)
    for menu in panel.locator("select:visible:enabled").all():
        yield lambda menu=menu: _choose(menu)
    for button in panel.locator("button:visible:enabled").all():
        yield lambda button=button: button.click()


def _move(page: "Page", slider: "Locator") -> None:
    """Press the mouse on the half of the slider where its handle is not: a single step can be too small to see.

    The keyboard comes second, because JupyterLab has its own use for the arrow keys.
    """
    slider.scroll_into_view_if_needed()
    handle = slider.locator(".noUi-handle").first
    box, place = slider.bounding_box(), handle.bounding_box()
    value = handle.get_attribute("aria-valuenow")
    middle = place["x"] + place["width"] / 2 - box["x"]
    share = 0.25 if middle > box["width"] / 2 else 0.75
    page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
    for key in ("ArrowRight", "ArrowLeft"):
        page.wait_for_timeout(100)
        if handle.get_attribute("aria-valuenow") == value:
            handle.focus()
            handle.press(key)


def _choose(menu: "Locator") -> None:
    """Another option of a drop-down."""
    options, chosen = menu.locator("option").count(), menu.evaluate("menu => menu.selectedIndex")
    if options > 1:
        menu.select_option(index=(chosen + 1) % options)


def _changes(page: "Page", watch: Watch, panel: "Locator", before: str | None, end: float) -> bool:
    """Wait until the panel looks different and the kernel rests; False if it rests and nothing has changed."""
    quiet = time.monotonic()
    while time.monotonic() < end:
        page.wait_for_timeout(200)
        after = panel.evaluate(_LOOKS)
        if watch.rests and after is not None and after != before:
            page.wait_for_timeout(300)  # for what was raised after the picture was sent
            return True
        if not watch.rests:
            quiet = time.monotonic()
        elif time.monotonic() - quiet > QUIET_SECONDS:
            return False
    return False


def _look(page: "Page", known: list[str]) -> list[str]:
    """What is wrong with the page as it stands: tracebacks, broken widgets, broken pictures."""
    _settle(page)
    shown, problems, said = page.evaluate(_OUTPUTS), [], " ".join(known)
    for text in shown:
        lines = [line for line in tracebacks(text) if line not in said]
        problems += [f"an output shows {line}" for line in lines]
    for sign in ("Error displaying widget", "Loading widget"):
        if count := sum(sign in text for text in shown):
            problems.append(f"{count} outputs say '{sign}'")
    if count := page.locator(".jupyter-widgets-disconnected, .jp-mod-widget-disconnected").count():
        problems.append(f"{count} widgets are cut off from the kernel")
    if count := page.evaluate(_BROKEN_IMAGES):
        problems.append(f"{count} pictures are broken")
    return problems


def _photograph(page: "Page", out: Path, number: str, widths: tuple[int, int]) -> list[str]:
    """The whole notebook at both widths, the narrow one without side panels; returns the names of the files."""
    for old in [*out.glob(f"{number}-*.png")]:
        old.unlink()
    names = []
    for width in widths:
        if width == widths[1]:
            page.evaluate(
                "() => { window.jupyterapp.shell.collapseLeft(); window.jupyterapp.shell.collapseRight(); }"
            )
        names += _photograph_at(page, out, f"{number}-{width}", width)
    page.set_viewport_size({"width": widths[0], "height": 900})
    page.wait_for_timeout(500)
    return names


def _photograph_at(page: "Page", out: Path, stem: str, width: int) -> list[str]:
    """One picture of the whole notebook, or several if it is too long for one."""
    height = 900
    for _ in range(2):  # a page that grew can have grown by more than was missing
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(500)
        tall = page.evaluate(_TALL)
        height = min(MAX_HEIGHT, height + tall["all"] - tall["seen"])
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_timeout(500)
    tall, names = page.evaluate(_TALL), []
    tops = range(0, max(1, tall["all"] - 1), max(1, tall["seen"]))
    for part, top in enumerate(tops, 1):
        page.evaluate(_SCROLL, top)
        names.append(f"{stem}.png" if len(tops) == 1 else f"{stem}-{part}.png")
        page.wait_for_timeout(200)
        page.screenshot(path=out / names[-1], timeout=120_000)
    return names


def main(arguments: list[str] | None = None) -> int:
    """Run the lane and print its table; 1 if there is any problem."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notebooks", type=Path, default=ROOT / "notebooks", help="the folder")
    parser.add_argument("--only", nargs="+", metavar="NN", help="numbers of the notebooks to take")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build" / "browser", help="for report and pictures"
    )
    parser.add_argument("--width", type=int, default=1280, help="of the pictures, in pixels")
    parser.add_argument("--narrow", type=int, default=800, help="of the narrow pictures, in pixels")
    parser.add_argument("--timeout", type=float, default=300, help="for all cells of a notebook, in seconds")
    chosen = parser.parse_args(arguments)
    widths = chosen.width, chosen.narrow
    try:
        rows = run_lane(chosen.notebooks, chosen.out, chosen.only, widths, chosen.timeout, print)
    except KdsharpError as error:
        sys.exit(str(error))
    print(f"\n{format_table(rows)}\nPictures and report.json are in {chosen.out}.")
    return 1 if any(row["problems"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
