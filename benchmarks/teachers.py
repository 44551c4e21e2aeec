"""Make figures/teachers.png and figures/teachers.json: what two official networks make of one face.

    python -m benchmarks.teachers

The frame is degraded as a call that is shrunk twice and coded as JPEG of quality 70. The weights are fetched if need
be; figures/README.md says where the photograph comes from.
"""

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from kdsharp import course, data, evaluate, recipes, teacher
from kdsharp.course import figures
from kdsharp.degradation import degrade_picture
from kdsharp.disk import files
from kdsharp.errors import KdsharpError

ROOT = Path(__file__).resolve().parent.parent
SHRINK, QUALITY = 2, 70
AT, SIDE = (116, 224), 128  # the face: the pixel in its middle (row, column), and the side of the square
SEEN = 192  # the networks see this much around it, because they look far
EYES = (24, 26, 76)  # top, left, side within the face
FOR_PHOTOGRAPHS, FOR_DRAWINGS = "RealESRGAN_x4plus", "RealESRGAN_x4plus_anime_6B"
DPI = 130  # 10 inches: 1300 pixels


def scores() -> tuple[dict[str, np.ndarray], list[dict]]:
    """The pictures (`uint8` RGB) by name, the original last; and rows of PSNR (dB) and SSIM against it, with sources.

    Raises KdsharpError where no source gives a network.
    """
    hr = course.photograph(side=SEEN, at=AT)
    small, received = degrade_picture(hr, recipes.fixed_call(SHRINK, QUALITY))
    pictures, sources = {"received": received}, {}
    for name in (FOR_PHOTOGRAPHS, FOR_DRAWINGS):
        loaded = teacher.load_teacher(name)
        pictures[name], sources[name] = evaluate.teacher_picture(loaded, small, hr), loaded.source
    shown = {name: data.centre(picture, SIDE) for name, picture in pictures.items()}
    original = data.centre(hr, SIDE)
    rows = evaluate.compare(original, shown)
    for row in rows:
        row["source"] = sources.get(row["method"])
    return shown | {"original": original}, rows


def write(folder: Path) -> Path:
    """Write teachers.png and teachers.json into `folder`; returns the picture's path."""
    return write_figure(folder, "teachers", (SHRINK, QUALITY), *scores())


def write_figure(
    folder: Path, name: str, call: tuple[float, float], pictures: dict[str, np.ndarray], rows: list[dict]
) -> Path:
    """Write the face as several methods show it, NAME.png, and the rows of their scores, NAME.json."""
    captions = {row["method"]: f"{row['psnr_y']:.2f} dB, SSIM {row['ssim_y']:.3f}" for row in rows}
    figure = figures.side_by_side(pictures, EYES, captions)
    with files.atomic_write(folder / f"{name}.png") as handle:
        figure.savefig(handle, format="png", dpi=DPI)
    plt.close(figure)
    facts = {
        "photograph": "scikit-image, skimage/data/astronaut.png",
        "shrink": call[0],
        "jpeg_quality": call[1],
        "square": {"row": AT[0], "column": AT[1], "side": SIDE, "seen": SEEN},
        "rows": rows,
    }
    files.write_json(folder / f"{name}.json", facts)
    return folder / f"{name}.png"


def main(arguments: list[str] | None = None) -> int:
    """Write both files and print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "figures", help="folder (default: figures/)")
    chosen = parser.parse_args(arguments)
    try:
        path = write(chosen.out)
    except KdsharpError as error:
        raise SystemExit(str(error)) from error
    print(f"{path}: {path.stat().st_size} bytes")
    print(evaluate.format_table(files.read_json(path.with_suffix(".json"))["rows"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
