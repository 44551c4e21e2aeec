"""Make figures/hero.png and figures/hero.json: one held-out photograph, before and after.

    python -m benchmarks.hero

The frame is degraded as a call that is shrunk twice and coded as JPEG of quality 70. Everything needed is in the
repository and in scikit-image; figures/README.md says where the photograph comes from.
"""

import argparse
import sys
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
from PIL import Image

from kdsharp import data, evaluate, recipes, teacher
from kdsharp.course import figures
from kdsharp.deploy import sharpen
from kdsharp.disk import files

ROOT = Path(__file__).resolve().parent.parent
SHRINK, QUALITY = 2, 70
# A face is what a call shows. Around this one JPEG leaves ringing, which tells the ways of sharpening apart.
PHOTO, SQUARE = "astronaut.png", (52, 160, 128)  # top, left, side in pixels
MAX_BYTES = 600_000  # a README should open quickly
OVERVIEW = 300  # pixels
DPI = 160  # 10 inches: 1600 pixels


def scores() -> tuple[dict, dict]:
    """The pictures (`uint8` RGB) by name, the original last, and their PSNR (dB) and SSIM on Y against it."""
    path = next(path for path in data.embedded_photos("val") if path.name == PHOTO)
    settings = recipes.fixed_call(SHRINK, QUALITY)
    hr, received, small = evaluate.degraded_photo(path, settings)
    pictures = {
        "received": received,
        "unsharp mask": evaluate.unsharp(received),
        "student (call-s)": sharpen.load_student("call-s", "cpu")(received),
        f"teacher ({teacher.OWN})": evaluate.teacher_picture(
            teacher.load_teacher(teacher.OWN, "cpu"), small, hr
        ),
    }
    rows = {row["method"]: row for row in evaluate.compare(hr, pictures)}
    return pictures | {"original": hr}, rows


def write(folder: Path) -> Path:
    """Write hero.png and hero.json into `folder`; returns the picture's path."""
    pictures, rows = scores()
    captions = {name: f"{row['psnr_y']:.2f} dB, SSIM {row['ssim_y']:.4f}" for name, row in rows.items()}
    figure = figures.close_up(
        pictures, SQUARE, captions, whole="the photograph (512x512)\nand what is enlarged"
    )
    # The whole photograph only says where the square lies, and a README shows it this large: half the bytes.
    overview = Image.fromarray(pictures["original"]).resize((OVERVIEW, OVERVIEW), Image.Resampling.LANCZOS)
    figure.axes[0].images[0].set(data=overview, interpolation="bicubic")
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    plt.close(figure)
    packed = BytesIO()
    Image.open(drawn).convert("RGB").save(packed, "PNG", optimize=True)
    if packed.tell() > MAX_BYTES:
        raise SystemExit(
            f"The picture has {packed.tell()} bytes, more than {MAX_BYTES}: choose a smaller square."
        )
    facts = {
        "photograph": f"scikit-image, skimage/data/{PHOTO}",
        "shrink": SHRINK,
        "jpeg_quality": QUALITY,
        "square": dict(zip(("top", "left", "side"), SQUARE, strict=True)),
        "rows": list(rows.values()),
    }
    files.write_json(folder / "hero.json", facts)
    with files.atomic_write(folder / "hero.png") as handle:
        handle.write(packed.getvalue())
    return folder / "hero.png"


def main(arguments: list[str] | None = None) -> int:
    """Write both files and print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "figures", help="folder (default: figures/)")
    chosen = parser.parse_args(arguments)
    path = write(chosen.out)
    print(f"{path}: {path.stat().st_size} bytes")
    print(evaluate.format_table(files.read_json(path.with_suffix(".json"))["rows"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
