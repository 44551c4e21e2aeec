"""Calls in real codecs: H.264, VP8, VP9 and AV1 at the rates of poor calls, and what a receiver can make of them.

    python -m benchmarks.calls [--quick] [--official] [--json FILE] [--figure FILE]

Clips of people come from KDSHARP_ASSETS; pans over the embedded photographs and scrolling text are made here.
Everything is measured on the luma of the full picture, against the clip as it was before it was sent.
"""

import argparse
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import matplotlib.pyplot as plt
import numpy as np
from tqdm.auto import tqdm

from benchmarks import fsr, scenes
from kdsharp import data, evaluate
from kdsharp.apps.video import pyav
from kdsharp.apps.video.channel import CODECS, through
from kdsharp.deploy import load_student
from kdsharp.disk import files
from kdsharp.evaluate import rulers
from kdsharp.speed import hardware
from kdsharp.teacher import load_teacher

RATE = 25
# Shrunk by so much: kilobits a second, where the full picture is 960x540.
SENT = {3: (80, 200), 2: (150, 400), 1.5: (250, 600)}
FULL = 960 * 540
WARM = 24  # frames, until an encoder has found its rate
SHOWN = 6  # frames in a row that are measured
EYE_SIDE = 384
SAME_SIZE = ("call-xs", "call-s", "call-m", "call-s-perceptual")
FROM_SMALL = ("call-x1.5", "call-x3")
OFFICIAL = ("realesr-general-x4v3", "realesr-animevideov3")  # a second a frame: for H.264 shrunk by 2 only
MEANS = ("gain_db", "gain_ssim", "jod", "flicker")
EYES = 2  # JOD takes a second and a half a method: of calls that are shrunk by this


@dataclass(frozen=True)
class Call:
    """What arrived: frames as they were and small ones as decoded, `uint8` RGB, and kilobits a second."""

    originals: list[np.ndarray]
    small: list[np.ndarray]
    kbps: float

    def enlarged(self, way: int) -> list[np.ndarray]:
        size = self.originals[0].shape[1::-1]
        return [cv2.resize(frame, size, interpolation=way) for frame in self.small]


def clips(quick: bool) -> Iterator[tuple[str, str, list[np.ndarray]]]:
    """(kind, name, frames) with sides that are multiples of 12, so that every factor gives even ones."""
    count = WARM + SHOWN
    if assets := files.assets_dir():
        for path in sorted((assets / "clips").iterdir())[: 1 if quick else None]:
            yield "people", path.stem, list(_film(path, count))
    photos = data.embedded_photos("val")
    for path in photos[: 1 if quick else None]:
        yield "pans", f"pan over {path.stem}", list(_pan(data.read_image(path), count))
    for number in range(1 if quick else 2):
        page = np.vstack([scenes.draw("text", number), scenes.draw("text", number + 2)])
        page = cv2.resize(page, (960, 1080), interpolation=cv2.INTER_AREA)
        yield "text", f"text {number}", [page[4 * at : 4 * at + 540] for at in range(count)]


def _film(path: Path, count: int) -> Iterator[np.ndarray]:
    with pyav().open(str(path)) as given:
        for number, frame in enumerate(given.decode(video=0)):
            if number == count:
                return
            yield data.crop_to_multiple(frame.to_ndarray(format="rgb24"), 12)


def _pan(photo: np.ndarray, count: int) -> Iterator[np.ndarray]:
    large = cv2.resize(photo, (1200, 1200), interpolation=cv2.INTER_CUBIC)
    for number in range(count):
        yield large[200 + number : 740 + number, 3 * number : 3 * number + 960]


