"""The panels of a notebook's page, used as a reader does: a control is moved, and the picture has to change.

So are comparison viewers, which have no kernel to wait for: their divider is dragged and their wheel turned.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lane.kernel import Watch

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

PANEL_SECONDS = 60  # for a panel's picture to change
QUIET_SECONDS = 4  # a kernel that idles this long after a control moved has nothing more to show
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
COUNT_LOADS = """document.addEventListener("load", event => {
    const panel = event.target.closest?.(".kdsharp-panel");
    if (panel) panel.laneLoads = (panel.laneLoads ?? 0) + 1;
}, true);"""

_CANVAS = """viewer => viewer.querySelector("canvas")?.toDataURL() ?? null"""
_PANELS = ".kdsharp-panel:visible:not(.kdsharp-panel .kdsharp-panel)"
_VIEWERS = ".kdsharp-viewer:visible"


def try_all(page: "Page", watch: Watch, out: Path, number: str) -> tuple[int, list[str]]:
    """Use every panel; returns how many there are, and what is wrong with them."""
    panels, problems = page.locator(f"{_PANELS}, {_VIEWERS}").all(), []
    for place, panel in enumerate(panels, 1):
        is_viewer = panel.evaluate("panel => panel.classList.contains('kdsharp-viewer')")
        problem = _look_through(page, panel) if is_viewer else _use(page, watch, panel)
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


def _look_through(page: "Page", viewer: "Locator") -> str | None:
    """Drag a viewer's divider, turn the wheel and press a key, on its picture: each has to change what is shown."""
    if viewer.evaluate(_CANVAS) is None:
        return "its script did not run: the pictures stand side by side"
    viewer.scroll_into_view_if_needed()
    box = viewer.locator(".stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for name, act in {
        "dragging its divider": lambda: _drag(page, (x, y), (x + box["width"] / 4, y)),
        "the wheel": lambda: page.mouse.wheel(0, -200),
        "the space bar": lambda: page.keyboard.down(" "),
    }.items():
        before = viewer.evaluate(_CANVAS)
        act()
        page.wait_for_timeout(300)
        if viewer.evaluate(_CANVAS) == before:
            return f"{name} did not change its picture"
    page.keyboard.up(" ")
    return None


def _drag(page: "Page", start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()


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
