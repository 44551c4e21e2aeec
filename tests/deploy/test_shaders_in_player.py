"""Students as user shaders, run by libplacebo (which draws for mpv) in FFmpeg, on a graphics card or on the processor.

What comes out is within 2 of 255 of Python's picture, whatever the size, the depth of bits and the range.
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from calls import KINDS, as_video, between, difference, enlarged, poor, reference, save

from benchmarks.player import with_values
from kdsharp.deploy import load_student, shaders
from kdsharp.deploy.clamp import clamped
from kdsharp.deploy.shaders import plain
from kdsharp.disk import checkpoints

pytestmark = pytest.mark.heavy
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
        if "//!PARAM fine\n" in shader:
            settings = {"fine": 1} | settings  # `reference` computes with floats
        told, frame, given = as_video(luma, bits, full=levels == FULL)
        (tmp_path / "s.glsl").write_text(with_values(shader, **settings))
        height, width = enlarged(luma, scale).shape
        drawn = f"libplacebo=w={width}:h={height}:format=yuv444p16le:dithering=-1:upscaler=bilinear"
        done = ffmpeg(
            *(*told, "-i", "-", "-vf"),
            f"hwupload,{drawn}:range={levels}:colorspace=bt709:custom_shader_path={tmp_path / 's.glsl'},"
            "hwdownload,format=yuv444p16le",
            *("-f", "rawvideo", "-"),
            given=frame,
        )
        assert done.returncode == 0 and not done.stderr, done.stderr.decode()
        out = np.frombuffer(done.stdout, np.uint16)[: height * width].reshape(height, width).astype(float)
        out = out / 65535 if levels == FULL else (out / 256 - 16) / 219
        return given, out

    return played


@pytest.mark.parametrize("name", ["call-xs", "call-s", "x2-s"])
def test_a_player_gives_the_same_picture(name: str, play: Callable) -> None:
    source = checkpoints.find(name)
    here, shader, scale = reference(source), shaders.text(source, ".glsl"), plain.read(source).scale
    for bits in (8, 10):
        given, out = play(shader, poor(67, 101), scale, bits)
        assert difference(out, here(given)) < 2
        assert difference(here(given), enlarged(given, scale)) > 5  # doing nothing would not pass


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_and_size(kind: str, play: Callable, tmp_path: Path) -> None:
    source = save(tmp_path / "mine.safetensors", **KINDS[kind])
    here, shader, scale = reference(source), shaders.text(source, ".glsl"), plain.read(source).scale
    for size, levels in (((67, 101), STUDIO), ((10, 130), FULL)):
        given, out = play(shader, poor(*size), scale, levels=levels, full_range=int(levels == FULL))
        assert difference(out, here(given)) < 2 < difference(here(given), enlarged(given, scale))


@pytest.mark.parametrize("kind", ["restrained", "x1.5"])
def test_settings_do_what_they_do_in_python(kind: str, play: Callable, tmp_path: Path) -> None:
    source = save(tmp_path / "mine.safetensors", **KINDS[kind])
    shader, scale = shaders.text(source, ".glsl"), plain.read(source).scale
    given, whole = play(shader, poor(44, 60), scale)
    _, kept = play(shader, poor(44, 60), scale, clamped=1)
    expected = clamped(given, reference(source)(given), scale)
    assert difference(kept, expected) < 2 < difference(whole, expected)
    _, nothing = play(shader, poor(44, 60), scale, strength=0.0)
    assert difference(nothing, enlarged(given, scale)) < 2


def test_a_good_frame_is_left_alone_unless_told(play: Callable) -> None:
    source = checkpoints.find("call-xs")
    shader, sharp = (
        shaders.text(source, ".glsl"),
        np.random.default_rng(0).random((64, 90)).astype(np.float32),
    )
    given, out = play(shader, sharp)
    assert difference(out, given) < 1
    given, out = play(shader, sharp, restraint=0)
    assert difference(out, reference(source, restrained=False)(given)) < 2 < difference(out, given)


def test_restraint_between_alone_and_corrected_is_that_of_bytes(play: Callable) -> None:
    source, grey = checkpoints.find("call-xs"), cv2.cvtColor(between(), cv2.COLOR_RGB2GRAY)
    student = load_student("call-xs", engine="onnx")
    expected = student(np.repeat(grey[..., None], 3, axis=2))[..., 0] / 255
    given, out = play(shaders.text(source, ".glsl"), grey / 255, levels=FULL, full_range=1, fine=0)
    assert difference(given, grey / 255) < 0.01 and difference(out, expected) < 2
    _, more = play(shaders.text(source, ".glsl"), grey / 255, levels=FULL, full_range=1)
    assert difference(more, expected) > 2 and difference(more, reference(source)(given)) < 2
