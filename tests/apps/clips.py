"""Clips for the tests of videos and calls: drawn, written, and read again."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdsharp import data

av = pytest.importorskip("av")

from kdsharp.apps.video import frames as video_frames  # noqa: E402 (it is of use with PyAV only)

COUNT = 8


class Nothing:
    """A student that leaves everything alone, of any bits and at once."""

    scale = 1

    def luma(self, plane: np.ndarray) -> np.ndarray:
        return plane

    deep_luma = luma

    def remembering(self) -> "Nothing":
        return self


def moving(width: int, height: int, pixels: str = "yuv420p", count: int = COUNT) -> list:
    """Frames of a slanted ramp that moves, at 25 a second."""
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    ramps = [((across + 2 * down + 5 * number) % 200 + 20).astype(np.uint8) for number in range(count)]
    pictures = [np.dstack([ramp, 255 - ramp, np.full_like(ramp, 90)]) for ramp in ramps]
    return [framed(picture, number, format=pixels) for number, picture in enumerate(pictures)]


def panned(width: int, height: int, count: int, step: tuple[int, int] = (1, 0)) -> list[np.ndarray]:
    """Pictures of a camera that moves over a photograph, by `step` (down, right) pixels."""
    photo = data.read_image(data.embedded_photos("val")[0])
    corners = [(step[0] * number, 60 + step[1] * number) for number in range(count)]
    return [np.ascontiguousarray(photo[top : top + height, left : left + width]) for top, left in corners]


def framed(picture: np.ndarray, tick: int, unit: Fraction = Fraction(1, 25), **wanted: Any) -> Any:
    """An RGB picture as a frame that is shown at `tick`, of the format and colours that are wanted."""
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    if wanted.get("format", "rgb24") != "rgb24":
        frame = frame.reformat(**wanted)
    frame.pts, frame.time_base = tick, unit
    return frame


def write(
    path: Path,
    frames: list | None = None,
    codec: str = "libx264",
    options: dict | None = None,
    before: Callable[[Any, Any], list] | None = None,
    sound: str = "",
    flags: int = 0,
) -> Path:
    """A clip; `before(container, stream)` adds what else it holds, and returns its packets."""
    frames = frames or moving(96, 64)
    with av.open(str(path), "w") as made:
        stream = made.add_stream(codec, rate=25, options={"crf": "10"} | (options or {}))
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, frames[0].format.name
        stream.codec_context.time_base = frames[0].time_base
        stream.codec_context.flags |= flags
        heard = made.add_stream(sound, rate=48000) if sound else None
        held = before(made, stream) if before else []
        coded = [packet for frame in [*frames, None] for packet in stream.encode(frame)]
        for packet in [*coded, *held, *(tone(heard, len(frames) / 25) if heard else ())]:
            made.mux(packet)
    return path


def tone(stream: Any, seconds: float) -> Iterator[Any]:
    """The packets of a tone."""
    for number in range(int(48 * seconds * 1000 / 1024) + 1):
        wave = np.sin((np.arange(1024) + 1024 * number) / 9).astype(np.float32)
        block = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        block.sample_rate, block.pts = 48000, 1024 * number
        yield from stream.encode(block)
    yield from stream.encode(None)


def decoded(path: Path) -> list:
    with av.open(str(path)) as opened:
        return list(opened.decode(opened.streams.video[0]))


def luma(frame: Any) -> np.ndarray:
    """A frame's first plane, (H, W), which can be written."""
    return video_frames.plane(frame.planes[0], frame.format.components[0].bits)
