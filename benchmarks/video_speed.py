"""How many 1080p frames a second `kdsharp sharpen` reads, sharpens and writes, and where the time goes.

    python -m benchmarks.video_speed [--clip FILE] [--rounds 3] [--json FILE]

Without a clip, a camera that moves over an embedded photograph for ten seconds, with a tone as its sound. The commands
are timed whole, the start of Python included; decoding alone, and decoding and encoding without a network, show what
the codecs take.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kdsharp import data, evaluate, speed
from kdsharp.apps import video
from kdsharp.deploy import sharpen
from kdsharp.disk import files

STUDENT, FASTEST = "call-s", "call-xs"
SECONDS, RATE, SOUND_RATE = 10, 30, 48_000


def make_clip(path: Path) -> None:
    """Received 1080p frames of a call (drawn at 960x540 and enlarged), with sound, as H.264 and AAC."""
    av = video.pyav()
    photo = data.read_image(data.embedded_photos("val")[0])
    large = cv2.resize(photo, (1600, 1600), interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as made:
        pictures = made.add_stream("libx264", rate=RATE, options={"crf": "18", "preset": "veryfast"})
        pictures.width, pictures.height, pictures.pix_fmt = 1920, 1080, "yuv420p"
        sound = made.add_stream("aac", rate=SOUND_RATE, layout="mono")
        for number in range(SECONDS * RATE):
            small = large[number : number + 540, 2 * number : 2 * number + 960]
            frame = av.VideoFrame.from_ndarray(cv2.resize(small, (1920, 1080)), format="rgb24")
            made.mux(pictures.encode(frame))
        made.mux(pictures.encode(None))
        for packet in _tone(av, sound):
            made.mux(packet)


def _tone(av: Any, sound: Any) -> Iterator[Any]:
    times = np.arange(SECONDS * SOUND_RATE) / SOUND_RATE
    wave = (0.1 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)
    for start in range(0, len(wave), 1024):
        frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, start, Fraction(1, SOUND_RATE)
        yield from sound.encode(frame)
    yield from sound.encode(None)


def facts(path: Path) -> dict[str, Any]:
    """Frames, seconds and the sound's packets of a clip: what has to be the same before and after."""
    with video.pyav().open(str(path)) as opened:
        picture = opened.streams.video[0]
        packets = [packet for packet in opened.demux() if packet.dts is not None]
        return {
            "size": f"{picture.width}x{picture.height}",
            "frames": sum(packet.stream.type == "video" for packet in packets),
            "seconds": round(float(opened.duration or 0) / 1e6, 2),
            "sound": hash(b"".join(bytes(packet) for packet in packets if packet.stream.type == "audio")),
        }


def decode(clip: Path) -> None:
    with video.pyav().open(str(clip)) as opened:
        opened.streams.video[0].thread_type = "AUTO"
        for _ in opened.decode(video=0):
            pass


def recode(clip: Path, made: Path) -> None:
    """What `sharpen_video` does, around a network that does nothing."""
    video.sharpen_video(clip, made, Nothing(), force=True)


class Nothing:
    """A student of scale 1 that gives back what it gets."""

    scale = 1

    def remembering(self) -> "Nothing":
        return self

    def luma(self, plane: np.ndarray) -> np.ndarray:
        return plane


def command(clip: Path, made: Path, student: str, engine: str) -> str:
    """`kdsharp sharpen` as a user runs it; what it says."""
    call = [sys.executable, "-m", "kdsharp", "sharpen", str(clip), str(made), "--student", student]
    done = subprocess.run([*call, "--engine", engine, "--force"], capture_output=True, text=True, check=True)
    return done.stdout


def measure(clip: Path, scratch: Path, rounds: int) -> list[dict[str, Any]]:
    """Rows of the table; the ways take turns, and medians count. Raises ValueError if a frame or the sound is lost."""
    made, before = scratch / "made.mp4", facts(clip)
    ways: dict[str, Callable[[], Any]] = {
        "decode": lambda: decode(clip),
        "decode and encode": lambda: recode(clip, made),
    }
    engines = sharpen.engines_at_hand()[1:]  # PyTorch's own takes four times as long
    for student, engine in [(STUDENT, engine) for engine in engines] + [(FASTEST, engines[-1])]:
        ways[f"kdsharp sharpen, {student}, {engine}"] = partial(command, clip, made, student, engine)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    inside: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            said = way()
            taken[name].append(time.perf_counter() - began)
            if said:
                inside[name].append(float(re.search(r"([\d.]+) a second", said)[1]))
                if (after := facts(made)) != before:
                    raise ValueError(f"{name} made {after} of {before}")
    return [
        {
            "way": name,
            "frames": before["frames"],
            "fps": before["frames"] / float(np.median(values)),
            "fps_without_start": float(np.median(inside[name])) if inside[name] else None,
        }
        for name, values in taken.items()
    ]


def format_table(rows: list[dict[str, Any]], clip: dict[str, Any]) -> str:
    known = ", ".join(f"{key} {value}" for key, value in speed.hardware().items())
    about = f"{clip['size']}, {clip['frames']} frames, {clip['seconds']:g} s, sound copied, medians; {known}"
    columns = {"": "{way}", "frames/s": "{fps:.1f}", "without start": "{fps_without_start:.1f}"}
    return f"{about}\n{evaluate.text_table(rows, columns)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clip", type=Path, help="one of your own")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--json", type=Path, help="also write the rows there")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        clip = chosen.clip or Path(scratch) / "clip.mp4"
        if chosen.clip is None:
            make_clip(clip)
        rows, known = measure(clip, Path(scratch), chosen.rounds), facts(clip)
    print(format_table(rows, known))
    if chosen.json:
        known.pop("sound")
        files.write_json(chosen.json, {"hardware": speed.hardware(), "clip": known, "rows": rows})


if __name__ == "__main__":
    main()
