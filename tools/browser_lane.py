"""Run the notebooks as a reader does: in JupyterLab, in a real browser, with the sliders moved.

The course runner (`make course`) executes the cells, but it has no front end: whether a widget shows, whether a
slider changes its picture, and whether a callback raises in silence can be seen in a browser only. Needs Playwright
and a Chromium of the system; the user's own Jupyter settings are neither read nor changed.

    tools/browser_lane.py --only 02 05
"""

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lane import page as pages
from lane import panels
from lane.kernel import Watch
from lane.server import Server, serve

from kdsharp.disk import files
from kdsharp.errors import KdsharpError, first_line

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parent.parent
MAC_CHROME = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", MAC_CHROME)

# With these a Chromium has WebGPU on the processor, and shows what it paints (without the last two it shows nothing).
SOFTWARE_GPU = (
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    "--use-vulkan=swiftshader",
    "--use-angle=swiftshader",
)


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
    page.add_init_script(panels.COUNT_LOADS)
    try:
        pages.open_notebook(page, server, name)
        row["problems"] += pages.run_cells(page, watch, timeout)
        row["pictures"] = pages.photograph(page, out, name[:2], widths)
        if watch.rests and not watch.died:  # else no panel can answer
            row["panels"], problems = panels.try_all(page, watch, out, name[:2])
            row["problems"] += problems
        row["problems"] += pages.look(page, row["problems"])
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
