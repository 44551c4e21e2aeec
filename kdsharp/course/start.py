"""How a notebook begins: on which machine, with which profile, what is kept where, and is the reader's student here?

Every badge of Colab opens a new machine. `begin` brings back what an earlier notebook left in the kept folder, and
says in one line what is there and what is taken instead. What it returns knows where the course's files belong.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from kdsharp import data, recipes, teacher
from kdsharp.disk import files, keep
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Recipe
from kdsharp.teacher import official

if TYPE_CHECKING:  # not loaded for a notebook that draws nothing
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

AUTO = "auto"
DRIVE = Path("/content/drive/MyDrive/kdsharp")  # on Colab, once Google Drive is mounted
KAGGLE = Path("/kaggle/working")  # what Kaggle keeps of a notebook
_REMEMBERED = "kdsharp.json"
_STUDENT = "student.safetensors"  # in the folder of a run
_NO_GPU = "no GPU is here"


@dataclass(frozen=True)
class Start:
    """What a notebook works with.

    `device` is cuda or cpu; `course` the folder of all that the course writes; `suffix` ends the names of this
    profile's runs in it; `system` is the preset that is trained; `student` is the file of the reader's own student,
    None where notebook 05 has not run; `published` names the published student of the same system, None where there
    is none.
    """

    profile: str
    device: str
    course: Path
    suffix: str
    student: Path | None
    published: str | None
    status: str
    system: str

    def recipe(self, changes: Sequence[str] = ()) -> Recipe:
        """The system's recipe in this profile with `changes`, settings such as `training.steps=300`.

        In `quick`, where no source gives its official teacher, the course's own takes its place, and one line says so
        (`pipeline.at_hand`). What has to be fetched for it is fetched. Raises KdsharpError for a setting that is none.
        """
        from kdsharp.distill import pipeline  # loads torchvision, which most notebooks begin without

        changed = recipes.override(recipes.preset(self.system, self.profile), changes)
        return pipeline.at_hand(changed, self.profile)

    def characters(self, run: str = "student") -> dict[str, Path]:
        """The files of notebook 05's three students that are here or kept (and brought back), by character.

        Their runs are called `run`-alone, `run`-fidelity and `run`-perceptual.
        """
        names = recipes.characters(recipes.preset(self.system, self.profile))
        paths = {name: self.folder(f"{run}-{name}") / _STUDENT for name in names}
        for path in paths.values():
            keep.fetch(path)
        return {name: path for name, path in paths.items() if path.exists()}

    def photos(self, split: str) -> list[Path]:
        """This profile's photographs to learn from (`train`), or held out (`val`); downloads what is missing."""
        return data.photos_for(self.profile, split)

    def folder(self, run: str, changed: Recipe | None = None) -> Path:
        """The folder of a run of this profile: a run of `medium` takes nothing from one of `quick`.

        A recipe that was `changed` by hand gets one of its own, which its digest names.
        """
        own = f"-{recipes.digest(changed)}" if changed else ""
        return self.course / f"{run}{own}{self.suffix}"

    def write(self, name: str, value: Any) -> Path:
        """Write JSON to the file `name` of the course's folder (`results/speed.json`, say), and keep a copy."""
        files.write_json(self.course / name, value)
        return self.keep(self.course / name)

    def save(self, figure: "Figure", name: str) -> Path:
        """Write a figure to the file `name` of the course's folder, as PNG."""
        from kdsharp.course.figures import (
            save,  # loads matplotlib, which a notebook that begins may not need yet
        )

        return save(figure, self.course / name)

    def keep(self, path: Path) -> Path:
        """Copy a file into the kept folder, where there is one, for the notebooks that follow."""
        keep.store(path)
        return path

    def relative(self, path: Path) -> Path:
        """A path as it is printed: without what lies above the course's checkout."""
        return path.relative_to(files.root())


