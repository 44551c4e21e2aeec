"""Turn the executed notebooks that `make course` leaves into a small site of plain pages.

    python tools/render_html.py [--executed build/course] [--out build/html]

One page per notebook with links to the one before and after, the glossary, and a front page with the course map. A
page has no kernel: of a slider panel it shows the figure that was drawn first, and progress bars are left out.
"""

import argparse
import re
import shutil
import sys
from html import escape
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from kdsharp.disk import files
from kdsharp.errors import KdsharpError

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import notebooks  # noqa: E402

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
HERO = "hero.png"
STYLE = """
.course-nav { display: flex; flex-wrap: wrap; gap: 0.5em 1.5em; justify-content: space-between; max-width: 60em;
  margin: 0 auto; padding: 0.8em 1em; font: 16px/1.4 system-ui, sans-serif; }
.course-nav a { color: #0072B2; }
body.jp-Notebook { max-width: 64em; margin: 0 auto; }
.jp-RenderedImage img { max-width: 100%; height: auto; }
.jp-InputArea .highlight pre { overflow-x: auto; }
@media print { .course-nav { display: none; } .jp-InputArea .highlight pre { white-space: pre-wrap; } }
"""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ max-width: 60em; margin: 0 auto; padding: 1em; font: 17px/1.5 system-ui, sans-serif; color: #111; }}
a {{ color: #0072B2; }}
img {{ max-width: 100%; height: auto; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: 0.4em 0.8em 0.4em 0; border-bottom: 1px solid #ccc; text-align: left; vertical-align: top; }}
td p {{ margin: 0; }}
figcaption {{ font-size: 0.9em; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""
CAPTION = (
    "One frame of a poor call (shrunk twice, JPEG quality 70): as received, with an unsharp mask, from the student, "
    "from the teacher, and the original. PSNR and SSIM on luma. The photograph is scikit-image's (NASA, public domain)."
)
_LINK = re.compile(r"\]\((?P<name>[\w-]+)\.(?P<kind>ipynb|md)(?P<rest>#[^)]*)?\)")


def executed(folder: Path) -> dict[str, NotebookNode]:
    """The executed notebooks NN_*.ipynb of a folder by name, in order; those that never ran are left out.

    Raises KdsharpError for a file that cannot be read.
    """
    found = {path.stem: _read(path) for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
    return {name: notebook for name, notebook in found.items() if _ran(notebook)}


def without_widgets(notebook: NotebookNode) -> NotebookNode:
    """A notebook whose outputs need no kernel: pictures instead of the panels they belong to, no progress bars."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.outputs = [output for output in cell.outputs if not _is_widget_only(output)]
        for output in cell.outputs:
            output.get("data", {}).pop(WIDGET_VIEW, None)
    return notebook


def render(found: dict[str, NotebookNode], out: Path, root: Path = ROOT, seconds: dict | None = None) -> Path:
    """Write the site of the notebooks `found` into `out`; returns the front page.

    The glossary and the hero come from the checkout `root`; `seconds` per notebook stand in the course map.
    """
    from nbconvert import HTMLExporter

    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("*.html"):
        old.unlink()
    exporter = HTMLExporter(template_name="lab")
    glossary = root / "notebooks" / "GLOSSARY.md"
    pages = [*found, *([glossary.stem] if glossary.exists() else [])]
    names = list(found)
    for number, (name, notebook) in enumerate(found.items()):
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = relinked(cell.source, pages)
        body, _ = exporter.from_notebook_node(
            without_widgets(notebook), {"metadata": {"name": title_of(notebook, name)}}
        )
        before, after = names[:number][-1:], names[number + 1 :][:1]
        _write(out / f"{name}.html", with_links(body, before, after))
    if glossary.exists():
        text = relinked(glossary.read_text(encoding="utf-8"), pages)
        body = '<p><a href="index.html">All notebooks</a></p>' + _html(text)
        _write(out / "GLOSSARY.html", PAGE.format(title="Glossary", body=body))
    hero = root / "figures" / HERO
    if hero.exists():
        shutil.copyfile(hero, out / HERO)
    front = front_page(found, seconds or {}, hero.exists(), glossary.exists())
    return _write(out / "index.html", front)


def relinked(source: str, pages: list[str]) -> str:
    """Markdown whose links to notebooks and glossary lead to our pages, or else to the repository."""

    def target(link: re.Match) -> str:
        rest = link["rest"] or ""
        if link["name"] in pages:
            return f"]({link['name']}.html{rest})"
        return f"]({notebooks.repository()}/blob/main/notebooks/{link['name']}.{link['kind']}{rest})"

    return _LINK.sub(target, source)


def with_links(page: str, before: list[str], after: list[str]) -> str:
    """A page of nbconvert's with links to its neighbours (a list of one name, or empty) above and below."""
    links = [f'<a rel="prev" href="{name}.html">&larr; {_spoken(name)}</a>' for name in before] or [
        "<span></span>"
    ]
    links += ['<a href="index.html">All notebooks</a>']
    links += [f'<a rel="next" href="{name}.html">{_spoken(name)} &rarr;</a>' for name in after] or [
        "<span></span>"
    ]
    navigation = f'<nav class="course-nav">{"".join(links)}</nav>'
    page = page.replace("</head>", f"<style>{STYLE}</style>\n</head>", 1)
    page = re.sub(r"<body[^>]*>", lambda opening: opening[0] + navigation, page, count=1)
    head, closing, tail = page.rpartition("</body>")
    return head + navigation + closing + tail


def front_page(found: dict[str, NotebookNode], seconds: dict[str, float], hero: bool, glossary: bool) -> str:
    """The front page: the hero, and the course map with what each notebook gives and how long it ran."""
    rows = []
    for name, notebook in found.items():
        ran = f"{seconds[name]:.0f} s" if name in seconds else ""
        rows.append(
            f'<tr><td><a href="{name}.html">{escape(title_of(notebook, name))}</a></td>'
            f"<td>{_html(_promise(notebook))}</td><td>{ran}</td></tr>"
        )
    body = "<h1>Image sharpening by knowledge distillation</h1>"
    if hero:
        body += (
            f'<figure><img src="{HERO}" alt="{escape(CAPTION)}"><figcaption>{CAPTION}</figcaption></figure>'
        )
    body += "<table><tr><th>notebook</th><th>at the end you have</th><th>time</th></tr>"
    body += "\n".join(rows) + "</table>"
    if glossary:
        body += '<p><a href="GLOSSARY.html">Glossary</a></p>'
    body += (
        "<p>These pages show one run of the course; sliders move only in the notebooks themselves: "
        f'<a href="{notebooks.repository()}">run them in Colab or on your own machine</a>.</p>'
    )
    return PAGE.format(title="Image sharpening by knowledge distillation", body=body)


def title_of(notebook: NotebookNode, name: str) -> str:
    """The first heading of a notebook, or else its name."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    heading = re.search(r"^# (.+)$", text, re.MULTILINE)
    return heading[1].strip() if heading else _spoken(name)


def main(arguments: list[str] | None = None) -> int:
    """Render; 2 (and one sentence) where there is nothing executed to render."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--executed", type=Path, default=ROOT / "build" / "course", help="executed notebooks")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "html", help="folder of the pages")
    chosen = parser.parse_args(arguments)
    try:
        found = executed(chosen.executed)
        if not found:
            raise KdsharpError(f"{chosen.executed} holds no executed notebooks: run `make course` first.")
    except KdsharpError as error:
        print(error, file=sys.stderr)
        return 2
    report = chosen.executed / "course.json"
    seconds = {row["notebook"]: row["seconds"] for row in files.read_json(report)} if report.exists() else {}
    front = render(found, chosen.out, seconds=seconds)
    print(f"{front}: {len(found)} notebooks")
    return 0


def _read(path: Path) -> NotebookNode:
    try:
        return nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, OSError) as error:
        raise KdsharpError(f"{path} is damaged: delete it and run `make course` again.") from error


def _ran(notebook: NotebookNode) -> bool:
    return any(cell.cell_type == "code" and cell.execution_count is not None for cell in notebook.cells)


def _is_widget_only(output: NotebookNode) -> bool:
    """Whether an output is a widget with nothing to stand in for it: its text form only names its parts."""
    kinds = set(output.get("data", {}))
    return WIDGET_VIEW in kinds and kinds <= {WIDGET_VIEW, "text/plain"}


def _promise(notebook: NotebookNode) -> str:
    """What the notebook says that one has at its end: Markdown, or nothing."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    found = re.search(r"\*\*At the end you have\*\*(.+?)(\n\s*\n|$)", text, re.DOTALL)
    return found[1].strip() if found else ""


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _html(markdown: str) -> str:
    from nbconvert.filters import markdown2html

    return markdown2html(markdown)


def _write(path: Path, text: str) -> Path:
    with files.atomic_write(path) as handle:
        handle.write(text.encode())
    return path


if __name__ == "__main__":
    sys.exit(main())
