"""The rows of a measurement as text, under what they were measured on."""

import os
import platform

import onnxruntime
import torch

from kdsharp import evaluate
from kdsharp.speed.roofline import has_known_work, raised

COLUMNS = {name: f"{{{name}}}" for name in ("network", "engine", "device", "what")} | {
    "ms": "{ms:.1f}",
    "p95": "{p95_ms:.1f}",
    "fps": "{fps:.1f}",
    "G": "{multiply_adds:.1f}",
    "share": "{share}",
}


def hardware() -> dict[str, str | int]:
    """What the figures were measured on: processor, cores, threads, versions, and the GPU where there is one."""
    facts: dict[str, str | int] = {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
    return facts | ({"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {})


def format_table(rows: list[dict], ceilings: dict[str, float] | None = None) -> str:
    """Rows as aligned text under lines that name the output's size, the hardware and its ceilings.

    `share` is n/a where the processor has no ceiling in the engine's precision.
    """
    outputs = ", ".join(sorted({row["output"] for row in rows})) or "(no rows)"
    facts = ", ".join(f"{key} {value}" for key, value in hardware().items())
    lines = [f"output {outputs}, one frame at a time, warm, medians; {facts}"]
    if ceilings:
        peaks = raised(ceilings, rows)
        products = ", ".join(f"{name} {value:.0f}" for name, value in peaks.items() if name != "copy")
        lines.append(f"ceilings: {products} G multiply-adds/s; copy {ceilings['copy']:.0f} GB/s")
    shown = [row | {"share": _share(row, ceilings)} for row in rows]
    return "\n".join([*lines, evaluate.text_table(shown, COLUMNS, texts=4)])


def _share(row: dict, ceilings: dict[str, float] | None) -> str:
    if row["share"] is not None:
        return f"{row['share']:.0%}"
    return "n/a" if ceilings and has_known_work(row) else ""


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as handle:
            return next(line.split(":")[1].strip() for line in handle if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
