"""The comparison viewer in a real browser: what a hand does on it must show those pixels of those pictures.

Most pictures here say in each pixel where it lies (red: column, green: row) and whose it is (blue), so that what is
seen tells what was done. They have 250 pixels a side and are shown twice as large, on a stage of 500.
"""

import base64
import re
import sys
from collections.abc import Callable, Iterator
from html import escape, unescape
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import colormaps
from PIL import Image

import kdsharp
from kdsharp.course import panels
from kdsharp.course.panels import viewer
from kdsharp.errors import KdsharpError

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import browser_lane

SIDE, STAGE = 250, 500
LEFT, RIGHT, OTHER = 40, 120, 200  # the blue of each picture
PIXELS = "canvas => canvas.toDataURL('image/png').split(',')[1]"


def saying(blue: int) -> np.ndarray:
    """A picture whose pixels are (column, row, blue)."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return np.dstack([columns, rows, np.full((SIDE, SIDE), blue)]).astype(np.uint8)


def three() -> viewer.Viewer:
    return panels.comparison_viewer(
        {"first": saying(LEFT), "second": saying(RIGHT), "original": saying(OTHER)}
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if (program := browser_lane.chromium()) is None:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=program)
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable]:
    """Open HTML as a page; what its scripts complain of fails the test."""
    contexts, complaints = [], []

    def opened(html: str, width: int = 1280, height: int = 720, **options: Any) -> Any:
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.set_content(f"<!doctype html><meta charset='utf-8'><body style='margin: 8px'>{html}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


class Seen:
    """A viewer on a page: what its canvas shows, and a mouse in coordinates of its stage."""

    def __init__(self, page: Any, place: int = 0, around: Any = None) -> None:
        self.page, self.root = page, (around or page).locator(".kdsharp-viewer.live").nth(place)
        self.root.wait_for()
        self.stage, self.divider = self.root.locator(".stage"), self.root.get_by_role("slider")

    def pixels(self) -> np.ndarray:
        content = base64.b64decode(self.root.locator("canvas").evaluate(PIXELS))
        return np.array(Image.open(BytesIO(content)).convert("RGB")).astype(int)

    def at(self, x: int, y: int) -> tuple[int, ...]:
        return tuple(self.pixels()[y, x].tolist())

    def move(self, x: int, y: int) -> None:
        box = self.stage.bounding_box()
        self.page.mouse.move(box["x"] + x, box["y"] + y)

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        self.move(*start)
        self.page.mouse.down()
        self.move((start[0] + end[0]) // 2, (start[1] + end[1]) // 2)
        self.move(*end)
        self.page.mouse.up()

    def whole(self) -> None:
        self.root.get_by_role("button", name="Show the whole picture").click()

    def wheel(self, amount: int, times: int = 1) -> None:
        for _ in range(times):
            self.page.mouse.wheel(0, amount)
        self.page.wait_for_timeout(150)

    def zoom(self) -> float:
        return float(self.root.get_by_role("status").inner_text().removeprefix("zoom "))


@pytest.fixture
def seen(visit: Callable) -> Seen:
    """Three pictures, all of them in view."""
    found = Seen(visit(three().html))
    found.whole()
    return found


def expected(cut: int, left: int = LEFT, right: int = RIGHT) -> np.ndarray:
    """The stage with its divider at `cut`, all in view."""
    both = np.hstack([saying(left)[:, : cut // 2], saying(right)[:, cut // 2 :]])
    return np.repeat(np.repeat(both, 2, axis=0), 2, axis=1)


@pytest.mark.heavy
def test_the_divider_is_dragged_on_the_picture(seen: Seen) -> None:
    assert np.array_equal(seen.pixels(), expected(250))
    seen.drag((250, 100), (124, 300))
    assert np.array_equal(seen.pixels(), expected(124))
    assert seen.divider.get_attribute("aria-valuenow") == "25"
    seen.drag((400, 400), (400, 400))  # in the whole picture a press anywhere takes it
    assert np.array_equal(seen.pixels(), expected(400))
    seen.drag((400, 100), (900, 100))
    assert np.array_equal(seen.pixels(), expected(500))


@pytest.mark.heavy
def test_the_wheel_zooms_towards_the_pointer_and_a_double_click_shows_the_whole(seen: Seen) -> None:
    seen.move(90, 300)
    seen.move(100, 310)
    before = seen.at(100, 310)
    seen.wheel(-100, 5)
    after, zoom = seen.at(100, 310), seen.zoom()
    assert zoom > 2 and np.abs(np.subtract(after, before)).max() <= 1
    across = seen.at(180, 310)[0] - seen.at(20, 310)[0]
    assert across == pytest.approx(160 / (2 * zoom), abs=2)
    seen.drag((400, 400), (360, 420))  # away from the divider: the picture moves with the hand
    moved = np.subtract(seen.at(60, 330), before)
    assert np.abs(moved).max() <= 1
    seen.page.mouse.dblclick(*(seen.stage.bounding_box()[side] + 60 for side in ("x", "y")))
    assert seen.zoom() == 1 and seen.at(0, 0)[:2] == (0, 0) and seen.at(499, 499)[:2] == (249, 249)


@pytest.mark.heavy
def test_zoom_ends_where_pixels_are_large_and_where_all_is_seen(seen: Seen) -> None:
    seen.move(0, 0)
    seen.move(3, 3)
    seen.wheel(-100, 40)
    assert seen.zoom() == 8 and seen.at(3, 3)[:2] == (1, 1)  # 16 screen pixels for one
    seen.wheel(100, 60)
    assert seen.zoom() == 1 and np.array_equal(seen.pixels(), expected(250))


@pytest.mark.heavy
def test_the_page_scrolls_unless_the_pointer_means_the_picture(visit: Callable) -> None:
    page = visit(f"<p style='height: 900px'>text</p>{three().html}<p style='height: 2000px'>text</p>")
    seen = Seen(page)
    seen.root.evaluate("root => root.scrollIntoView({block: 'nearest'})")
    page.evaluate("scrollTo(0, 0)")
    page.mouse.move(200, 300)
    for _ in range(6):  # the viewer comes under the pointer, and leaves it again
        before = page.evaluate("scrollY")
        seen.wheel(200)
        assert page.evaluate("scrollY") > before
    zoom = seen.zoom()
    page.evaluate("scrollTo(0, 900)")
    seen.move(100, 100)
    seen.move(110, 100)
    seen.wheel(-100)
    assert seen.zoom() > zoom and page.evaluate("scrollY") == 900


@pytest.mark.heavy
@pytest.mark.parametrize("key", [" ", "f"])
def test_a_held_key_swaps_the_sides(seen: Seen, key: str) -> None:
    seen.divider.focus()
    seen.page.keyboard.down(key)
    assert np.array_equal(seen.pixels(), expected(250, RIGHT, LEFT))
    seen.page.keyboard.up(key)
    assert np.array_equal(seen.pixels(), expected(250))


@pytest.mark.heavy
def test_a_held_button_swaps_the_sides(seen: Seen) -> None:
    seen.divider.focus()
    seen.root.get_by_role("button", name="Flicker").hover()
    seen.page.mouse.down()
    assert np.array_equal(seen.pixels(), expected(250, RIGHT, LEFT))
    seen.page.mouse.up()
    assert np.array_equal(seen.pixels(), expected(250))


@pytest.mark.heavy
def test_keys_do_what_the_mouse_does(seen: Seen) -> None:
    seen.divider.focus()
    for _ in range(5):
        seen.page.keyboard.press("ArrowRight")
    assert np.array_equal(seen.pixels(), expected(300))
    seen.page.keyboard.press("Home")
    assert np.array_equal(seen.pixels(), expected(0))
    seen.page.keyboard.press("+")
    zoomed = seen.at(100, 100)
    for _ in range(3):
        seen.page.keyboard.press("Shift+ArrowLeft")
    assert seen.zoom() == pytest.approx(1.25, abs=0.06) and seen.at(100, 100)[0] < zoomed[0]
    seen.page.keyboard.press("0")
    assert np.array_equal(seen.pixels(), expected(0))


@pytest.mark.heavy
def test_any_two_pictures_can_be_chosen(seen: Seen) -> None:
    seen.root.get_by_role("radio", name="original on the left").check()
    seen.root.get_by_role("radio", name="first on the right").check()
    assert np.array_equal(seen.pixels(), expected(250, OTHER, LEFT))
    assert "original on the left, first on the right" in seen.root.locator("canvas").get_attribute(
        "aria-label"
    )


@pytest.mark.heavy
def test_the_difference_is_numpys(visit: Callable) -> None:
    photo = kdsharp.read_image(kdsharp.embedded_photos("val")[0])[100:350, 120:370]
    _, received = kdsharp.degrade(photo, kdsharp.fixed_call(2, 40))
    seen = Seen(visit(panels.comparison_viewer({"received": received, "original": photo}).html))
    seen.whole()
    seen.divider.focus()
    seen.page.keyboard.press("End")
    seen.page.keyboard.press("d")
    weights = np.array([65.481, 128.553, 24.966]) / 255  # BT.601, studio range
    error = 4 * np.abs((received.astype(float) - photo) @ weights) / 255
    wanted = (colormaps["inferno"](np.clip(error, 0, 1))[..., :3] * 255).astype(int)
    off = np.abs(seen.pixels()[::2, ::2] - wanted).max(axis=2)
    assert (off > 0).mean() < 0.001 and off.max() <= 8 and np.ptp(wanted) > 200  # a neighbour of 256 colours
    assert seen.root.locator(".legend").is_visible()
    seen.page.keyboard.press("Home")
    assert seen.pixels().max() <= 3, "the original has no error: black, inferno's first colour"


@pytest.mark.heavy
def test_fingers_pinch_and_drag(visit: Callable) -> None:
    seen = Seen(visit(three().html, has_touch=True))
    seen.whole()
    box, session = seen.stage.bounding_box(), seen.page.context.new_cdp_session(seen.page)

    def touch(kind: str, *points: tuple[int, int]) -> None:
        places = [{"x": box["x"] + x, "y": box["y"] + y, "id": at} for at, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    touch("touchStart", (250, 250))
    for x in (230, 180, 124):
        touch("touchMove", (x, 250))
    touch("touchEnd")
    assert np.array_equal(seen.pixels(), expected(124))
    before = seen.at(300, 200)
    touch("touchStart", (280, 200))
    touch("touchStart", (280, 200), (320, 200))
    for by in (20, 40, 60):
        touch("touchMove", (280 - by, 200), (320 + by, 200))
    touch("touchEnd")
    seen.page.wait_for_timeout(150)
    assert seen.zoom() == pytest.approx(4, abs=0.1)
    assert np.abs(np.subtract(seen.at(300, 200), before)).max() <= 1


@pytest.mark.heavy
def test_two_viewers_are_strangers_and_nothing_is_global(visit: Callable) -> None:
    page = visit(three().html + three().html)
    one, two = Seen(page), Seen(page, 1)
    one.whole()
    two.whole()
    assert one.root.get_attribute("id") != two.root.get_attribute("id")
    one.drag((250, 100), (100, 100))
    one.root.get_by_role("radio", name="original on the left").check()
    two.divider.focus()
    page.keyboard.press("d")
    page.keyboard.press("d")
    assert np.array_equal(one.pixels(), expected(100, OTHER)) and np.array_equal(two.pixels(), expected(250))
    names = set(re.findall(r"^const (\w+)", panels_file("viewer.js") + panels_file("viewer_hands.js"), re.M))
    known = "names => names.filter(name => eval(`typeof ${name}`) !== 'undefined')"
    assert len(names) > 8 and page.evaluate(known, sorted(names)) == []


def panels_file(name: str) -> str:
    return (Path(panels.__file__).parent / name).read_text(encoding="utf-8")


@pytest.mark.heavy
def test_in_a_sandboxed_frame_as_colabs(visit: Callable) -> None:
    about = 'sandbox="allow-scripts" width="1200" height="600" style="border: 0"'
    page = visit(f'<iframe {about} srcdoc="{escape(three().html)}"></iframe>')
    seen = Seen(page, around=page.frame_locator("iframe"))
    seen.whole()
    seen.drag((250, 100), (124, 100))
    assert np.array_equal(seen.pixels(), expected(124))


@pytest.mark.heavy
@pytest.mark.parametrize(("width", "height"), [(1280, 560), (800, 560), (390, 760)])
def test_it_fits_beside_a_notebooks_margin(visit: Callable, width: int, height: int) -> None:
    photo = kdsharp.read_image(kdsharp.embedded_photos("val")[0])
    names = ("received", "unsharp mask", "student", "teacher")
    shown = {name: np.roll(photo, number, 1) for number, name in enumerate(names)} | {"original": photo}
    page = visit(panels.comparison_viewer(shown).html, width)
    box = Seen(page).root.bounding_box()
    assert box["height"] <= height and page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.heavy
def test_without_scripts_the_pictures_stand_side_by_side(visit: Callable) -> None:
    page = visit(three().html, java_script_enabled=False)
    assert page.locator("figure:visible img").count() == 3 and page.locator("canvas").count() == 0
    first = saying(LEFT), saying(OTHER)
    assert f"first: PSNR-Y {kdsharp.psnr(*first):.2f} dB, SSIM {kdsharp.ssim(*first):.4f}" in page.inner_text(
        "body"
    )


names = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)


@settings(deadline=None, max_examples=25)
@given(
    st.dictionaries(
        names.filter(lambda name: name != "original"), st.integers(0, 2**31), min_size=1, max_size=4
    ),
    st.tuples(st.integers(11, 60), st.integers(11, 60)),
    st.booleans(),
)
def test_the_bundle_holds_every_picture_and_its_scores(seeds: dict, size: tuple, first: bool) -> None:
    def noise(seed: int) -> np.ndarray:
        return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)

    others = {name: noise(seed) for name, seed in seeds.items()}
    original = {"original": noise(0)}
    pictures = original | others if first else others | original
    bundle = panels.comparison_viewer(pictures)._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "image/png", "text/html"}
    assert Image.open(BytesIO(base64.b64decode(bundle["image/png"]))).size[0] == 720
    found = re.findall(
        r'alt="(.*?)" data-psnr="(.*?)" data-ssim="(.*?)" src="data:image/png;base64,(.*?)"',
        bundle["text/html"],
    )
    assert [unescape(name) for name, *_ in found] == list(pictures)
    for (_, psnr, ssim, png), (name, picture) in zip(found, pictures.items(), strict=True):
        assert np.array_equal(np.array(Image.open(BytesIO(base64.b64decode(png)))), picture)
        if name != "original" and not np.array_equal(picture, pictures["original"]):
            assert psnr == f"{kdsharp.psnr(picture, pictures['original']):.2f} dB"
            assert ssim == f"{kdsharp.ssim(picture, pictures['original']):.4f}"


def test_of_a_large_picture_the_middle_is_shown_and_the_whole_is_scored() -> None:
    original = np.zeros((1030, 1100, 3), np.uint8)
    spoilt = original.copy()
    spoilt[:, :30] = 255  # outside what is shown
    made = panels.comparison_viewer({"spoilt": spoilt, "original": original})
    assert f"{kdsharp.psnr(spoilt, original):.2f} dB" in made.html
    assert "whole picture (1100x1030)" in made.html and "middle 1024x1024" in made.html


def test_it_wants_pictures_of_one_size_and_an_original() -> None:
    photo = saying(1)
    for wrong in ({"original": photo}, {"a": photo, "original": photo[:-1]}, {"a": photo, "b": photo}):
        with pytest.raises(KdsharpError, match="pictures of one size"):
            panels.comparison_viewer(wrong)
