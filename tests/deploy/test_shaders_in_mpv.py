"""Students as user shaders in mpv itself: its window, on a screen and a graphics card that the processor emulates.

The card is OpenGL's. On Vulkan mpv gives the same pictures, but Mesa 22.3 emulates it in a thread that crashes in one
run of thirty on a busy machine, with a shader and without.

mpv's picture of its window has 16 bits a channel, and the luma of R, G and B is the plane that the shader gave. What
differs from Python are half floats between the passes: 0.5 of 255 was seen, 1 is allowed.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from calls import as_video, difference, enlarged, poor, reference

from benchmarks.player import with_values
from kdsharp.deploy import shaders
from kdsharp.deploy.clamp import clamped
from kdsharp.disk import checkpoints

pytestmark = pytest.mark.heavy
PAGE = Path(__file__).parents[2] / "docs/deploy.md"
COMMAND = re.search(r"^mpv .+$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)[0]
PRINTED = re.search(r"(?<=--glsl-shader-opts=)\S+", COMMAND)[0]
BGR = (0.0722, 0.7152, 0.2126)  # the luma of BT.709
# `keepaspect`: a window of the network's size, and not of what the aspect ratio makes of an odd one.
SETTINGS = """\
gpu-context=x11egl
gpu-sw=yes
geometry={size[1]}x{size[0]}
keepaspect=no
dither-depth=no
osc=no
osd-level=0
pause=yes
"""
SCREENSHOT = """\
mp.register_event("playback-restart", function()
    mp.commandv("screenshot-to-file", "window.png", "window")
    mp.commandv("quit")
end)
"""


def said_by_mpv(option: str) -> str:
    return subprocess.run(["mpv", "--no-config", option], capture_output=True, text=True, check=False).stdout


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    """An emulated screen, as `DISPLAY` names it."""
    if missing := [name for name in ("mpv", "Xvfb", "ffmpeg") if not shutil.which(name)]:
        pytest.skip(f"there is no {' and no '.join(missing)} (Debian: apt-get install mpv xvfb ffmpeg)")
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "640x480x24"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        number = server.stdout.readline().strip()
        if not number:
            pytest.skip("Xvfb opens no screen here")
        yield f":{number}"
        server.terminate()


@pytest.fixture(scope="module")
def old() -> bool:
    """Is this mpv one, as Debian 12's, whose libplacebo knows no parameters of a shader?"""
    found = re.search(r"libplacebo version: v(\d+)", said_by_mpv("--version"))
    return not found or int(found[1]) < 6


@pytest.fixture
def play(tmp_path: Path, screen: str, old: bool) -> Callable:
    """Luma (H, W) in [0, 1] as a video of one frame, in a window of mpv."""

    def played(
        shader: str,
        luma: np.ndarray,
        scale: float = 1,
        bits: int = 8,
        full: bool = False,
        options: str = "full_range=0",
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the frame held, rounded to its bits, and what a window `scale` times as large shows, by the command
        that docs/deploy.md prints with `options` instead of its own.
        """
        told, frame, given = as_video(luma, bits, full)
        lossless = ["ffmpeg", "-v", "error", *told, "-i", "-", "-c:v", "ffv1", "-y", tmp_path / "call.mkv"]
        subprocess.run(lossless, input=frame, check=True)
        values = dict(option.split("=") for option in options.split(","))
        (tmp_path / "call-s.glsl").write_text(with_values(shader, **values) if shader and old else shader)
        size = enlarged(luma, scale).shape
        (tmp_path / "mpv.conf").write_text(SETTINGS.format(size=size))
        (tmp_path / "scripts").mkdir(exist_ok=True)
        (tmp_path / "scripts/screenshot.lua").write_text(SCREENSHOT)
        shot = tmp_path / "window.png"
        shot.unlink(missing_ok=True)
        done = subprocess.run(
            COMMAND.replace(PRINTED, options).split(),
            cwd=tmp_path,
            env=os.environ | {"DISPLAY": screen, "MPV_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert shot.exists(), f"mpv ended with {done.returncode}: {done.stdout}{done.stderr}"
        window = cv2.imread(str(shot), cv2.IMREAD_UNCHANGED)[..., :3] / 65535
        return given, window @ BGR

    return played


def test_the_command_as_it_is_printed(play: Callable) -> None:
    source = checkpoints.find("call-s")
    given, shown = play(shaders.text(source, ".glsl"), poor(67, 101), options=PRINTED)
    answer = reference(source)(given)
    expected = 0.2 * given + 0.8 * clamped(given, answer, 1)
    assert PRINTED == "strength=0.8,clamped=1"
    assert difference(shown, expected) < 1 < 5 < min(difference(expected, other) for other in (given, answer))


@pytest.mark.parametrize(
    ("bits", "full", "size"),
    [(8, False, (130, 44)), (8, True, (67, 101)), (10, False, (67, 101)), (10, True, (130, 44))],
)
def test_every_depth_and_range(bits: int, full: bool, size: tuple[int, int], play: Callable) -> None:
    source = checkpoints.find("call-s")
    shader = shaders.text(source, ".glsl")
    given, shown = play(shader, poor(*size), bits=bits, full=full, options=f"full_range={int(full)}")
    assert difference(shown, reference(source)(given)) < 1 < 5 < difference(shown, given)


def test_what_enlarges(play: Callable) -> None:
    source = checkpoints.find("call-x1.5")
    shader = shaders.text(source, ".glsl")
    given, shown = play(shader, poor(67, 101), scale=1.5)
    expected = reference(source)(given)
    assert difference(shown, expected) < 1 < 5 < difference(expected, enlarged(given, 1.5))
    _, alone = play(shader, given)  # in a window of the video's size
    assert difference(alone, given) < 0.1


def test_a_good_frame_is_left_alone_unless_told(play: Callable) -> None:
    source = checkpoints.find("call-s")
    shader, sharp = shaders.text(source, ".glsl"), np.random.default_rng(0).random((64, 90))
    given, shown = play(shader, sharp)
    assert difference(shown, given) < 0.5
    given, shown = play(shader, sharp, options="restraint=0")
    assert difference(shown, reference(source, restrained=False)(given)) < 1 < 2 < difference(shown, given)


def test_without_a_shader_the_window_shows_the_frame(play: Callable) -> None:
    """What the others measure is exact."""
    for bits, full in ((8, False), (8, True), (10, False), (10, True)):
        given, shown = play("", poor(67, 101), bits=bits, full=full)
        assert difference(shown, given) < 0.1
