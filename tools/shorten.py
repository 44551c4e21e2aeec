"""Shorten the training in a copy of notebook 05, for lanes that ask whether it runs with other versions.

`python tools/shorten.py FOLDER` rewrites the parameter `changes` of FOLDER/05_distill.ipynb.
"""

import sys
from pathlib import Path

CHANGES = ("training.steps=240", "training.validate_every=60", "store.crops_per_photo=8")
BEFORE = "changes: list[str] = []"


def main() -> None:
    path = Path(sys.argv[1]) / "05_distill.ipynb"
    text = path.read_text(encoding="utf-8")
    if text.count(BEFORE) != 1:
        sys.exit(f"{path} has no parameter `{BEFORE}` any more: change tools/shorten.py.")
    names = ", ".join(f'\\"{change}\\"' for change in CHANGES)  # inside a string of JSON
    path.write_text(text.replace(BEFORE, f"changes: list[str] = [{names}]"), encoding="utf-8")


if __name__ == "__main__":
    main()
