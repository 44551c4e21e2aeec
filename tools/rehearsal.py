"""Run all notebooks as `full` (or `medium`) does, with small stand-ins for everything that it downloads.

`python tools/rehearsal.py [PROFILE]` leaves the executed notebooks in build/rehearsal/PROFILE, and exits with 1 if a
notebook fails, if one took a way out (its student was not there, a package was missing), or if a file that the profile
downloads was never asked for. Needs no network and no GPU; needs the extras course, video, web and restormer.
"""

import argparse
import hashlib
import json
import logging
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

import nbformat
import stand_ins
from nbformat.v4 import new_code_cell

from kdsharp import teacher
from kdsharp.course import runner

ROOT = Path(__file__).resolve().parent.parent
# What a notebook's parameters are set to, after the cell that is tagged so.
PARAMETERS = {"07": "repeats = 2", "09": "steps, crops, photos = 6, 2, 4"}
# What the notebooks after 05 say when they go on without something that a rehearsal has.
WAYS_OUT = ("student of notebook 05 was not found", "not here: pip install")
# Stand-ins by profile: DIV2K's photographs, and the official teachers.
PHOTOS = {"full": {"train": 6, "valid": 2}, "medium": {"valid": 12}}
_SEEN = (
    "RealESRGAN_x4plus",
    "RealESRGAN_x4plus_anime_6B",
    "realesr-general-x4v3",
)  # beside each other in notebook 03
TEACHERS = {"full": (*_SEEN, "restormer-motion-deblurring"), "medium": _SEEN}
SPAN = "spanx4_ch48"  # of notebook 06; from a package only, so that the rehearsal gives it a release
_MAKERS = {
    # Two blocks of 23: it is the layout that counts, and the time.
    "RealESRGAN_x4plus": partial(stand_ins.rrdb, blocks=2),
    "RealESRGAN_x4plus_anime_6B": stand_ins.rrdb,
    "realesr-general-x4v3": stand_ins.compact,
    "restormer-motion-deblurring": stand_ins.restormer,
}
# The terms from which notebook 05's students have learnt, by character.
TERMS = {"fidelity": {"hr", "teacher"}, "perceptual": {"teacher", "perceptual"}}


def make_stand_ins(root: Path, profile: str) -> dict:
    """Write the stand-ins where the sources look; returns their sizes and checksums, for tools/offline."""
    known = {"div2k": {}, "teachers": {}}
    for split, count in PHOTOS[profile].items():
        path = stand_ins.div2k_zip(root / "mirror" / f"DIV2K_{split}_HR.zip", split, count)
        md5 = hashlib.md5(path.read_bytes()).hexdigest()
        known["div2k"][split] = _facts(path) | {"md5": md5, "images": count}
    for name in TEACHERS[profile]:
        path = _MAKERS[name](root / "mirror" / Path(teacher.OFFICIAL[name].url).name)
        known["teachers"][name] = _facts(path) if teacher.OFFICIAL[name].sha256 else {}
    path = stand_ins.span(root / "mirror" / f"{SPAN}.pth")
    known["teachers"][SPAN] = _facts(path) | {"url": f"https://rehearsal.invalid/{path.name}", "packed": None}
    list(stand_ins.vgg(root / "torch"))
    known["cifar"] = stand_ins.cifar10_archive(root / "data" / "CIFAR10")
    return known


def _facts(path: Path) -> dict:
    return {"size": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def copy_notebooks(source: Path, folder: Path) -> None:
    """The notebooks as they are, and a cell of short parameters where there is one for them."""
    folder.mkdir()
    for path in sorted(source.glob("[0-9][0-9]_*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        if text := PARAMETERS.get(path.stem[:2]):
            place = next(
                n for n, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", [])
            )
            notebook.cells.insert(place + 1, new_code_cell(text))
        nbformat.write(notebook, folder / path.name)


def environment(root: Path) -> dict[str, str]:
    """What makes every Python below this one work with the stand-ins under `root`, and with nothing else."""
    paths = [str(ROOT / "tools" / "offline"), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        "KDSHARP_ROOT": str(root),
        "KDSHARP_MIRROR": str(root / "mirror"),
        "KDSHARP_REHEARSAL": str(root / "known.json"),
        "TORCH_HOME": str(root / "torch"),
        "PYTHONPATH": os.pathsep.join(paths),
    }


def left_out(root: Path, profile: str, executed: Path) -> list[str]:
    """Ways around what was to be rehearsed, one sentence each; `executed` holds the notebooks that were run."""
    found = []
    for path in sorted(executed.glob("*.ipynb")):
        outputs = runner.outputs_of(nbformat.read(path, as_version=4))
        said = "".join(output.get("text", "") for output in outputs if path.stem > "06")
        found += [f"{path.stem} went on without something: '{way}'" for way in WAYS_OUT if way in said]
    fetched = {path.name for path in (root / "data").rglob("*") if path.is_file()}
    wanted = [f"DIV2K_{split}_HR.zip" for split in PHOTOS[profile]] + [
        f"{name}.pth" for name in TEACHERS[profile]
    ]
    found += [f"nothing has asked for {name}" for name in wanted if name not in fetched]
    for character, terms in TERMS.items():
        history = root / "build" / "course" / f"student-{character}-{profile}" / "history.json"
        rows = json.loads(history.read_text(encoding="utf-8")) if history.is_file() else []
        if not rows or not terms <= set(rows[-1]):
            found.append(f"notebook 05's {character} student has not learnt from {', '.join(sorted(terms))}")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Rehearse one profile; 0 if everything held."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("profile", nargs="?", default="full", choices=sorted(PHOTOS))
    parser.add_argument(
        "--only", nargs="*", default=[], metavar="NN", help="notebooks by number (default: all)"
    )
    parser.add_argument("--notebooks", type=Path, default=ROOT / "notebooks")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    for name in ("KDSHARP_ASSETS", "KDSHARP_KEEP"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        root = Path(folder).resolve()
        (root / "known.json").write_text(json.dumps(make_stand_ins(root, chosen.profile)), encoding="utf-8")
        copy_notebooks(chosen.notebooks, root / "notebooks")
        os.environ.update(environment(root))
        executed = ROOT / "build" / "rehearsal" / chosen.profile
        rows = runner.run_course(root / "notebooks", executed, chosen.profile, chosen.only)
        missing = [] if chosen.only else left_out(root, chosen.profile, executed)
    for sentence in missing:
        print(sentence)
    return 0 if not missing and all(row["state"] == "ok" for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
