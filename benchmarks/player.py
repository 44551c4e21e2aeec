"""Make figures/player.png and figures/player.json: a received frame, sharpened by a user shader in a player.

    python -m benchmarks.player

FFmpeg's filter libplacebo, which draws for mpv too, runs `kdsharp export call-s call-s.glsl` on a graphics card, or on
the processor by Mesa's Vulkan (Debian: ffmpeg, mesa-vulkan-drivers). Python's picture stands beside it.
"""

import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.teachers import AT, ROOT, SEEN, SIDE, write_figure
from kdsharp import course, data, evaluate, recipes
from kdsharp.degradation import degrade_picture
from kdsharp.deploy import shaders
from kdsharp.deploy.sharpen import load_student
from kdsharp.disk import checkpoints
from kdsharp.errors import KdsharpError

STUDENT = "call-s"
SHRINK, QUALITY = 2, 70
_PARAMETER = re.compile(r"//!PARAM (\w+)\n(?://!.*\n)*(.+)\n\n?")


def with_values(shader: str, **settings: float) -> str:
    """A shader whose parameters have values, in each pass: libplacebo before 5.264 knows none, and FFmpeg sets none."""
    found = {name: settings.get(name, value) for name, value in _PARAMETER.findall(shader)}
    if unknown := settings.keys() - found:
        raise KdsharpError(f"The shader has no parameter {', '.join(sorted(unknown))}.")
    lines = "".join(f"#define {name} {value}\n" for name, value in found.items())
    return re.sub(r"((?://!.*\n)+)", lambda heads: heads[1] + lines, _PARAMETER.sub("", shader))


def played(frame: np.ndarray, shader: str) -> np.ndarray:
    """`uint8` RGB (H, W, 3) as a video's frame through a shader. Raises CalledProcessError where FFmpeg cannot."""
    with tempfile.TemporaryDirectory() as folder:
        given, made, code = (Path(folder, name) for name in ("in.png", "out.png", "s.glsl"))
        data.write_image(given, frame)
        code.write_text(with_values(shader), encoding="utf-8")
        chain = (
            "scale=out_color_matrix=bt709:out_range=tv,format=yuv444p,hwupload,"
            f"libplacebo=format=yuv444p:dithering=-1:custom_shader_path={code},hwdownload,format=yuv444p,"
            "scale=in_color_matrix=bt709:in_range=tv,format=rgb24"
        )
        card = ("-init_hw_device", "vulkan=card", "-filter_hw_device", "card")
        command = ["ffmpeg", "-v", "error", "-y", *card, "-i", str(given), "-vf", chain, str(made)]
        subprocess.run(command, check=True)
        return data.read_image(made)


def scores() -> tuple[dict[str, np.ndarray], list[dict]]:
    """The pictures (`uint8` RGB) by name, the original last; and rows of PSNR (dB) and SSIM against it."""
    hr = course.photograph(side=SEEN, at=AT)
    _, received = degrade_picture(hr, recipes.fixed_call(SHRINK, QUALITY))
    shader = shaders.text(checkpoints.find(STUDENT), ".glsl")
    pictures = {
        "received": received,
        f"{STUDENT}.glsl in a player": played(received, shader),
        f"{STUDENT} in Python": load_student(STUDENT, engine="onnx")(received),
    }
    shown = {name: data.centre(picture, SIDE) for name, picture in pictures.items()}
    original = data.centre(hr, SIDE)
    return shown | {"original": original}, evaluate.compare(original, shown)


if __name__ == "__main__":
    print(write_figure(ROOT / "figures", "player", (SHRINK, QUALITY), *scores()))
