"""The page in a real browser: upload, divider, download, errors; at a desktop's and a phone's width."""

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from kdsharp import data
from kdsharp.apps import pictures
from kdsharp.deploy import sharpen

playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("flask")
waitress = pytest.importorskip("waitress.server")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import browser_lane  # noqa: E402

from kdsharp.apps import web  # noqa: E402 (it is of use with Flask only)

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    served = waitress.create_server(web.create_app(), host="127.0.0.1", port=0)
    threading.Thread(target=served.run, daemon=True).start()
    yield f"http://127.0.0.1:{served.effective_port}"
    served.close()


@pytest.fixture
def page(address: str) -> Iterator:
    if (program := browser_lane.chromium()) is None:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.complaints = []
        page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(address)
        yield page
        browser.close()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    image = data.read_image(data.embedded_photos("val")[0])[:300, :400]
    return data.write_image(tmp_path / "a face.png", image)


def width_of_result(page) -> int:
    return page.evaluate("document.getElementById('after').decode().then(() => after.naturalWidth)")


def test_upload_divider_and_download(page, picture: Path, tmp_path: Path) -> None:
    page.set_input_files("#picture", picture)
    page.wait_for_selector("#result:not([hidden])")
    assert width_of_result(page) == 400
    assert 0.9 < float(page.inner_text("#agreement")) <= 1
    page.focus("#divider")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("document.getElementById('view').style.getPropertyValue('--at')") == "60%"
    clip = page.evaluate("getComputedStyle(document.getElementById('after')).clipPath")
    assert "60%" in clip
    with page.expect_download() as waiting:
        page.click("#download")
    assert waiting.value.suggested_filename == "a face-sharpened.png"
    waiting.value.save_as(tmp_path / "page.png")
    pictures.sharpen_file(picture, tmp_path / "line.png", sharpen.load_student("call-s", engine="onnx"))
    assert np.array_equal(data.read_image(tmp_path / "page.png"), data.read_image(tmp_path / "line.png"))
    assert page.complaints == []


def test_a_picture_can_be_dropped(page, picture: Path, drop: Callable) -> None:
    drop(page, picture)
    page.wait_for_selector("#result:not([hidden])")
    assert width_of_result(page) == 400 and page.complaints == []


def test_mistakes_are_told_and_the_page_goes_on(page, picture: Path, tmp_path: Path) -> None:
    page.click("button[type=submit]")
    page.wait_for_selector("#message.error")
    (tmp_path / "notes.png").write_text("no picture")
    page.set_input_files("#picture", tmp_path / "notes.png")
    page.wait_for_selector("#message:has-text('not a picture')")
    page.set_input_files("#picture", picture)
    page.wait_for_selector("#result:not([hidden])")
    assert page.get_attribute("#message", "class") == ""


@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_a_desktop_and_a_phone(page, width: int, tmp_path: Path) -> None:
    page.set_viewport_size({"width": width, "height": 850})
    page.click("#example")
    page.wait_for_selector("#result:not([hidden])")
    assert width_of_result(page) == 512
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shot = Path("build") / "browser" / f"web-{width}.png"
    shot.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=shot, full_page=True)
    assert page.complaints == []
