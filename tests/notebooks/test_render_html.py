"""Executed notebooks become pages that lead to each other and show their pictures without a kernel."""

import base64
import sys
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from kdsharp.course import panels
from kdsharp.disk import files

pytest.importorskip("nbconvert")
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import render_html  # noqa: E402

VIEW = {"model_id": "0123456789abcdef", "version_major": 2, "version_minor": 0}


def png(shade: int) -> str:
    buffer = BytesIO()
    Image.fromarray(np.full((4, 4, 3), shade, np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def shown(**data) -> nbformat.NotebookNode:
    return new_output("display_data", data={kind.replace("__", "/"): value for kind, value in data.items()})


def with_view(**data) -> nbformat.NotebookNode:
    output = shown(**data)
    output.data[render_html.WIDGET_VIEW] = VIEW
    return output


def write(folder: Path, name: str, outputs: list | None = None, text: str = "", ran: bool = True) -> None:
    count = 1 if ran else None
    cell = new_code_cell("panel(1 < 2)", execution_count=count, outputs=outputs or [])
    notebook = new_notebook(cells=[new_markdown_cell(f"# {name[:2]} Title & more\n\n{text}"), cell])
    # Widget state makes nbconvert load the widgets' scripts, which would find no kernel.
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    folder.mkdir(exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")


class Seen(HTMLParser):
    """The links (by rel or text) and the pictures of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[dict] = []
        self.pictures: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list) -> None:
        if tag == "a":
            self.links.append(dict(attrs))
        elif tag == "img":
            self.pictures.append(dict(attrs)["src"])

    def by_rel(self, rel: str) -> set[str]:
        return {link["href"] for link in self.links if link.get("rel") == rel}

    @property
    def targets(self) -> set[str]:
        return {link["href"] for link in self.links if "href" in link}


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "executed", tmp_path / "html"


def render(folders: tuple[Path, Path]) -> int:
    return render_html.main(["--executed", str(folders[0]), "--out", str(folders[1])])


def test_pages_lead_to_each_other(folders) -> None:
    source, out = folders
    for name in ("00_first", "01_second", "05_third"):
        write(source, name)
    assert render(folders) == 0
    first, second, third = (Seen(out / f"{name}.html") for name in ("00_first", "01_second", "05_third"))
    assert (first.by_rel("prev"), first.by_rel("next")) == (set(), {"01_second.html"})
    assert (second.by_rel("prev"), second.by_rel("next")) == ({"00_first.html"}, {"05_third.html"})
    assert (third.by_rel("prev"), third.by_rel("next")) == ({"01_second.html"}, set())
    assert all("index.html" in page.targets for page in (first, second, third))
    assert {"00_first.html", "01_second.html", "05_third.html"} <= Seen(out / "index.html").targets


def test_every_link_to_a_page_leads_somewhere(folders) -> None:
    source, out = folders
    text = "[b](01_second.ipynb#part) [words](GLOSSARY.md) [gone](08_gone.ipynb)"
    write(source, "00_first", text=text)
    write(source, "01_second")
    assert render(folders) == 0
    page = Seen(out / "00_first.html")
    assert {"01_second.html#part", "GLOSSARY.html"} <= page.targets
    assert f"{render_html.notebooks.repository()}/blob/main/notebooks/08_gone.ipynb" in page.targets
    for path in out.glob("*.html"):
        for target in Seen(path).targets:
            if not target.startswith(("http", "#", "data:")):
                assert (out / target.partition("#")[0]).exists(), (path.name, target)


def test_a_panel_is_shown_as_its_picture(folders) -> None:
    source, out = folders
    panel = with_view(image__png=png(90), text__plain="Panel(photo, blur)")
    write(source, "00_first", [panel, shown(image__png=png(180))])
    assert render(folders) == 0
    page = Seen(out / "00_first.html")
    embedded = [src.partition("base64,")[2].replace("\n", "") for src in page.pictures]
    assert embedded == [png(90), png(180)]
    text = (out / "00_first.html").read_text(encoding="utf-8")
    assert VIEW["model_id"] not in text and "Panel(photo, blur)" not in text
    assert "html-manager" not in text


def test_a_comparison_stays_live(folders) -> None:
    source, out = folders
    grey = np.full((12, 12, 3), 90, np.uint8)
    bundle = panels.comparison_viewer({"dark": grey // 2, "original": grey})._repr_mimebundle_()
    alone, beside = shown(), shown()  # the second beside its widgets, as of `own_picture`
    alone.data.update(bundle)
    beside.data.update(bundle | {render_html.WIDGET_VIEW: VIEW})
    write(source, "00_first", [alone, beside])
    assert render(folders) == 0
    text = (out / "00_first.html").read_text(encoding="utf-8")
    assert text.count('<div class="kdsharp-viewer"') == text.count("new ResizeObserver(draw)") == 2
    assert bundle["image/png"] not in text


def test_what_is_a_widget_only_is_left_out_and_nothing_else(folders) -> None:
    source, out = folders
    bar = with_view(text__plain="  0%| of the bar")
    kept = [
        new_output("stream", text="printed line"),
        shown(text__plain="a plain value"),
        with_view(text__html="<b>a table beside its widget</b>", text__plain="Table()"),
        new_output("error", ename="E", evalue="what went wrong", traceback=["what went wrong"]),
    ]
    write(source, "00_first", [bar, *kept])
    assert render(folders) == 0
    text = (out / "00_first.html").read_text(encoding="utf-8")
    assert "of the bar" not in text and VIEW["model_id"] not in text
    for said in ("printed line", "a plain value", "<b>a table beside its widget</b>", "what went wrong"):
        assert said in text


def test_the_front_page_is_the_map_of_this_run(folders) -> None:
    source, out = folders
    write(source, "00_first", text="**At the end you have** a *student*\nof your own.\n\nMore.")
    files.write_json(source / "course.json", [{"notebook": "00_first", "seconds": 41.7, "state": "ok"}])
    out.mkdir()
    (out / "09_old.html").write_text("of an earlier run")
    assert render(folders) == 0
    text = (out / "index.html").read_text(encoding="utf-8")
    assert "00 Title &amp; more" in text and "<em>student</em>" in text and "42 s" in text
    assert "More." not in text
    assert Seen(out / "index.html").pictures == ["hero.png"]
    assert (out / "hero.png").read_bytes() == (ROOT / "figures" / "hero.png").read_bytes()
    assert not (out / "09_old.html").exists()


@pytest.mark.parametrize("case", ["no folder", "empty", "not executed"])
def test_without_executed_notebooks_it_says_what_to_do(folders, case: str, capsys) -> None:
    source, out = folders
    if case == "empty":
        source.mkdir()
    elif case == "not executed":
        write(source, "00_first", ran=False)
    assert render(folders) == 2
    said = capsys.readouterr().err.strip()
    assert "make course" in said and str(source) in said and len(said.splitlines()) == 1
    assert not out.exists()


def test_a_damaged_notebook_is_named(folders, capsys) -> None:
    source, _ = folders
    source.mkdir()
    (source / "00_first.ipynb").write_text("{ half a fi")
    assert render(folders) == 2
    said = capsys.readouterr().err.strip()
    assert "00_first.ipynb" in said and "make course" in said and len(said.splitlines()) == 1
