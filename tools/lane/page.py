"""One notebook in JupyterLab: open it, run its cells, look at what it shows, and take its pictures."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from lane.kernel import Watch, tracebacks
from lane.server import START_SECONDS, Server

from kdsharp.errors import first_line

if TYPE_CHECKING:
    from playwright.sync_api import Page

MAX_HEIGHT = 16000  # of one picture, in pixels: Chromium draws none that is higher than 16384
SETTLE_SECONDS = 15  # for widgets and pictures to appear
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
_TALL = """() => {
    const outer = window.jupyterapp.shell.currentWidget.content.node.querySelector(".jp-WindowedPanel-outer");
    return {all: outer.scrollHeight, seen: outer.clientHeight};
}"""
_SCROLL = """top => {
    const node = window.jupyterapp.shell.currentWidget.content.node;
    node.querySelector(".jp-WindowedPanel-outer").scrollTop = top;
}"""


def open_notebook(page: "Page", server: Server, name: str) -> None:
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


def run_cells(page: "Page", watch: Watch, timeout: float) -> list[str]:
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


def look(page: "Page", known: list[str]) -> list[str]:
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


def photograph(page: "Page", out: Path, number: str, widths: tuple[int, int]) -> list[str]:
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
