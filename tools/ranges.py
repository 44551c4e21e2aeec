"""Hold the numbers that the course's text promises against what its cells printed.

    python tools/ranges.py [build/course]

A range that readers are told has a note in the same text cell, which only this tool sees:

    The student gains 0.2 to 1.5 dB. <!-- range: gain ; 0.2 .. 1.5 ; student \\(([+-][\\d.]+) dB\\) -->

The pattern, a regular expression with one group, is looked for in what the code cells directly above have printed, line
by line; every number that its group finds has to lie in the range, bounds included. Either bound may be left out
(`100 ..`). The bounds have to stand in the text that is seen. And where readers are told what they "should see" or to
"look at" something, every number of that paragraph has to be a bound of a note. Not counted are numbers inside words
(x4, 32x32), in code (`30 FPS`, a label of the figure) and formulas, and those of notebooks and sections.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent

_COMMENT = re.compile(r"<!--(.*?)-->", re.DOTALL)
_NOTE = re.compile(r"\s*range:(?P<what>[^;]*);(?P<low>[^;]*?)\.\.(?P<high>[^;]*);(?P<pattern>.*)", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])(?<![A-Za-z]-)[+-]?\d[\d,]*(?:\.\d+)?(?!\w|[.,]\w|-[A-Za-z])")
_SEEN = re.compile(r"\b(should see|look at)\b", re.IGNORECASE)
_NOT_COUNTED = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\]\([^)]*\)|^#.*$|\b(?:notebook|section)s? \d+(?:(?:,| and| to) \d+)*",
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)
_ANSI = re.compile(r"\x1b\[[\d;]*m")


@dataclass(frozen=True)
class Note:
    """A range that the text states, as written (a bound is empty where there is none), and where its numbers are."""

    what: str
    low: str
    high: str
    pattern: str

    def holds(self, value: float) -> bool:
        """Whether `value` lies in the range."""
        low, high = self.low or "-inf", self.high or "inf"
        return number(low) <= value <= number(high)

    def __str__(self) -> str:
        return f"the range of '{self.what}', {self.low} .. {self.high},"


def number(text: str) -> float:
    """The value of `1,234.5`, `+0.3` or a minus sign of typographers."""
    return float(text.replace(",", "").replace("\N{MINUS SIGN}", "-"))


def notes_of(source: str) -> tuple[list[Note], list[str]]:
    """The notes of a text cell, and a sentence for each that cannot be read."""
    notes, faults = [], []
    for comment in _COMMENT.findall(source):
        if not comment.strip().startswith("range"):
            continue
        found = _NOTE.fullmatch(comment)
        try:
            note = Note(**{key: text.strip() for key, text in found.groupdict().items()})
            groups = re.compile(note.pattern).groups
            bounds = [number(bound) for bound in (note.low, note.high) if bound]
        except (AttributeError, ValueError, re.error):
            groups, bounds = 0, []
        if groups == 1 and bounds == sorted(bounds) and bounds:
            notes.append(note)
        else:
            faults.append(
                f"a note that is not 'range: what ; low .. high ; pattern (one group)': {comment.strip()}"
            )
    return notes, faults


def problems_of_text(notebook: NotebookNode) -> Iterator[str]:
    """What is wrong with the text, executed or not: unreadable notes, hidden bounds, numbers without a note."""
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            continue
        notes, faults = notes_of(cell.source)
        yield from (f"cell {place}: {fault}" for fault in faults)
        stated = {number(text) for note in notes for text in (note.low, note.high) if text}
        visible = _COMMENT.sub("", cell.source).replace("\N{MINUS SIGN}", "-")
        shown = {number(text) for text in _NUMBER.findall(visible)}
        for note in notes:
            if hidden := [text for text in (note.low, note.high) if text and number(text) not in shown]:
                yield f"cell {place}: {note} is not what is read there: {' and '.join(hidden)} is not in the text"
        for paragraph in _NOT_COUNTED.sub(" ", visible).split("\n\n"):
            if _SEEN.search(paragraph):
                for text in _NUMBER.findall(paragraph):
                    if number(text) not in stated:
                        yield f"cell {place}: readers are told {text}, which is no bound of a note in that cell"


def problems_of_run(notebook: NotebookNode) -> Iterator[str]:
    """Where an executed notebook printed something else than its text says: a range left, or nothing to compare."""
    above, broken = [], True
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            above = [cell] if broken else [*above, cell]
        broken = cell.cell_type != "code"
        if cell.cell_type != "markdown":
            continue
        printed = "\n".join(text_of(one) for one in above)
        for note in notes_of(cell.source)[0]:
            found = re.findall(note.pattern, printed, re.MULTILINE)
            if not found:
                yield f"cell {place}: {note} has nothing to hold: nothing printed above fits {note.pattern}"
            for text in found:
                try:
                    held = note.holds(number(text))
                except ValueError:
                    yield f"cell {place}: the pattern of '{note.what}' found '{text}', which is no number"
                else:
                    if not held:
                        yield f"cell {place}: {note} does not hold: {text} was printed"


def text_of(cell: NotebookNode) -> str:
    """What a code cell printed and returned, as plain text."""
    parts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    return _ANSI.sub("", "\n".join(parts))


def main(arguments: list[str] | None = None) -> int:
    """Check the executed notebooks of a folder; 1 if a number is not what the text says, or there are none."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("executed", nargs="?", type=Path, default=ROOT / "build" / "course")
    chosen = parser.parse_args(arguments)
    paths = sorted(chosen.executed.glob("[0-9][0-9]_*.ipynb"))
    if not paths:
        print(f"There are no executed notebooks in {chosen.executed}: run `make course` first.")
    bad = not paths
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        for problem in [*problems_of_text(notebook), *problems_of_run(notebook)]:
            print(f"{path.name}: {problem}")
            bad = True
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
