"""Panel: let a teacher enlarge a small picture, whole or in tiles, and see what that costs."""

import time
from pathlib import Path

from kdsharp import data, evaluate
from kdsharp.course import figures
from kdsharp.course.panels.panel import Panel, Shown, choice, slider
from kdsharp.teacher import at_hand, load_teacher


def teacher_panel(photos: list[Path], device: str = "cpu", names: list[str] | None = None) -> Panel:
    """Teacher, tile and overlap: the enlarged picture, its seconds, and how far tiles are from the whole.

    The teacher gets the middle of a photograph, shrunk by its scale with plain bicubic. `names` defaults to the
    teachers that need no download.
    """
    controls = {
        "photo": choice("photograph", {path.stem: path for path in photos}),
        "name": choice("teacher", names or at_hand(), (names or at_hand())[-1]),
        "side": slider("input in pixels", 96, 64, 192, 32),
        "tile": slider("tile in pixels", 64, 32, 192, 32),
        "overlap": slider("overlap in pixels", 16, 0, 32, 4),
    }

    def show(photo: Path, name: str, side: int, tile: int, overlap: int) -> Shown:
        tiled = load_teacher(name, device, tile=tile, overlap=overlap)
        whole = load_teacher(name, device, tile=side)
        image = data.crop_to_multiple(data.read_image(photo), tiled.scale)
        top, left = (max(0, (edge - side * tiled.scale) // 2) for edge in image.shape[:2])
        original = image[top : top + side * tiled.scale, left : left + side * tiled.scale]
        small = evaluate.bicubic_shrink(original, tiled.scale)
        start = time.perf_counter()
        taught = tiled.on_picture(small)
        seconds = time.perf_counter() - start
        seam = int(abs(taught.astype(int) - whole.on_picture(small)).max())
        bicubic = evaluate.bicubic_upscale(small, tiled.scale)
        shown = {"bicubic": bicubic, "teacher": taught, "original": original}
        captions = {
            key: f"{evaluate.psnr(shown[key], original, tiled.scale):.2f} dB"
            for key in ("bicubic", "teacher")
        }
        zoom = (original.shape[0] // 3, original.shape[1] // 3, max(32, original.shape[0] // 4))
        return figures.side_by_side(shown, zoom=zoom, captions=captions), (
            f"{name}: {seconds:.2f} s for {small.shape[1]}x{small.shape[0]} pixels, "
            f"{_tiles(side, tile)} tiles; largest difference from the whole picture {seam} of 255"
        )

    return Panel("Ask a teacher", controls, show)


def _tiles(side: int, tile: int) -> int:
    return (-(-side // tile)) ** 2
