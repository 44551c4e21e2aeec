"""Turn the executed notebooks that `make course` leaves into a small site of plain pages.

    python tools/render_html.py [--executed build/course] [--out build/html]

One page per notebook with links to the one before and after, the glossary, and a front page with the course map, all by
nbconvert and the template in `pages/`. A page has no kernel: of a slider panel it shows the figure that was drawn
first, and progress bars are left out. Comparison viewers need none, and stay live.
"""

import argparse
import re
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from kdsharp.disk import files
from kdsharp.errors import KdsharpError

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import notebooks  # noqa: E402

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
FRONT = """# Image sharpening by knowledge distillation

![A poor frame, what sharpens it, and the original](hero.png)

One frame of a poor call (shrunk twice, JPEG quality 70): as received, with an unsharp mask, from the student, from the
teacher, and the original. PSNR and SSIM on luma. The photograph is scikit-image's (NASA, public domain).

| notebook | at the end you have | time |
|---|---|---|
{rows}

[Glossary](GLOSSARY.md)

These pages show one run of the course. Comparison viewers work here too; sliders move only in the notebooks themselves:
[run them in Colab or on your own machine]({repository}).
"""
_LINK = re.compile(r"\]\((?P<name>[\w-]+)\.(?P<kind>ipynb|md)(?P<rest>#[^)]*)?\)")


def executed(folder: Path) -> dict[str, NotebookNode]:
    """The executed notebooks NN_*.ipynb of a folder by name, in order; those that never ran are left out.

    Raises KdsharpError for a file that cannot be read.
    """
    found = {}
    for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
        try:
            notebook = nbformat.read(path, as_version=4)
        except (nbformat.reader.NotJSONError, nbformat.ValidationError, OSError) as error:
            raise KdsharpError(f"{path} is damaged: delete it and run `make course` again.") from error
        if any(cell.get("execution_count") is not None for cell in notebook.cells):
            found[path.stem] = notebook
    return found


def render(found: dict[str, NotebookNode], out: Path, seconds: dict[str, float]) -> Path:
    """Write the site of the notebooks `found` into `out`; returns the front page.

    `seconds` that a notebook ran stand in the course map.
    """
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("*.html"):
        old.unlink()
    shutil.copyfile(ROOT / "figures" / "hero.png", out / "hero.png")
    exporter = HTMLExporter(template_name="pages", extra_template_basedirs=[str(ROOT / "tools")])
    glossary = (ROOT / "notebooks" / "GLOSSARY.md").read_text(encoding="utf-8")
    pages = found | {"GLOSSARY": _of_text(glossary), "index": _of_text(front_page(found, seconds))}
    after = dict(pairwise(found))
    before = {second: first for first, second in after.items()}
    for name, notebook in pages.items():
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = relinked(cell.source, set(pages))
        about = {"before": before.get(name), "after": after.get(name), "front": name == "index"}
        about["metadata"] = {"name": title_of(notebook, name)}
        with files.atomic_write(out / f"{name}.html") as handle:
            handle.write(exporter.from_notebook_node(without_widgets(notebook), about)[0].encode())
    return out / "index.html"


def without_widgets(notebook: NotebookNode) -> NotebookNode:
    """A notebook whose outputs need no kernel: pictures instead of the panels they belong to, no progress bars."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            # Of a widget with nothing to stand in for it, the text form only names its parts.
            bare = ({WIDGET_VIEW}, {WIDGET_VIEW, "text/plain"})
            cell.outputs = [output for output in cell.outputs if set(output.get("data", {})) not in bare]
            for output in cell.outputs:
                output.get("data", {}).pop(WIDGET_VIEW, None)
    return notebook


def relinked(source: str, pages: set[str]) -> str:
    """Markdown whose links to notebooks and glossary lead to our pages, or else to the repository."""

    def target(link: re.Match) -> str:
        rest = link["rest"] or ""
        if link["name"] in pages:
            return f"]({link['name']}.html{rest})"
        return f"]({notebooks.repository()}/blob/main/notebooks/{link['name']}.{link['kind']}{rest})"

    return _LINK.sub(target, source)


def front_page(found: dict[str, NotebookNode], seconds: dict[str, float]) -> str:
    """Markdown of the hero and the course map: what each notebook gives, and how long it ran."""
    rows = []
    for name, notebook in found.items():
        promise = re.search(r"\*\*At the end you have\*\*(.+?)(\n\s*\n|$)", _text(notebook), re.DOTALL)
        given = " ".join(promise[1].split()).replace("|", r"\|") if promise else ""
        ran = f"{seconds[name]:.0f} s" if name in seconds else ""
        rows.append(f"| [{title_of(notebook, name)}]({name}.ipynb) | {given} | {ran} |")
    return FRONT.format(rows="\n".join(rows), repository=notebooks.repository())


def title_of(notebook: NotebookNode, name: str) -> str:
    """The first heading of a notebook, or else its name."""
    heading = re.search(r"^# (.+)$", _text(notebook), re.MULTILINE)
    return heading[1].strip() if heading else name.replace("_", " ")


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
    front = render(found, chosen.out, seconds)
    print(f"{front}: {len(found)} notebooks")
    return 0


def _of_text(source: str) -> NotebookNode:
    return new_notebook(cells=[new_markdown_cell(source)])


def _text(notebook: NotebookNode) -> str:
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


if __name__ == "__main__":
    sys.exit(main())