def send(frames: list[np.ndarray], codec: str, shrink: float, kbps: int) -> Call:
    """A clip through a call; the first `WARM` frames are sent and not kept."""
    size = tuple(round(side / shrink) // 2 * 2 for side in frames[0].shape[1::-1])
    arrived = list(through(frames, size, kbps, RATE, codec))
    reached = sum(one.size for one in arrived) * 8 * RATE / len(arrived) / 1000
    return Call(frames[WARM:], [one.small for one in arrived[WARM:]], reached)


Method = Callable[[Call, float], list[np.ndarray] | None]


def methods(official: bool) -> dict[str, Method]:
    """By name: what makes the full frames of a call, or None where it does not fit the call's factor."""

    def sharpened(call: Call, _shrink: float, student: Any, way: int = cv2.INTER_LINEAR) -> list[np.ndarray]:
        return [student(frame) for frame in call.enlarged(way)]

    def from_small(call: Call, shrink: float, student: Any) -> list[np.ndarray] | None:
        return [student(frame) for frame in call.small] if student.scale == shrink else None

    def by_network(call: Call, _shrink: float, guide: Any) -> list[np.ndarray]:
        size = call.originals[0].shape[1::-1]
        return [
            cv2.resize(guide.on_picture(frame), size, interpolation=cv2.INTER_AREA) for frame in call.small
        ]

    def masked(call: Call, _shrink: float) -> list[np.ndarray]:
        """By the mask that suits this very call best: a bound for any setting."""
        received = call.enlarged(cv2.INTER_CUBIC)
        (radius, amount), _ = evaluate.best_unsharp(list(zip(call.originals, received, strict=True)))
        return [evaluate.unsharp(frame, radius, amount) for frame in received]

    found: dict[str, Method] = {
        "bilinear": lambda call, _: call.enlarged(cv2.INTER_LINEAR),
        "bicubic": lambda call, _: call.enlarged(cv2.INTER_CUBIC),
        "Lanczos": lambda call, _: call.enlarged(cv2.INTER_LANCZOS4),
        "bicubic, best unsharp mask": masked,
        "EASU": lambda call, _: [
            fsr.enlarged(frame, call.originals[0].shape[:2], None) for frame in call.small
        ],
        "EASU + RCAS": lambda call, _: [
            fsr.enlarged(frame, call.originals[0].shape[:2]) for frame in call.small
        ],
    }
    students = {name: load_student(name, engine="onnx") for name in (*SAME_SIZE, *FROM_SMALL)}
    found |= {name: partial(sharpened, student=students[name]) for name in SAME_SIZE}
    for name, way in (("bicubic", cv2.INTER_CUBIC), ("Lanczos", cv2.INTER_LANCZOS4)):
        found[f"call-s on {name}"] = partial(sharpened, student=students["call-s"], way=way)
    found |= {name: partial(from_small, student=students[name]) for name in FROM_SMALL}
    if official:
        found |= {name: partial(by_network, guide=load_teacher(name)) for name in OFFICIAL}
    return found


def fits(method: str, codec: str, shrink: float) -> bool:
    return method not in OFFICIAL or (codec, shrink) == ("H.264", 2)


def measure(quick: bool, official: bool) -> list[dict]:
    """A row for each clip, codec, factor, rate and method: PSNR-Y, SSIM-Y, JOD, flicker, gains over bilinear."""
    ways, rows = methods(official), []
    for (kind, name, frames), codec, shrink in tqdm(list(product(clips(quick), CODECS, SENT)), unit="call"):
        for asked in SENT[shrink][: 1 if quick else None]:
            kbps = max(20, round(asked * frames[0].shape[0] * frames[0].shape[1] / FULL))
            call = send(frames, codec, shrink, kbps)
            about = {
                "kind": kind,
                "clip": name,
                "codec": codec,
                "shrink": shrink,
                "kbps": kbps,
                "reached": round(call.kbps, 1),
            }
            start = None
            for method, way in ways.items():
                if not fits(method, codec, shrink) or (shown := way(call, shrink)) is None:
                    continue
                row = about | {"method": method} | _scores(shown, call.originals, seen=shrink == EYES)
                start = start or row
                rows.append(
                    row
                    | {
                        "gain_db": round(row["psnr_y"] - start["psnr_y"], 4),
                        "gain_ssim": round(row["ssim_y"] - start["ssim_y"], 4),
                    }
                )
    return rows


def _scores(shown: list[np.ndarray], originals: list[np.ndarray], seen: bool) -> dict[str, float]:
    found = {
        "psnr_y": float(np.mean([evaluate.psnr(*pair) for pair in zip(shown, originals, strict=True)])),
        "ssim_y": float(np.mean([evaluate.ssim(*pair) for pair in zip(shown, originals, strict=True)])),
        "flicker": rulers.flicker(shown, originals),
    }
    if seen and evaluate.perception_at_hand():
        middles = [[data.centre(frame, EYE_SIDE) for frame in film] for film in (shown, originals)]
        found["jod"] = evaluate.jod_of_video(*middles, RATE)
    return {name: round(value, 4) for name, value in found.items()}


def summary(rows: list[dict]) -> list[dict]:
    """Means by method: over all calls that it fits, then the gain by codec and by kind of clip."""
    groups = [("codec", codec) for codec in CODECS] + [
        ("kind", kind) for kind in dict.fromkeys(row["kind"] for row in rows)
    ]
    table = []
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        line = {"method": method, "calls": len(own)}
        line |= {key: _mean(own, key) for key in MEANS}
        table.append(
            line | {name: _mean([row for row in own if row[key] == name], "gain_db") for key, name in groups}
        )
    return table


def _mean(rows: Iterable[dict], key: str) -> float | None:
    values = [row[key] for row in rows if key in row]
    return float(np.mean(values)) if values else None


def draw(table: list[dict], path: Path) -> None:
    """The gain of every method, a dot for each codec and a line for the mean."""
    figure, axes = plt.subplots(figsize=(7, 0.36 * len(table) + 1.2), layout="constrained")
    for place, line in enumerate(table):
        axes.plot([0, line["gain_db"]], [place, place], color="0.6", linewidth=3, solid_capstyle="butt")
        axes.text(
            1.02,
            place,
            f"{line['gain_db']:+.2f}",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=8,
        )
    for codec, marker in zip(CODECS, "os^D", strict=True):
        gains = [line[codec] for line in table]
        axes.plot(gains, range(len(table)), marker, markersize=5, label=codec)
    axes.set_yticks(range(len(table)), [line["method"] for line in table])
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel("gain over bilinear enlargement, dB PSNR-Y")
    axes.legend(loc="upper left", fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


COLUMNS = {
    "method": "{method}",
    "calls": "{calls}",
    "dB": "{gain_db:+.2f}",
    "SSIM": "{gain_ssim:+.4f}",
    "JOD": "{jod:.2f}",
    "flicker": "{flicker:.2f}",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one clip of each kind and the poorer rate")
    parser.add_argument(
        "--official", action="store_true", help="also Real-ESRGAN's networks, a second a frame"
    )
    parser.add_argument("--json", type=Path, help="also write rows and means there")
    parser.add_argument("--figure", type=Path, help="also draw the means there")
    chosen = parser.parse_args()
    os.environ.setdefault("SVT_LOG", "1")  # errors only
    rows = measure(chosen.quick, chosen.official)
    table = summary(rows)
    groups = [key for key in table[0] if key not in ("method", "calls", *MEANS)]
    # `str.format` takes what follows a dot for an attribute.
    shown = [{key.replace(".", ""): value for key, value in line.items()} for line in table]
    print(", ".join(f"{key} {value}" for key, value in hardware().items()))
    print(
        evaluate.text_table(shown, COLUMNS | {name: f"{{{name.replace('.', '')}:+.2f}}" for name in groups})
    )
    if chosen.json:
        files.write_json(chosen.json, {"hardware": hardware(), "means": table, "rows": rows})
    if chosen.figure:
        draw(table, chosen.figure)


if __name__ == "__main__":
    main()
