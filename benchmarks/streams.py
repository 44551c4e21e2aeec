"""What a stream saves by computing only what changed: calls that were coded, decoded and enlarged to 1080p.

    python -m benchmarks.streams [--student call-s] [--frames 120] [--json FILE]

Every frame is sharpened by itself and as part of its stream, in turns, and both must be equal to the bit.
"""

import argparse
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from benchmarks import scenes
from kdsharp import data, evaluate
from kdsharp.apps.video import channel, pyav
from kdsharp.deploy import sharpen
from kdsharp.disk import files
from kdsharp.errors import KdsharpError
from kdsharp.speed import hardware

SIZE = (1920, 1080)
COLUMNS = {
    "clip": "{clip}",
    "kbps": "{kbps}",
    "computed": "{computed:.0%}",
    "whole ms": "{whole_ms:.1f}",
    "stream ms": "{stream_ms:.1f}",
    "times as fast": "{ratio:.2f}",
    "with its start": "{ratio_of_sums:.2f}",
}


def clips(count: int) -> Iterator[tuple[str, Iterable[np.ndarray], tuple[int, int], int]]:
    """(name, `uint8` RGB frames, size of the call, kilobits a second); people where the extra files are."""
    if assets := files.assets_dir():
        for name, file in (
            ("a talking head", "akiyo-352x288.mp4"),
            ("a person at a desk", "office-book-640x480.mkv"),
        ):
            yield name, _film(assets / "clips" / file, count), (640, 360), 150
    yield "slides", (scenes.draw("text", number // 40) for number in range(count)), (1280, 720), 500
    yield "typing", _typing(count), (1280, 720), 500
    yield "a pan", _pan(count), (640, 360), 300


def _film(path: Path, count: int) -> Iterator[np.ndarray]:
    """The middle 16:9 of a film."""
    with pyav().open(str(path)) as given:
        for number, frame in enumerate(given.decode(video=0)):
            if number == count:
                return
            picture = frame.to_ndarray(format="rgb24")
            height = picture.shape[1] * 9 // 16
            top = (len(picture) - height) // 2
            yield picture[top : top + height]


def _typing(count: int) -> Iterator[np.ndarray]:
    page = np.full((SIZE[1], SIZE[0], 3), 250, np.uint8)
    page[:540] = scenes.draw("text", 0)[:540]
    for number in range(count):
        place = (100 + 24 * (number % 70), 640 + 60 * (number // 70))
        cv2.putText(
            page, "abcdefgh"[number % 8], place, cv2.FONT_HERSHEY_DUPLEX, 1.2, (30, 32, 38), 2, cv2.LINE_AA
        )
        yield page.copy()


def _pan(count: int) -> Iterator[np.ndarray]:
    photo = cv2.resize(
        data.read_image(data.embedded_photos("val")[0]), (2400, 2400), interpolation=cv2.INTER_CUBIC
    )
    for number in range(count):
        yield photo[400 : 400 + SIZE[1], 3 * number : 3 * number + SIZE[0]]


def received(frames: Iterable[np.ndarray], size: tuple[int, int], kbps: int) -> Iterator[np.ndarray]:
    """Frames as the receiver of a call shows them: shrunk, coded in H.264, decoded, enlarged to 1080p (bilinear)."""
    for _, small, _ in channel.through(frames, size, kbps):
        yield cv2.resize(small, SIZE, interpolation=cv2.INTER_LINEAR)


def measure(name: str, frames: Iterable[np.ndarray], student: sharpen.Sharpener) -> dict:
    """Medians over all frames but the first. Raises KdsharpError where stream and single frame differ."""
    stream, times = student.remembering(), ([], [])
    for number, frame in enumerate(frames):
        answers = []
        for ready, taken in zip((student, stream), times, strict=True):
            began = time.perf_counter()
            answers.append(ready(frame))
            taken.append(1000 * (time.perf_counter() - began))
        if not np.array_equal(*answers):
            raise KdsharpError(f"{name}: frame {number} of the stream is not what it is by itself.")
    whole, part = (taken[1:] for taken in times)
    medians = {"whole_ms": median(whole), "stream_ms": median(part), "ratio": median(whole) / median(part)}
    memory = getattr(stream.run, "_memory", None)
    return medians | {"ratio_of_sums": sum(whole) / sum(part), "computed": memory.share if memory else 1.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--student", default="call-s", help="default: %(default)s")
    parser.add_argument("--frames", type=int, default=120, help="of each clip (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the rows there")
    chosen = parser.parse_args()
    student = sharpen.load_student(chosen.student, "cpu", sharpen.best_engine("cpu", many_of_one_size=True))
    student(np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
    rows = []
    for name, frames, size, kbps in clips(chosen.frames):
        found = measure(name, received(frames, size, kbps), student)
        rows.append({"clip": name, "sent": f"{size[0]}x{size[1]}", "kbps": kbps} | found)
    facts = hardware() | {"student": chosen.student, "engine": student.engine, "frames": chosen.frames}
    print(", ".join(f"{key} {value}" for key, value in facts.items()))
    print(evaluate.text_table(rows, COLUMNS))
    if chosen.json:
        files.write_json(chosen.json, {"facts": facts, "rows": rows})


if __name__ == "__main__":
    main()
