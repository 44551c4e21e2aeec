"""Memory, and time spent waiting for data, over the whole `full` path with 800 photographs of 2K size.

    python -m benchmarks.memory FOLDER [--photos 800] [--teacher NAME] [--steps 300] [--set NAME=VALUE] [--json FILE]

Draws the photographs into FOLDER (5 GB), then runs `kdsharp train video-call --profile full` on them in a process of
its own: every photograph checked and decoded, 24 crops of each through the teacher into the store (6 GB), training
with the flagship's settings. Linux only: memory is what /proc says of the process ten times a second. Mapped pages of
the store are counted apart: the system takes them back whenever it needs room.
"""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm.auto import tqdm

from kdsharp import data, speed
from kdsharp.disk import files

SIZE = (1356, 2040)  # the usual one in DIV2K


def draw_photos(folder: Path, count: int) -> None:
    """Pictures with detail at every scale (noise whose strength falls with its frequency); those there already stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in tqdm(range(count), desc="photographs"):
        path = folder / f"{number:04d}.png"
        if not path.exists():
            random = np.random.default_rng(number)
            image = np.full((*SIZE, 3), 128, np.float32)
            for octave in range(8):
                noise = random.normal(0, 16, (SIZE[0] >> octave, SIZE[1] >> octave, 3)).astype(np.float32)
                image += (
                    cv2.resize(noise, SIZE[::-1], interpolation=cv2.INTER_CUBIC) * 0.4 * (octave + 1) ** 0.5
                )
            data.write_image(path, image.clip(0, 255).astype(np.uint8))


def watch(command: Sequence[str], log: Path) -> dict[str, float]:
    """Run a command, its words in `log`; the peaks of its memory in bytes, and how long it took in s."""
    peaks, began = {"own": 0, "with_mapped_pages": 0}, time.monotonic()
    with log.open("w") as words, subprocess.Popen(command, stdout=words, stderr=words) as process:
        while process.poll() is None:
            try:
                status = Path(f"/proc/{process.pid}/status").read_text()
            except FileNotFoundError:
                break
            found = {name: 1024 * int(value) for name, value in re.findall(r"(\w+):\s+(\d+) kB", status)}
            peaks["own"] = max(peaks["own"], found.get("RssAnon", 0) + found.get("RssShmem", 0))
            peaks["with_mapped_pages"] = max(peaks["with_mapped_pages"], found.get("VmRSS", 0))
            time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: see {log}.")
    return peaks | {"seconds": round(time.monotonic() - began)}


def main() -> None:
    """Draw, run, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=800)
    parser.add_argument("--teacher", default="teacher-x4", help="default: %(default)s, which any machine has")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE")
    parser.add_argument("--json", type=Path, help="also add the numbers to this file")
    chosen = parser.parse_args()
    photos = chosen.folder / f"photos-{chosen.photos}"
    draw_photos(photos, chosen.photos)
    settings = [f"training.steps={chosen.steps}", *chosen.set]
    log = chosen.folder / "log.txt"
    run = chosen.folder / time.strftime("run-%Y%m%d-%H%M%S")
    command = [sys.executable, "-m", "kdsharp", "train", "video-call", "--teacher", chosen.teacher]
    command += ["--photos", str(photos), "--folder", str(run), "--device", chosen.device, "--set", *settings]
    row: dict = {"photos": chosen.photos, "teacher": chosen.teacher, "settings": settings} | watch(
        command, log
    )
    store = sum(path.stat().st_size for path in (run / "targets").glob("*.u8"))
    row |= {"store": store, "device": chosen.device}
    row["waited_percent"] = float(re.findall(r"waited for data ([\d.]+)", log.read_text())[-1])
    hardware = speed.hardware()
    print(", ".join(f"{name} {value}" for name, value in hardware.items()))
    print(
        f"{row['photos']} photographs, a store of {store / 1e9:.2f} GB, {chosen.steps} steps, {row['seconds']} s: "
        f"at most {row['own'] / 1e9:.2f} GB, with mapped pages {row['with_mapped_pages'] / 1e9:.2f} GB; "
        f"training waited for data {row['waited_percent']:.1f} % of the time"
    )
    if chosen.json:
        known = files.read_json(chosen.json) if chosen.json.exists() else {}
        files.write_json(chosen.json, known | {"memory": [*known.get("memory", []), row]})


if __name__ == "__main__":
    main()
