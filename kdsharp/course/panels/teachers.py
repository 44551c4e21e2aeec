"""Panel: let a teacher enlarge a small picture, whole or in tiles, and see what that costs."""

import functools
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import Tensor

from kdsharp import data, evaluate
from kdsharp.course import figures
from kdsharp.course.panels.controls import choice, slider
from kdsharp.course.panels.panel import Panel, Shown
from kdsharp.course.panels.photos import part
from kdsharp.teacher import OWN, Teacher, at_hand, load_teacher


def teacher_panel(photos: list[Path], device: str = "cpu", names: Sequence[str] | None = None) -> Panel:
    """Teacher, tile and overlap: the enlarged picture, its seconds, and how far tiles are from the whole.

    The teacher gets a part of a photograph, shrunk by its scale with plain bicubic. `names` defaults to the teachers
    that need no download, of which the course's own is shown first, because it answers at once.
    """
    names = list(names or at_hand())
    load = functools.cache(lambda name: load_teacher(name, device))
    controls = {
        "photo": choice(
            "photograph", {path.stem: path for path in photos}, tooltip="What is shrunk and enlarged."
        ),
        "name": choice("teacher", names, OWN if OWN in names else names[0], "The network that enlarges."),
        "down": slider("down in %", 10, 0, 100, 5, "Where the part lies that is shown: 0 is the top."),
        "across": slider("across in %", 45, 0, 100, 5, "Where the part lies that is shown: 0 is the left."),
        "side": slider("input in pixels", 64, 48, 96, 16, "Width of what the teacher is given."),
        "tile": slider("tile in pixels", 48, 32, 96, 16, "Width of the pieces that it is given one by one."),
        "overlap": slider(
            "overlap in pixels", 16, 0, 32, 4, "What pieces share with their neighbours on each side."
        ),
    }

    def show(photo: Path, name: str, down: int, across: int, side: int, tile: int, overlap: int) -> Shown:
        teacher = load(name)
        image = data.crop_to_multiple(data.read_image(photo), 8)
        original = part(image, side * teacher.scale, down, across)
        small = evaluate.bicubic_shrink(original, teacher.scale)
        start = time.perf_counter()
        taught, tiles = _counted(replace(teacher, tile=tile, overlap=overlap), small)
        seconds = time.perf_counter() - start
        whole = replace(teacher, tile=max(small.shape)).on_picture(small)
        seam = int(abs(taught.astype(int) - whole).max())
        shown = {"bicubic": evaluate.bicubic_upscale(small, teacher.scale), name: taught}
        captions = {
            key: f"{evaluate.psnr(picture, original, teacher.scale):.2f} dB" for key, picture in shown.items()
        }
        height, width = small.shape[:2]
        return figures.side_by_side(shown | {"original": original}, captions=captions), (
            f"{name}: {seconds:.2f} s for {width}x{height} pixels in {len(tiles)} tiles, with their surroundings "
            f"{sum(tiles) / (width * height):.1f} times the picture; largest difference from the whole picture "
            f"{seam} of 255"
        )

    def code(name: str, tile: int, overlap: int, **_place: object) -> str:
        return f"kdsharp.load_teacher({name!r}, tile={tile}, overlap={overlap})"

    return Panel("Ask a teacher", controls, show, code=code)


def _counted(teacher: Teacher, small: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """What a teacher makes of a picture, and of how many pixels each tile was that it was given."""
    tiles = []

    def run(tile: Tensor) -> Tensor:
        tiles.append(tile.shape[-2] * tile.shape[-1])
        return teacher.run(tile)

    return replace(teacher, run=run).on_picture(small), tiles
