"""The film of a training: what students make of one place, step after step, beside what they learn from."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kdsharp.course.figures.style import MAX_WIDTH, canvas_grid, colours_of
from kdsharp.distill import validation
from kdsharp.errors import KdsharpError
from kdsharp.evaluate import share_of_the_way

COLUMNS = 5  # steps in the figure; more would be too small to tell students apart
SIDE = 64  # pixels of the place that is shown, enlarged


@dataclass(frozen=True)
class Reel:
    """Pictures of one place, `uint8` RGB of one size: students by name and step, and their teachers by name.

    The place is that of the newest pictures: older ones of another place, as earlier versions chose it, are left out.
    """

    given: np.ndarray
    original: np.ndarray
    students: dict[str, dict[int, np.ndarray]]
    teachers: dict[str, np.ndarray]

    @property
    def steps(self) -> list[int]:
        """All steps of which there is a picture, in order."""
        return sorted({step for pictures in self.students.values() for step in pictures})

    def at(self, name: str, step: int) -> np.ndarray | None:
        """A student's picture of that step, or its last one before; None where it has none yet."""
        pictures = self.students[name]
        return pictures[max(before)] if (before := [found for found in pictures if found <= step]) else None

    def share(self, name: str, step: int) -> float | None:
        """What share of the way to its teacher a student has come by then; None where that cannot be said."""
        made, taught = self.at(name, step), self.teachers.get(name)
        return None if made is None or taught is None else share_of_the_way(made, self.given, taught)


def reel(folders: dict[str, Path], crop: int = 0, side: int | None = None) -> Reel:
    """Read the validation pictures of runs, by the student's name: of row `crop` the liveliest `side` pixels, or all.

    Raises KdsharpError where a run has no picture yet, or where runs show different places.
    """
    given = original = None
    students: dict[str, dict[int, np.ndarray]] = {}
    for name, folder in folders.items():
        found = {step: validation.frame(path, crop) for step, path in validation.frames(folder).items()}
        if not found:
            raise KdsharpError(f"There is no validation picture in {folder}: train this student first.")
        if original is None:
            given, _, original = found[max(found)]
        students[name] = {step: made for step, (_, made, hr) in found.items() if np.array_equal(hr, original)}
        if not students[name]:
            raise KdsharpError(
                f"{folder} shows another place than the other runs: train it on the same photographs."
            )
    if original is None:
        raise KdsharpError("There is nothing to show: give the folder of at least one run.")
    taught = {name: validation.teacher_frame(folder, crop) for name, folder in folders.items()}
    cut = _place(given, side or len(original))
    return Reel(
        given[cut],
        original[cut],
        {
            name: {step: picture[cut] for step, picture in pictures.items()}
            for name, pictures in students.items()
        },
        {name: picture[cut] for name, picture in taught.items() if picture is not None},
    )


def film(
    folders: dict[str, Path], crop: int = 0, columns: int = COLUMNS, side: int = SIDE, title: str = ""
) -> Figure:
    """Students (rows) over the steps of their training (columns), between what they get and what they learn from.

    `folders` are runs by their student's name; `crop` the row of their validation pictures. At most `columns` steps are
    shown, the first and the last among them, and of the crop the liveliest `side` pixels. The last column is the
    teacher's picture where the run has one (`distill.show_teacher`), else the original.
    """
    shown = reel(folders, crop, side)
    chosen = chosen_steps(shown, columns)
    colours = colours_of(folders)
    size = (len(folders), len(chosen) + 2)
    with canvas_grid(MAX_WIDTH, size, title) as (figure, axes):
        for row, name in zip(axes, folders, strict=True):
            pictures = [shown.given, *(shown.at(name, step) for step in chosen)]
            goal = shown.teachers.get(name)
            pictures.append(shown.original if goal is None else goal)
            for axis, picture in zip(row, pictures, strict=True):
                place_picture(axis, picture)
            row[0].set_ylabel(name, color=colours[name], fontweight="bold")
            row[-1].set_title("the original" if goal is None else "its teacher")
        for axis, text in zip(axes[0], ["input", *(f"step {step}" for step in chosen)], strict=False):
            axis.set_title(text)
    return figure


def chosen_steps(shown: Reel, count: int) -> list[int]:
    """At most `count` steps of a reel, evenly spread, the first and the last among them."""
    places = np.linspace(0, len(shown.steps) - 1, count).round().astype(int)
    return sorted({shown.steps[place] for place in places})


def place_picture(axis: Axes, picture: np.ndarray | None) -> None:
    """Draw a picture without smoothing; nothing at all for None."""
    if picture is None:
        axis.set_axis_off()
    else:
        axis.imshow(picture, interpolation="nearest")


def _place(picture: np.ndarray, side: int) -> tuple[slice, slice]:
    """The square of `side` pixels with the highest mean gradient, as crops are chosen in the first place."""
    height, width = picture.shape[:2]
    side = min(side, height, width)
    detail = np.hypot(*np.gradient(picture.mean(axis=2)))
    means = cv2.boxFilter(detail, -1, (side, side), anchor=(0, 0), borderType=cv2.BORDER_REFLECT)
    inside = means[: height - side + 1, : width - side + 1]
    top, left = np.unravel_index(inside.argmax(), inside.shape)
    return slice(top, top + side), slice(left, left + side)
