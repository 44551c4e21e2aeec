"""Make figures/characters.png and figures/characters.json: one face as the fidelity and the perceptual network show it.

    python -m benchmarks.characters

The frame is degraded as a call that is shrunk three times and coded as JPEG of quality 50: where there is most to draw.
"""

from pathlib import Path

import numpy as np

from benchmarks.teachers import AT, ROOT, SEEN, SIDE, write_figure
from kdsharp import course, data, evaluate, recipes
from kdsharp.degradation import degrade_picture
from kdsharp.deploy.sharpen import load_student

SHRINK, QUALITY = 3, 50
STUDENTS = ("call-s", "call-s-perceptual")


def scores() -> tuple[dict[str, np.ndarray], list[dict]]:
    """The pictures (`uint8` RGB) by name, the original last; and rows of PSNR (dB) and SSIM against it."""
    hr = course.photograph(side=SEEN, at=AT)
    _, received = degrade_picture(hr, recipes.fixed_call(SHRINK, QUALITY))
    pictures = {"received": received}
    pictures |= {name: load_student(name, engine="onnx")(received) for name in STUDENTS}
    shown = {name: data.centre(picture, SIDE) for name, picture in pictures.items()}
    original = data.centre(hr, SIDE)
    return shown | {"original": original}, evaluate.compare(original, shown)


def write(folder: Path) -> Path:
    """Write characters.png and characters.json into `folder`; returns the picture's path."""
    return write_figure(folder, "characters", (SHRINK, QUALITY), *scores())


if __name__ == "__main__":
    print(write(ROOT / "figures"))
