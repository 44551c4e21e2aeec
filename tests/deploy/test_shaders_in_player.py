"""Students as user shaders, run by libplacebo (which draws for mpv) in FFmpeg, on a graphics card or on the processor.

What comes out is within 2 of 255 of Python's picture, whatever the size, the depth of bits and the range.
"""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calls import answer, difference, enlarged, poor, shaded

from kdsharp import deploy
from kdsharp.deploy import shaders
from kdsharp.deploy.clamp import clamped
from kdsharp.deploy.engines.onnx import OnnxNetwork
from kdsharp.disk import checkpoints

pytestmark = pytest.mark.heavy
PARAMETER = re.compile(r"//!PARAM (\w+)\n(?://!.*\n)*(.+)\n\n?")
STUDIO, FULL = "tv", "pc"


def ffmpeg(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess:
    card = ("-init_hw_device", "vulkan=card", "-filter_hw_device", "card")
    command = ["ffmpeg", "-v", "error", *card, *arguments]
    return subprocess.run(command, input=given, capture_output=True, timeout=120, check=False)


@pytest.fixture(scope="module", autouse=True)
def player() -> None:
    if not shutil.which("ffmpeg"):
        pytest.skip("there is no ffmpeg (Debian: apt-get install ffmpeg mesa-vulkan-drivers)")
    black, chain = (
        "color=black:size=16x16:duration=0.04:rate=25",
        "hwupload,libplacebo,hwdownload,format=yuv420p",
    )
    tried = ffmpeg("-f", "lavfi", "-i", black, "-vf", chain, "-f", "null", "-")
    if tried.returncode:
        why = tried.stderr.decode().strip().partition("\n")[0]
        pytest.skip(
            f"this ffmpeg runs no libplacebo on Vulkan ({why}); Debian: apt-get install mesa-vulkan-drivers"
        )


@pytest.fixture
def play(tmp_path: Path) -> Callable:
    """Luma (H, W) in [0, 1] as a frame of a video, through a shader, and back."""

    def played(
        shader: str, luma: np.ndarray, scale: float = 1, bits: int = 8, levels: str = STUDIO, **settings: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the frame held, rounded to its bits, and what came out of the player."""
        low, span = (0, (1 << bits) - 1) if levels == FULL else (16 << (bits - 8), 219 << (bits - 8))
        codes = np.rint(luma * span + low)
        (tmp_path / "s.glsl").write_text(with_values(shader, **settings))
        height, width = enlarged(luma, scale).shape
        grey = np.full((2, *luma.shape), 1 << (bits - 1))
        kind, pixels = (np.uint8, "yuv444p") if bits == 8 else (np.uint16, f"yuv444p{bits}le")
        drawn = f"libplacebo=w={width}:h={height}:format=yuv444p16le:dithering=-1:upscaler=bilinear"
        done = ffmpeg(
            *("-f", "rawvideo", "-pix_fmt", pixels, "-s", f"{luma.shape[1]}x{luma.shape[0]}"),
            *("-color_range", levels, "-colorspace", "bt709", "-i", "-", "-vf"),
            f"hwupload,{drawn}:range={levels}:colorspace=bt709:custom_shader_path={tmp_path / 's.glsl'},"
            "hwdownload,format=yuv444p16le",
            *("-f", "rawvideo", "-"),
            given=np.concatenate([codes[None], grey]).astype(kind).tobytes(),
        )
        assert done.returncode == 0 and not done.stderr, done.stderr.decode()
        out = np.frombuffer(done.stdout, np.uint16)[: height * width].reshape(height, width).astype(float)
        out = out / 65535 if levels == FULL else (out / 256 - 16) / 219
        return ((codes - low) / span).astype(np.float32), out

    return played


def with_values(shader: str, **settings: Any) -> str:
    """A shader whose parameters have values: libplacebo before 5.264 knows none, and FFmpeg cannot set them."""
    found = {name: settings.get(name, value) for name, value in PARAMETER.findall(shader)}
    assert set(settings) <= set(found)
    lines = "".join(f"#define {name} {value}\n" for name, value in found.items())
    return re.sub(r"((?://!.*\n)+)", lambda heads: heads[1] + lines, PARAMETER.sub("", shader))


def ready(name: str) -> tuple[OnnxNetwork, str]:
    source = checkpoints.find(name)
    return OnnxNetwork(deploy.exported_file(source)), shaders.text(source, ".glsl")


@pytest.mark.parametrize("name", shaded())
def test_a_player_gives_the_same_picture(name: str, play: Callable) -> None:
    here, shader = ready(name)
    for bits in (8, 10):
        given, out = play(shader, poor(67, 101), here.scale, bits)
        assert difference(out, answer(here, given)) < 2
        assert (
            difference(answer(here, given), enlarged(given, here.scale)) > 5
        )  # doing nothing would not pass


@pytest.mark.parametrize("size", [(66, 100), (45, 64), (3, 131)])
def test_every_size_and_range(size: tuple[int, int], play: Callable) -> None:
    for name in ("call-xs", "call-x1.5"):
        here, shader = ready(name)
        given, out = play(shader, poor(*size), here.scale, levels=FULL, full_range=1)
        assert difference(out, answer(here, given)) < 2


def test_settings_do_what_they_do_in_python(play: Callable) -> None:
    for name in ("call-xs", "call-x1.5"):
        here, shader = ready(name)
        given, whole = play(shader, poor(44, 60), here.scale)
        _, kept = play(shader, poor(44, 60), here.scale, clamped=1)
        expected = clamped(given, answer(here, given), here.scale)
        assert difference(kept, expected) < 2 < difference(whole, expected)
        _, nothing = play(shader, poor(44, 60), here.scale, strength=0.0)
        assert difference(nothing, enlarged(given, here.scale)) < 2


def test_a_good_frame_is_left_alone_unless_told(play: Callable) -> None:
    here, shader = ready("call-xs")
    sharp = np.random.default_rng(0).random((64, 90)).astype(np.float32)
    given, out = play(shader, sharp)
    assert difference(out, given) < 1 and difference(answer(here, given), given) < 1
    given, out = play(shader, sharp, restraint=0)
    assert difference(out, answer(here.unrestrained(), given)) < 2 < difference(out, given)