def begin(
    profile: str = AUTO, keep_in: str = "", system: str = "video-call", run: str = "student-fidelity"
) -> Start:
    """Settle the profile and the kept folder, and bring back what is kept of run `run`'s student and of the results.

    Prints the status line: machine, profile, teacher, the reader's student, the kept folder. Of the three students
    that notebook 05 trains, the reader's is that of the fidelity teacher, unless `run` names another.

    Args:
        profile: one of `recipes.PROFILES`; `auto` takes KDSHARP_PROFILE where it is set, else what was chosen with the
            kept folder, else `medium` where there is a GPU and `quick` where there is none.
        keep_in: a folder that outlives the machine; empty takes KDSHARP_KEEP, or a folder `kdsharp` on a mounted
            Google Drive, or Kaggle's working folder.

    Raises KdsharpError for an unknown profile or system, or a folder that cannot be used.
    """
    kept = _kept(keep_in)
    gpus = torch.cuda.device_count()  # asks the driver alone, see `_machine`
    chosen, why = _profile(profile, kept, gpus)
    if kept and why != _NO_GPU:  # that there is none today is no choice
        _remember(kept, chosen)
    suffix = "" if chosen == "quick" else f"-{chosen}"
    course = files.work_dir() / "course"
    student = course / f"{run}{suffix}" / _STUDENT
    keep.fetch(student)  # training brings back the rest of its run itself
    keep.fetch_all(course / "results")
    published = recipes.published_for(system)
    parts = [
        _machine(gpus),
        f"profile {chosen} ({why})",
        f"teacher {_with_source(recipes.preset(system, chosen).teacher, chosen)}",
        "your student: found" if student.exists() else _instead(published),
        f"kept in {kept}" if kept else "nothing is kept",
    ]
    print(status := " | ".join(parts))
    mine = student if student.exists() else None
    return Start(chosen, "cuda" if gpus else "cpu", course, suffix, mine, published, status, system)


def _with_source(name: str | None, profile: str) -> str:
    """A recipe's teacher, and where its weights come from; nothing is fetched here."""
    if name not in teacher.OFFICIAL:
        return name or "none"
    if here := official.local_file(name):
        return f"{name} ({official.source_of(here)})"
    instead = f", or {teacher.OWN} where no source gives it" if profile == "quick" else ""
    return f"{name} (to be fetched{instead})"


def _kept(keep_in: str) -> Path | None:
    """The folder that outlives the machine, in use from here on; None where there is none."""
    if not keep_in and (named := os.environ.get("KDSHARP_KEEP")):
        keep.place_of(files.work_dir())  # raises where there is no such folder
        return Path(named)
    if not keep_in and DRIVE.is_dir():
        keep_in = str(DRIVE)
    if not keep_in and "KAGGLE_KERNEL_RUN_TYPE" in os.environ and KAGGLE.is_dir():
        keep_in = str(KAGGLE)
    if not keep_in:
        return None
    keep.use(keep_in)
    return Path(keep_in)


def _profile(wanted: str, kept: Path | None, gpus: int) -> tuple[str, str]:
    """The profile, and why it is that one."""
    if wanted != AUTO:
        return _checked(wanted, "the parameter"), "chosen"
    if value := os.environ.get("KDSHARP_PROFILE"):
        return _checked(value, "KDSHARP_PROFILE"), "KDSHARP_PROFILE"
    if kept and (value := _remembered(kept)):
        return value, "as last time"
    return ("medium", "a GPU is here") if gpus else ("quick", _NO_GPU)


def _checked(profile: str, source: str) -> str:
    if profile not in recipes.PROFILES:
        raise KdsharpError(
            f"There is no profile '{profile}' ({source}): choose one of {AUTO}, {', '.join(recipes.PROFILES)}."
        )
    return profile


def _remembered(kept: Path) -> str | None:
    """The profile that was chosen with this folder, if it can be read."""
    path = kept / _REMEMBERED
    if not path.is_file():
        return None
    try:
        found = files.read_json(path)["profile"]
    except (KdsharpError, KeyError, TypeError):
        found = None
    if found in recipes.PROFILES:
        return found
    log.warning("%s names no profile: it is written anew", path)
    return None


def _remember(kept: Path, profile: str) -> None:
    """Write the profile down for the next notebook; a folder that cannot be written is a warning."""
    try:
        files.write_json(kept / _REMEMBERED, {"profile": profile})
    except (OSError, KdsharpError) as error:
        log.warning("the profile is not remembered: %s", error)


def _machine(gpus: int) -> str:
    """The GPU by name; of several the number: to ask for names takes a GPU into use, and a process that uses one
    cannot be split into several any more (`parallel.in_notebook`).
    """
    if gpus > 1:
        return f"{gpus} GPUs"
    return f"GPU {torch.cuda.get_device_name(0)}" if gpus else f"processor, {os.cpu_count()} cores"


def _instead(published: str | None) -> str:
    instead = f": until it is trained, the published {published} stands in" if published else ""
    return f"your student of notebook 05 was not found{instead}"
