"""Keep the notebooks in shape: without arguments it checks them, with --fix it mends what it can.

The shape: a bootstrap cell that is the same everywhere, one cell tagged `parameters` whose profile (and, where
something is made or looked for, kept folder) is a form field of Colab, one call that begins, short cells and lines, no
outputs, a badge that opens the notebook in Colab, and a GPU there. Of kdsharp a notebook uses the face, the toolbox
and one wing at most. The repository's owner and name come from pyproject.toml, and from there only.
"""

import argparse
import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
MAX_CODE_CELLS = 25
MAX_LINES = 15
MAX_COLUMNS = 88
MAX_WORDS = 4000  # twenty minutes of reading, 200 words a minute
BADGE = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{slug}/blob/main/notebooks/{name})"
)
BOOTSTRAP = """\
import importlib.util, os, subprocess, sys
lent = {{"COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"}} & os.environ.keys()
if lent and importlib.util.find_spec("kdsharp") is None:  # on Colab and Kaggle only
    source = "kdsharp[colab] @ git+{url}"
    source = os.environ.get("KDSHARP_SOURCE", source)
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", source], check=True)"""
PROFILE = 'profile: str = "auto"  # @param ["auto", "quick", "medium", "full"]'
KEEP_IN = 'keep_in: str = ""  # @param {type:"string"}'
WITHOUT_KEEPING = ("00", "02", "03", "04")  # these make nothing that a later notebook looks for
GPU = {"accelerator": "GPU", "colab": {"gpuType": "T4", "provenance": []}}

_RUN_TRACES = {"execution", "collapsed", "outputId", "colab", "executionInfo", "ExecuteTime"}
_HOST = "https://github.com/"
_BADGE_SHAPE = re.compile(
    r"\[!\[Open in Colab\]\([^)]*\)\]"
    r"\(https://colab\.research\.google\.com/github/[^/)]+/[^/)]+/blob/[^/)]+/notebooks/(?P<name>[^)]*)\)"
)
_NOT_READ = re.compile(r"^```.*?^```|<!--.*?-->", re.DOTALL | re.MULTILINE)  # code is, but not at that pace
_FENCED = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
_TOOLBOX = "kdsharp.course"


def repository(root: Path = ROOT) -> str:
    """The repository's URL, from [project.urls] of pyproject.toml."""
    with open(root / "pyproject.toml", "rb") as handle:
        return tomllib.load(handle)["project"]["urls"]["Repository"].removesuffix(".git").rstrip("/")


def badge(name: str, url: str) -> str:
    """The badge of the notebook file `name`, as Markdown."""
    return BADGE.format(slug=url.removeprefix(_HOST), name=name)


def bootstrap(url: str) -> str:
    """The cell that installs kdsharp on Colab and Kaggle and does nothing elsewhere."""
    return BOOTSTRAP.format(url=url)


def problems(notebook: NotebookNode, name: str, url: str) -> list[str]:
    """What is out of shape in a notebook, one sentence each; an empty list is good."""
    found = []
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown" or not first.source.startswith("# "):
        found.append("the first cell is not a text cell with a title")
    elif badge(name, url) not in first.source:
        found.append("the first cell lacks the badge of this notebook and repository (run with --fix)")
    if not code or code[0].source != bootstrap(url):
        found.append("the first code cell is not the bootstrap cell (run with --fix, or copy it)")
    tagged = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        found.append(f"{len(tagged)} cells are tagged 'parameters' instead of one")
    else:
        fields = [PROFILE] if name[:2] in WITHOUT_KEEPING else [PROFILE, KEEP_IN]
        lines = tagged[0].source.splitlines()
        found += [f"the parameters cell lacks the line: {field}" for field in fields if field not in lines]
    if len(code) < 3 or not code[2].source.rpartition("\n")[2].startswith("here = begin("):
        found.append("the third code cell does not end with here = begin(...), see kdsharp.course")
    if {key: notebook.metadata.get(key) for key in GPU} != GPU:
        found.append("it asks Colab for no GPU (run with --fix)")
    if len(code) > MAX_CODE_CELLS:
        found.append(f"{len(code)} code cells, more than {MAX_CODE_CELLS}")
    for number, cell in enumerate(code, 1):
        if (lines := len(cell.source.splitlines())) > MAX_LINES:
            found.append(f"code cell {number} has {lines} lines, more than {MAX_LINES}")
        if not cell.source.strip():
            found.append(f"code cell {number} is empty")
        if cell.outputs or cell.execution_count is not None:
            found.append(f"code cell {number} has outputs (run with --fix)")
    if (words := words_of(notebook)) > MAX_WORDS:
        found.append(
            f"{words} words of text, more than {MAX_WORDS}: that is no longer twenty minutes of reading"
        )
    if "widgets" in notebook.metadata:
        found.append("widget state is saved (run with --fix)")
    return found + long_lines(notebook) + foreign_imports(notebook)


