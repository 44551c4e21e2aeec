"""Where the milliseconds of a 1080p frame go: the steps of its way through a student, and what widths the kernels like.

    python -m benchmarks.frame_path [--students call-xs call-s] [--widths] [--json FILE]

`ONEDNN_MAX_CPU_ISA=AVX2` before it imitates a processor without AVX-512 for OpenVINO.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from kdsharp import evaluate, student
from kdsharp.deploy import export, quantise, restraint, sharpen
from kdsharp.deploy.engines import base
from kdsharp.deploy.engines.openvino import OpenVinoInt8
from kdsharp.disk import files
from kdsharp.recipes import Network
from kdsharp.speed import HEIGHT, WIDTH, hardware, multiply_adds
from kdsharp.speed.clock import in_turns

STEPS = ("whole frame", "RGB to luma", "the network", "restraint", "luma back into RGB")
WIDTHS = (
    (2, 8, 4),
    (2, 12, 4),
    (2, 16, 2),
    (2, 16, 3),
    (2, 16, 5),
    (2, 24, 2),
    (3, 24, 3),
    (4, 32, 2),
    (4, 32, 4),
)
REPEATS = 15


def frame() -> np.ndarray:
    """`uint8` RGB with the detail of a poor call."""
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT // 2, WIDTH // 2, 3), np.uint8)
    return cv2.resize(cv2.GaussianBlur(noise, (0, 0), 2), (WIDTH, HEIGHT))


def steps(names: list[str], engines: list[str]) -> list[dict]:
    """Medians of each step, taken in turns, as one frame goes through it."""
    image = frame()
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    jobs: dict[tuple[str, str, str], Callable[[], object]] = {}
    for name in names:
        for engine in engines:
            ready = sharpen.load_student(name, "cpu", engine)
            free, run = ready.run.unrestrained(), ready.run
            sharp = free.uint8(luma[None, None])[0]
            ways = (
                lambda ready=ready: ready(image),
                lambda: cv2.cvtColor(image, cv2.COLOR_RGB2GRAY, dst=base._buffer("luma", luma.shape)),
                lambda free=free: free.uint8(luma[None, None]),
                lambda run=run, sharp=sharp: restraint.passing(
                    luma[None], sharp, run.restraint, run.multiple
                ),
                lambda sharp=sharp: base._with_luma(image, luma, sharp[0]),
            )
            jobs |= {(name, engine, step): way for step, way in zip(STEPS, ways, strict=True)}
    times = in_turns(jobs, REPEATS, warmup=2)
    kinds = dict.fromkeys(key[:2] for key in times)
    return [
        {"network": name, "engine": engine} | {step: median(times[name, engine, step]) for step in STEPS}
        for name, engine in kinds
    ]


def widths() -> list[dict]:
    """Untrained students of luma in 8 bits: milliseconds, and how well the kernels are used."""
    luma = cv2.cvtColor(frame(), cv2.COLOR_RGB2GRAY)
    jobs, work = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for unshuffle, channels, body in WIDTHS:
            options = {
                "scale": 1,
                "unshuffle": unshuffle,
                "channels": channels,
                "body": body,
                "colour": "luma",
            }
            network, path = Network("student", options), Path(folder) / f"{unshuffle}-{channels}-{body}.onnx"
            export.to_onnx(student.build(network), path)
            planes = [np.random.default_rng(0).random((1, 1, 96, 96), np.float32)]
            run = OpenVinoInt8(quantise.to_int8(path, path.with_suffix(".int8.onnx"), planes))
            key = (unshuffle, channels, body)
            jobs[key], work[key] = lambda run=run: run.uint8(luma[None, None]), multiply_adds(network)
        times = in_turns(jobs, REPEATS, warmup=2)
    return [
        {
            **dict(zip(("unshuffle", "channels", "body"), key, strict=True)),
            "multiply_adds": work[key],
            "ms": median(taken),
            "rate": 1000 * work[key] / median(taken),
        }
        for key, taken in times.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--students", nargs="+", default=["call-xs", "call-s", "call-m"])
    engines = [engine for engine in sharpen.engines_at_hand() if engine not in ("torch", "compile")]
    parser.add_argument("--engines", nargs="+", default=engines)
    parser.add_argument(
        "--widths", action="store_true", help="also time untrained students of several widths"
    )
    parser.add_argument("--json", type=Path, help="also write the rows there")
    chosen = parser.parse_args()
    facts = hardware() | {"limit": os.environ.get("ONEDNN_MAX_CPU_ISA", "none")}
    found = {"steps": steps(chosen.students, chosen.engines), "widths": widths() if chosen.widths else []}
    print(", ".join(f"{key} {value}" for key, value in facts.items()))
    columns = {"network": "{network}", "engine": "{engine}"} | {step: f"{{{step}:.1f}}" for step in STEPS}
    print(evaluate.text_table(found["steps"], columns, texts=2))
    if chosen.widths:
        print(evaluate.text_table(found["widths"], WIDTH_COLUMNS))
    if chosen.json:
        files.write_json(chosen.json, {"hardware": facts} | found)


WIDTH_COLUMNS = {
    "unshuffle": "{unshuffle}",
    "channels": "{channels}",
    "body": "{body}",
    "G": "{multiply_adds:.2f}",
    "ms": "{ms:.1f}",
    "G a second": "{rate:.0f}",
}

if __name__ == "__main__":
    main()
