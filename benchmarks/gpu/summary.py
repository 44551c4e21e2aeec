"""All that a half-hour has brought, in one JSON file and one page."""

import importlib.metadata
from typing import Any

import torch

from benchmarks.gpu.figures import FIGURES
from benchmarks.gpu.places import Places, known
from kdsharp import speed
from kdsharp.disk import files

PACKAGES = (
    *("torch", "torchvision", "triton", "numpy", "opencv-python", "opencv-python-headless", "pillow"),
    *("onnx", "onnxruntime", "onnxruntime-gpu", "tensorrt", "spandrel"),
)
TRAINED = ("network", "steps", "steps_per_second", "seconds", "val_psnr")


def write(places: Places) -> str:
    """Write `gpu.json` and `gpu.md` of what there is by now; returns the page."""
    networks = [_trained(path.stem, known(path.with_suffix(".json"))) for path in places.networks()]
    figures = {name: known(places.figure(name)) for name in FIGURES if places.figure(name).exists()}
    files.write_json(
        places.out / "gpu.json", {"hardware": hardware(), "networks": networks, "figures": figures}
    )
    facts = ", ".join(f"{name} {value}" for name, value in hardware().items())
    parts = ["# Half an hour of a GPU", facts, "## networks", table(networks, TRAINED)]
    for name, figure in figures.items():
        jobs = figure.get("jobs", {})
        rows = [row for result in jobs.values() if isinstance(result, list) for row in result]
        columns = [key for row in rows for key, value in row.items() if value is not None]
        parts += [f"## {name}", table(rows, tuple(dict.fromkeys(columns))), _reasons(jobs)]
    page = "\n\n".join(part for part in parts if part) + "\n"
    with files.atomic_write(places.out / "gpu.md") as handle:
        handle.write(page.encode())
    return page


def hardware() -> dict[str, Any]:
    """What it ran on, and the versions of all that counts."""
    found: dict[str, Any] = dict(speed.hardware())
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    if torch.cuda.is_available():
        about = torch.cuda.get_device_properties(0)
        found |= {
            "gpu_memory_gb": round(about.total_memory / 1e9, 1),
            "multiprocessors": about.multi_processor_count,
        }
        found |= {"capability": f"{about.major}.{about.minor}", "cuda": torch.version.cuda}
        found |= {"cudnn": torch.backends.cudnn.version()}
    return found


def table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> str:
    """Rows as a table of Markdown; nothing where there is none."""
    if not rows:
        return ""
    lines = [columns, ["---"] * len(columns), *([_cell(row.get(key)) for key in columns] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _trained(name: str, about: dict[str, Any]) -> dict[str, Any]:
    last = about.get("history", [{}])[-1]
    return {"network": name} | about | {"val_psnr": last.get("val_psnr")}


def _reasons(jobs: dict[str, Any]) -> str:
    """Why some jobs gave no rows; those with one and the same reason share a line."""
    by_reason: dict[str, list[str]] = {}
    for job, result in jobs.items():
        if not isinstance(result, list):
            by_reason.setdefault(result, []).append(job)
    return "\n".join(
        f"* {names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}: {why}"
        for why, names in by_reason.items()
    )


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) and abs(value) < 1000 else str(value)