def words_of(notebook: NotebookNode) -> int:
    """How many words there are to read: text cells without fenced code and comments."""
    texts = (_NOT_READ.sub("", cell.source) for cell in notebook.cells if cell.cell_type == "markdown")
    return sum(len(text.split()) for text in texts)


def code_of(notebook: NotebookNode) -> Iterator[tuple[int, str]]:
    """All Python of a notebook with the number of its cell: code cells, and what is fenced in text (solutions)."""
    for number, cell in enumerate(notebook.cells):
        for source in [cell.source] if cell.cell_type == "code" else _FENCED.findall(cell.source):
            yield number, source


def long_lines(notebook: NotebookNode) -> list[str]:
    """Lines of code that do not fit beside a notebook's margin, one sentence each."""
    return [
        f"cell {number} has a line of {len(line)} columns, more than {MAX_COLUMNS}: {line.strip()[:40]}..."
        for number, source in code_of(notebook)
        for line in source.splitlines()
        if len(line) > MAX_COLUMNS
    ]


def foreign_imports(notebook: NotebookNode) -> list[str]:
    """What a notebook takes of kdsharp beside its face (`kdsharp.psnr`), the toolbox and one wing; empty is good."""
    try:
        trees = [ast.parse(source) for _, source in code_of(notebook)]
    except SyntaxError as error:
        return [f"a cell or solution is not Python: {error.msg}: {(error.text or '').strip()}"]
    names = {name for tree in trees for name in _names_of_kdsharp(tree)}
    wings = {name.split(".")[1] for name in names if not f"{name}.".startswith(f"{_TOOLBOX}.")}
    found = [
        f"it imports {name}, which is no wing: write kdsharp.{name}" for name in sorted(wings - _wings())
    ]
    if len(more := sorted(wings & _wings())) > 1:
        found.append(f"it imports {', '.join(more)}: one wing beside the face and {_TOOLBOX} is enough")
    return found


def _names_of_kdsharp(tree: ast.AST) -> Iterator[str]:
    """Dotted names of what code takes of the package (`kdsharp.data.read_image`), by import or by attribute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{item.name}" for item in node.names]
        elif isinstance(node, ast.Import):
            names = [item.name for item in node.names]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in _wings():
            names = [ast.unparse(node)]
        else:
            continue
        yield from (name for name in names if name.startswith("kdsharp."))


def _wings() -> set[str]:
    return {path.parent.name for path in (ROOT / "kdsharp").glob("*/__init__.py")}


def fixed(notebook: NotebookNode, url: str) -> NotebookNode:
    """Without outputs and widget state, asking for a GPU, with the repository's address in badge and bootstrap cell."""
    slug = url.removeprefix(_HOST)
    notebook.metadata = nbformat.from_dict(
        GPU
        | {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            for key in _RUN_TRACES & cell.metadata.keys():
                del cell.metadata[key]
            if cell.source.startswith(BOOTSTRAP.partition("\n")[0]):
                cell.source = bootstrap(url)
        else:
            cell.source = _BADGE_SHAPE.sub(lambda m: BADGE.format(slug=slug, name=m["name"]), cell.source)
    return notebook


def fix_readme(text: str, url: str) -> str:
    """The README with the repository's address in its badges."""
    slug = url.removeprefix(_HOST)
    return _BADGE_SHAPE.sub(lambda m: BADGE.format(slug=slug, name=m["name"]), text)


def main(arguments: list[str] | None = None) -> int:
    """Check (or mend, then check) all notebooks; 1 if something is still out of shape."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fix", action="store_true", help="strip outputs, write the badges' owner and name")
    chosen = parser.parse_args(arguments)
    url, bad = repository(), 0
    if chosen.fix:
        readme = ROOT / "README.md"
        readme.write_text(fix_readme(readme.read_text(encoding="utf-8"), url), encoding="utf-8")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        if chosen.fix:
            nbformat.write(fixed(notebook, url), path)
        for problem in problems(notebook, path.name, url):
            print(f"{path.name}: {problem}")
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
