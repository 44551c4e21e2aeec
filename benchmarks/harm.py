"""A map of harm: where a network improves the frames of a call, and where it makes them worse.

    python -m benchmarks.harm [--photos DIR] [--students NAME ...] [--side 512] [--json FILE] [--check -0.05]

A cell of the map is one kind of call: how many times the frame was shrunk, the quality of its JPEG, the filter by which
its receiver enlarged it, and whether it was faintly blurred or noisy before. In it stands what a network gains over the
received frame: PSNR on Y, dB, mean over photographs. Beside the JSON it draws a PNG of the same name.

By default every published network for calls that was trained to be right; `call-ceiling`, which takes an hour, where
it is named. Networks of earlier runs on the same photographs stay in the JSON.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import onnxruntime
import torch
from tqdm.auto import tqdm

import kdsharp
from benchmarks import results
from kdsharp import data, evaluate
from kdsharp.course import figures
from kdsharp.degradation import degrade, enlarge
from kdsharp.deploy.sharpen import Sharpener, load_student
from kdsharp.disk import checkpoints, files
from kdsharp.errors import KdsharpError
from kdsharp.evaluate.tables import text_table
from kdsharp.recipes import Recipe
from kdsharp.recipes.degradations import VideoCall

FACTORS = (1.0, 1.5, 2.0, 3.0, 4.0)  # at 1 nothing is enlarged: there is no receiver
QUALITIES = (30, 50, 70, 90, 100)
RECEIVERS = ("bilinear", "bicubic", "lanczos", "nearest-smooth")
CONDITIONS = {
    "sent as it is": {},
    "faintly blurred before": {"soft": (0.5, 0.5), "soft_share": 1.0},  # sigma in pixels, before it is sent
    "noisy before coding": {"noise": (2.0, 2.0)},  # standard deviation in 1/255, on the small frame
}
WHOLE = 12  # pixels: a side that all factors divide, so that 1.5 is three phases as in a frame of 1080 lines
WORST = 8  # cells of each network in the printed table
Network = Callable[[np.ndarray], np.ndarray]


class Cell(NamedTuple):
    """One kind of call; `receiver` is "none" where nothing is enlarged."""

    factor: float
    jpeg: int
    receiver: str
    condition: str


def frames(hr: np.ndarray, seed: int) -> Iterator[tuple[Cell, np.ndarray]]:
    """What arrives of a picture in every kind of call, `uint8` RGB as `hr`.

    What is decoded is the same for all receivers. Noise follows from `seed`.
    """
    original, size = data.to_tensor(hr), hr.shape[:2]
    for factor, quality, (condition, settings) in product(FACTORS, QUALITIES, CONDITIONS.items()):
        call = VideoCall(
            (factor, factor), ("box",), jpeg=(quality, quality), **{"noise": (0.0, 0.0)} | settings
        )
        small = degrade(original, call, torch.Generator().manual_seed(seed)).small
        for receiver in RECEIVERS if factor > 1 else ("none",):
            received = enlarge(small, size, receiver) if factor > 1 else small
            yield Cell(factor, quality, receiver, condition), data.to_image(received)


def run(photos: list[Path], networks: dict[str, Network], side: int) -> list[dict]:
    """What each network gains in each cell on the middle `side` pixels of photographs; each frame is made once.

    A network takes and gives a `uint8` RGB frame. Rows have the keys network, those of `Cell`, psnr_y (of the received
    frame, dB), gain_db and worst_db (the gain on the photograph where it is least). Raises KdsharpError for no photo.
    """
    if not photos:
        raise KdsharpError("There is no photograph to measure harm on: give a folder of some by --photos.")
    before: dict[Cell, list[float]] = {}
    after: dict[tuple[str, Cell], list[float]] = {}
    for number, path in enumerate(tqdm(photos, desc="harm", unit="photo")):
        hr = data.crop_to_multiple(data.centre(data.read_image(path), side), WHOLE)
        for cell, received in frames(hr, number):
            before.setdefault(cell, []).append(evaluate.psnr(received, hr))
            for name, network in networks.items():
                after.setdefault((name, cell), []).append(evaluate.psnr(network(received), hr))
    return [
        {"network": name, **cell._asdict(), "psnr_y": _rounded(np.mean(before[cell]))}
        | {"gain_db": _rounded(np.mean(gains)), "worst_db": _rounded(np.min(gains))}
        for (name, cell), values in after.items()
        for gains in [np.subtract(values, before[cell])]
    ]


def harmful(rows: list[dict], limit: float) -> list[dict]:
    """The rows whose gain lies below `limit` dB, the worst first."""
    return sorted((row for row in rows if row["gain_db"] < limit), key=lambda row: row["gain_db"])


def verdict(rows: list[dict], limit: float) -> str:
    """One sentence if a network makes frames worse than `limit` dB somewhere; empty if none does."""
    if not (found := harmful(rows, limit)):
        return ""
    worst, names = found[0], list(dict.fromkeys(row["network"] for row in rows))
    counts = {name: sum(row["network"] == name for row in found) for name in names}
    many = ", ".join(f"{name} in {count}" for name, count in counts.items() if count)
    return (
        f"Worse than {limit:g} dB: {many} of {len(rows) // len(names)} kinds of calls, most {worst['network']} by "
        f"{worst['gain_db']:.2f} dB (factor {worst['factor']:g}, JPEG {worst['jpeg']}, receiver {worst['receiver']}, "
        f"{worst['condition']})."
    )


def table(rows: list[dict]) -> str:
    """The worst cells of each network, and the mean over all of its cells."""
    columns = {
        "network": "{network}",
        "factor": "{factor:g}",
        "JPEG": "{jpeg}",
        "receiver": "{receiver}",
        "before": "{condition}",
        "received": "{psnr_y:.2f} dB",
        "gain": "{gain_db:+.2f} dB",
    }
    parts = []
    for name in dict.fromkeys(row["network"] for row in rows):
        own = [row for row in rows if row["network"] == name]
        parts.append(text_table(harmful(own, np.inf)[:WORST], columns))
        worse = len(harmful(own, 0))
        parts.append(
            f"{name}: {np.mean([row['gain_db'] for row in own]):+.2f} dB in the mean of {len(own)} kinds of calls; "
            f"{worse} are made worse, {len(harmful(own, -0.05))} by more than 0.05 dB\n"
        )
    return "\n".join(parts)


def is_fidelity(recipe: Recipe) -> bool:
    """Whether it trains a network to be right: what draws detail loses PSNR, and means to."""
    return recipe.losses.perceptual == recipe.losses.contrast == 0


def callers() -> list[str]:
    """The published networks for calls that were trained to be right, without the ceiling."""
    found = {name: checkpoints.recipe_of(checkpoints.find(name)) for name in checkpoints.students()}
    return [
        name
        for name, recipe in found.items()
        if isinstance(recipe.degradation, VideoCall) and recipe.scale == 1 and is_fidelity(recipe)
    ]


def write(path: Path, rows: list[dict], about: dict) -> list[dict]:
    """Put the rows into the file, in the place of those of the same networks, and draw all; returns all.

    Rows that were measured on other photographs or another part of them go.
    """
    known = files.read_json(path) if path.exists() else {}
    measured = {row["network"] for row in rows}
    if all(known.get(key) == about[key] for key in ("photographs", "side")):
        rows = [row for row in known["rows"] if row["network"] not in measured] + rows
        about = about | {"networks": known["networks"] | about["networks"]}
    files.write_json(path, about | {"rows": rows})
    figures.save(results.harm_figure(rows), path.with_suffix(".png"))
    return rows


def _rounded(value: float) -> float:
    return round(float(value), 4)


def _about(photos: list[Path], networks: dict[str, Sharpener], names: list[str], side: int) -> dict:
    """What the rows follow from."""
    digests = {
        name: checkpoints.digest(checkpoints.find(one)) for name, one in zip(networks, names, strict=True)
    }
    versions = {module.__name__: module.__version__ for module in (kdsharp, torch, onnxruntime, cv2)}
    return {
        "photographs": [path.name for path in photos],
        "side": side,
        "networks": digests,
        "versions": versions,
    }


def _photos(folder: Path | None) -> list[Path]:
    assets = files.assets_dir()
    if folder is None and assets is None:
        raise KdsharpError(
            "The map of harm needs real photographs: name their folder by --photos or KDSHARP_ASSETS."
        )
    return data.list_photos(folder or assets / "photos" / "val")


def main(arguments: list[str] | None = None) -> None:
    """The command of this file's first lines; a KdsharpError, or harm beyond `--check`, ends it with its sentence."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, help="default: photos/val under KDSHARP_ASSETS")
    parser.add_argument("--students", nargs="+", metavar="NAME", help="names or .safetensors files")
    parser.add_argument("--engine", default="onnx", help="default: %(default)s, single precision")
    parser.add_argument(
        "--side", type=int, default=512, help=f"middle pixels, to a multiple of {WHOLE} (default: 512)"
    )
    parser.add_argument("--json", type=Path, default=files.root() / "figures" / "harm.json")
    parser.add_argument("--check", type=float, metavar="DB", help="fail if a network gains less somewhere")
    chosen = parser.parse_args(arguments)
    try:
        photos, names = _photos(chosen.photos), chosen.students or callers()
        networks = {Path(name).stem: load_student(name, "cpu", chosen.engine) for name in names}
        rows = run(photos, networks, chosen.side)
        print(table(rows))
        write(chosen.json, rows, _about(photos, networks, names, chosen.side))
        print(chosen.json.with_suffix(".png"))
        judged = [row for row in rows if is_fidelity(networks[row["network"]].recipe)]
        if chosen.check is not None and (sentence := verdict(judged, chosen.check)):
            raise KdsharpError(sentence)
    except KdsharpError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
