"""Run the whole course: every notebook from a fresh kernel, and one table of what came out.

A notebook fails if a cell raises, if a cell was not executed, if a widget's callback or a thread raised
(front ends hide that in the Output widget's state, or in a stream), if it drew a blank figure, or if it
drew none though its code draws.
"""

import base64
import logging
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import nbformat
import numpy as np
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from PIL import Image

from kdsharp import evaluate
from kdsharp.disk import files
from kdsharp.errors import KdsharpError, first_line

log = logging.getLogger(__name__)
_quiet = logging.getLogger(f"{__name__}.client")
_quiet.setLevel(logging.WARNING)

TIMEOUT_SECONDS = {"quick": 900, "medium": 2 * 3600, "full": 24 * 3600}  # of one cell
# Matplotlib's calls and our own figures: a cell that uses one of them has to show a picture.
_DRAWS = re.compile(r"\b(plt|figures)\.\w")
_SOLUTION = re.compile(r"```python\n(.*?)\n```", re.DOTALL)


def run_course(
    notebooks: Path,
    out: Path,
    profile: str = "quick",
    only: Sequence[str] = (),
    with_solutions: bool = False,
) -> list[dict]:
    """Execute `notebooks`/NN_*.ipynb in order; executed copies and figures go to `out`, the table to the log.

    `only` holds the numbers (`05`) of the notebooks to take, all if it is empty; `with_solutions` runs the exercises'
    solutions too. Results of an earlier run are removed first, so that the table never shows them as new. Returns one
    row per notebook: notebook, seconds, state (`ok` or what is wrong). A failing notebook does not stop the next.
    Raises KdsharpError if the folder holds no notebook, or none of a number.
    """
    out = Path(out)
    found = sorted(Path(notebooks).glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise KdsharpError(f"There are no notebooks in {notebooks}: run this from a checkout of the course.")
    if missing := set(only) - {path.stem[:2] for path in found}:
        raise KdsharpError(f"There is no notebook {', '.join(sorted(missing))}: give numbers such as 00 05.")
    found = [path for path in found if not only or path.stem[:2] in only]
    old = [*out.glob("*.ipynb"), *(out / "figures").glob("*.png"), *(out / "results").glob("*.json")]
    for path in old:
        path.unlink()
    rows = []
    for number, path in enumerate(found, 1):
        log.info("%s (%d of %d) ...", path.stem, number, len(found))
        start = time.monotonic()
        try:
            notebook, failure = execute(path, profile, with_solutions)
        except Exception as error:  # an unreadable file, no kernel: it never hides the other notebooks
            problems = [f"could not be run, {type(error).__name__}: {first_line(error)}"]
        else:
            problems = [failure] if failure else list(inspect(notebook))
            keep(notebook, path.stem, out)
        rows.append(
            {
                "notebook": path.stem,
                "seconds": round(time.monotonic() - start, 1),
                "state": "; ".join(problems) or "ok",
            }
        )
        log.info("%-22s %7.1f s  %s", path.stem, rows[-1]["seconds"], rows[-1]["state"])
    files.write_json(out / "course.json", rows)
    log.info("\n%s", format_report(rows, out))
    return rows


def execute(path: Path, profile: str, with_solutions: bool = False) -> tuple[NotebookNode, str | None]:
    """Run one notebook in its own folder with this interpreter; returns it and what stopped it, or None."""
    notebook = _emptied(nbformat.read(path, as_version=4))
    if with_solutions:
        notebook = solved(notebook)
    # A kernel of this very interpreter, whatever kernels the user has registered under the same name.
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT_SECONDS[profile],
        kernel_name="python3",
        log=_quiet,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.create_kernel_manager()
    client.km.kernel_spec.argv = [
        *(sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"),
        "--log-level=ERROR",  # else every kernel warns that loopback TCP is not encrypted
    ]
    environment = os.environ | {
        "KDSHARP_PROFILE": profile,
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else every kernel starts with four lines about its debugger
        "KDSHARP_EXERCISES": "exercises-run.json",  # what a program solves is not the reader's progress
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    try:
        client.execute(env=environment)
    except CellExecutionError as error:
        return notebook, f"raised {error.ename}: {first_line(error.evalue)}"
    except CellTimeoutError:
        return notebook, f"a cell took longer than {TIMEOUT_SECONDS[profile]} seconds"
    except DeadKernelError:
        return notebook, "its kernel died (out of memory?)"
    return notebook, None


def solved(notebook: NotebookNode) -> NotebookNode:
    """The notebook with a cell after each folded solution, which runs it with the check that its exercise ends with."""
    cells = []
    for before, cell in zip([None, *notebook.cells], notebook.cells, strict=False):
        cells.append(cell)
        if before is not None and "exercise" in before.metadata.get("tags", []):
            check = next(line for line in before.source.splitlines() if line.startswith("exercises.check("))
            cells.append(new_code_cell(f"{_SOLUTION.search(cell.source)[1]}\n{check}"))
    notebook.cells = cells
    return notebook


def inspect(notebook: NotebookNode) -> Iterator[str]:
    """What is wrong with an executed notebook, one short phrase each."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    if left := sum(cell.execution_count is None for cell in code):
        yield f"{left} cells were not executed"
    outputs = outputs_of(notebook)
    for output in outputs:
        if output["output_type"] == "error":
            yield f"an output shows {output['ename']}: {first_line(output['evalue'])}"
        elif "Traceback (most recent call last)" in output.get("text", ""):
            yield f"an output shows a traceback: {output['text'].strip().splitlines()[-1]}"
    for number, cell in enumerate(code, 1):
        if _should_draw(cell) and not any(pictures_of(cell.outputs)):
            yield f"cell {number} drew no figure"
    for number, picture in enumerate(pictures_of(outputs), 1):
        if is_blank(picture):
            yield f"figure {number} is blank"


def _should_draw(cell: NotebookNode) -> bool:
    """Whether a cell's code draws by itself: functions for later and panels do not count."""
    drawn = [line for line in cell.source.splitlines() if _DRAWS.search(line)]
    return bool(drawn) and not re.search(r"^def |panels\.", cell.source, re.MULTILINE)


def is_blank(png: bytes) -> bool:
    """Whether a PNG shows one colour all over; transparent parts count as white."""
    with Image.open(BytesIO(png)) as opened:
        layer = opened.convert("RGBA")
    page = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return float(np.asarray(page).std(axis=(0, 1)).max()) < 1.0


def keep(notebook: NotebookNode, name: str, out: Path) -> None:
    """Write the executed notebook and its figures under `out`."""
    with files.atomic_write(out / f"{name}.ipynb") as handle:
        handle.write(nbformat.writes(notebook).encode())
    for number, picture in enumerate(pictures_of(outputs_of(notebook)), 1):
        with files.atomic_write(out / "figures" / f"{name}-{number:02d}.png") as handle:
            handle.write(picture)


def format_report(rows: list[dict], out: Path) -> str:
    """The closing table: seconds and state, then quality, then frames per second."""
    lines = [f"{'notebook':22} {'seconds':>8}  state"]
    lines += [f"{row['notebook']:22} {row['seconds']:8.1f}  {row['state']}" for row in rows]
    lines += [f"{'total':22} {sum(row['seconds'] for row in rows):8.1f}"]
    quality, speed = out / "results" / "evaluate.json", out / "results" / "speed.json"
    if quality.exists():
        lines += [
            "",
            "quality on held-out photographs (PSNR in dB)",
            evaluate.format_table(files.read_json(quality)),
        ]
    if speed.exists():
        words = {name: f"{{{name}}}" for name in ("network", "engine", "device", "what")}
        lines += [
            "",
            "speed at 1920x1080, one frame at a time, median",
            evaluate.text_table(
                files.read_json(speed), words | {"ms": "{ms:.1f}", "fps": "{fps:.1f}"}, texts=4
            ),
        ]
    return "\n".join(lines)


def _emptied(notebook: NotebookNode) -> NotebookNode:
    """Without outputs and execution counts of an earlier run, which would pass for this one's."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def outputs_of(notebook: NotebookNode) -> list[dict]:
    """All outputs of an executed notebook, those inside Output widgets included."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return outputs + list(_widget_outputs(notebook))


def _widget_outputs(notebook: NotebookNode) -> Iterator[dict]:
    """Outputs that lie in the state of Output widgets, where exceptions of callbacks end up."""
    kinds = notebook.metadata.get("widgets", {})
    for widgets in kinds.values():
        for model in widgets.get("state", {}).values():
            if model.get("model_name") == "OutputModel":
                yield from model["state"].get("outputs", [])


def pictures_of(outputs: list[dict]) -> Iterator[bytes]:
    """The PNG files among outputs."""
    for output in outputs:
        if png := output.get("data", {}).get("image/png"):
            yield base64.b64decode(png)
