"""What only a GPU can tell: each figure is a list of jobs, and each job's rows are written as they come.

A job that is done is not done again, so a figure that was stopped goes on where it was. What cannot be measured here is
said in one sentence in its place.
"""

import dataclasses
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gpu import networks, plan
from benchmarks.gpu.places import Places, add, known
from kdsharp import deploy, evaluate, recipes, speed
from kdsharp.deploy.engines.gpu import GpuNetwork
from kdsharp.disk import checkpoints
from kdsharp.errors import KdsharpError, first_line
from kdsharp.recipes.recipe import OPTIMIZERS
from kdsharp.student import load_network

log = logging.getLogger(__name__)

Rows = list[dict[str, Any]]
Jobs = Iterator[tuple[str, Callable[[], Rows]]]
ROOT = Path(__file__).resolve().parents[2]  # of the checkout, where the tests are
RATES = ("call-s", "x2-s")  # whose step rates are compared, if they are trained here
RATE_SECONDS = 4.0
FRAME = {
    "cuda": (speed.HEIGHT, speed.WIDTH),
    "cpu": (96, 128),
}  # a processor only shows that the figure can be made
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
LAYOUTS = {"channels last": torch.channels_last, "contiguous": torch.contiguous_format}
MEBIBYTE = 2**20
BEGUN, BROKEN = "It was not finished.", "It brought its process down"


def take(name: str, places: Places, device: str) -> None:
    """Make a figure, or go on with it: `{"jobs": {job: its rows, or why there are none}}` in its file."""
    path = places.figure(name)
    for job, measure in FIGURES[name](places, device):
        jobs = known(path).get("jobs", {})
        if isinstance(jobs.get(job), list) or str(jobs.get(job)).startswith(BROKEN):
            continue
        add(path, jobs=jobs | {job: BEGUN})
        try:
            result: Rows | str = measure()
        except KdsharpError as error:
            result = str(error)
        except (
            Exception
        ) as error:  # drivers, compilers and runtimes each have their own: the other jobs go on
            log.exception("%s, %s", name, job)
            result = f"{type(error).__name__}, {first_line(error)}"
        add(path, jobs=jobs | {job: result})


def broken(places: Places, why: str) -> bool:
    """Note of the job that was begun last that it brought its process down; returns whether there was one."""
    found = False
    for path in map(places.figure, FIGURES):
        for job, result in known(path).get("jobs", {}).items():
            if result == BEGUN:
                add(path, jobs=known(path)["jobs"] | {job: f"{BROKEN} ({why})"})
                found = True
    return found


def ceilings(_places: Places, device: str) -> Jobs:
    """The two ceilings of the roofline model: products by precision, and a copy."""
    yield "roofline", lambda: [{"device": device} | speed.ceilings(device=device)]


def transfers(_places: Places, device: str) -> Jobs:
    """From the processor's memory to the GPU's and back: a frame of 1080p, and 256 MiB; pinned memory and other."""
    sizes = {"frame of 1080p": speed.HEIGHT * speed.WIDTH * 3, "256 MiB": 256 * MEBIBYTE}
    for what, size in sizes.items():
        for pinned in (True, False):
            yield (
                f"{what}, {'pinned' if pinned else 'not pinned'}",
                lambda s=size, p=pinned: _both_ways(s, p, device),
            )


def rates(places: Places, device: str) -> Jobs:
    """Steps a second of training, whole steps with their batches, in each way that a step can be computed."""
    there = [name for name in plan.published() if name in RATES] or plan.published()
    names = [name for name in there if places.network(name).is_file()] or [
        path.stem for path in places.networks()
    ]
    for way in ("eager", "graph", "compile"):
        for name in names:
            for optimizer in OPTIMIZERS if way != "compile" else (recipes.preset(name).training.optimizer,):
                chosen = (name, optimizer, way)
                yield ", ".join(chosen), lambda c=chosen: _rate(*c, places, device)


def inference(places: Places, device: str) -> Jobs:
    """A frame of 1080p through each student by each of a GPU's engines: network alone, and end to end."""
    gpu = device.startswith("cuda")
    for engine in ("torch", "cuda-graph", "onnx-cuda", "tensorrt") if gpu else ("torch", "onnx"):
        for path in _students(places):
            yield f"{path.stem}, {engine}", lambda p=path, e=engine: _engine_rows(p, e, device)


def compiled(places: Places, device: str) -> Jobs:
    """The same by torch.compile, which takes half a minute for each student."""
    for path in _students(places):
        yield path.stem, lambda p=path: _compiled_rows(p, device)


def precisions(places: Places, device: str) -> Jobs:
    """The same frame by PyTorch in each precision and memory layout, plain and as a CUDA graph."""
    for path in _students(places):
        for dtype in DTYPES:
            for layout in LAYOUTS:
                for way in ("torch", "cuda-graph"):
                    chosen = (path, dtype, layout, way)
                    yield (
                        f"{path.stem}, {dtype}, {layout}, {way}",
                        lambda c=chosen: _precision_row(*c, device),
                    )


def quality(places: Places, device: str) -> Jobs:
    """PSNR and SSIM of what was trained, on the pack's benchmarks and validation photographs."""
    for path in places.networks():
        yield path.stem, lambda p=path: _scores(p, places, device)


def tests(_places: Places, device: str) -> Jobs:
    """The project's tests that need a GPU."""
    yield "pytest -m cuda", lambda: _pytest(device)


# In the order in which they are taken.
FIGURES: dict[str, Callable[[Places, str], Jobs]] = {
    "ceilings": ceilings,
    "transfers": transfers,
    "inference": inference,
    "rates": rates,
    "tests": tests,
    "quality": quality,
    "precisions": precisions,
    "compiled": compiled,
}


def _both_ways(size: int, pinned: bool, device: str) -> Rows:
    _needs_gpu(device)
    here = torch.zeros(size, dtype=torch.uint8, pin_memory=pinned)
    there = torch.zeros(size, dtype=torch.uint8, device=device)

    def up() -> None:
        there.copy_(here, non_blocking=pinned)
        torch.cuda.synchronize()

    def down() -> None:
        here.copy_(there, non_blocking=pinned)
        torch.cuda.synchronize()

    taken = {way.__name__: speed.time_call(way, repeats=20, warmup=3) for way in (up, down)}
    return [
        {
            "way": way,
            "bytes": size,
            "pinned": pinned,
            "ms": round(ms, 4),
            "gb_per_s": round(size / ms / 1e6, 2),
        }
        for way, ms in taken.items()
    ]


def _rate(name: str, optimizer: str, way: str, places: Places, device: str) -> Rows:
    if way != "eager" and not device.startswith("cuda"):
        raise KdsharpError("A processor gains nothing by compiled steps: measured with a GPU only.")
    recipe = recipes.preset(name)
    teacher = networks.teacher_of(recipe, places, device)
    stores = networks.stores_of(recipe, places, teacher, device)
    settings = dataclasses.replace(recipe.training, optimizer=optimizer)
    trained = dataclasses.replace(networks.with_own_start(recipe, places), training=settings)
    rate = networks.step_rate(trained, *stores, places, RATE_SECONDS, device, way=way)
    seen = recipe.training.batch * recipe.training.patch**2 * rate / 1e6
    told = {"network": name, "optimizer": optimizer, "way": way}
    return [told | {"steps_per_s": round(rate, 1), "megapixels_per_s": round(seen, 1)}]


def _engine_rows(path: Path, engine: str, device: str) -> Rows:
    if not deploy.find_engine(engine).at_hand(device):
        raise KdsharpError(f"The engine '{engine}' is not installed here.")
    repeats = 50 if device.startswith("cuda") else 3
    rows = speed.measure([str(path)], [engine], repeats, size=_frame(device), devices=[device])
    return [row | {"network": path.stem} for row in rows]


def _compiled_rows(path: Path, device: str) -> Rows:
    _needs_gpu(device)
    return _engine_rows(path, "compile", device)


def _precision_row(path: Path, dtype: str, layout: str, way: str, device: str) -> Rows:
    _needs_gpu(device)
    network, _ = load_network(path)
    rows, columns = (recipes.shrunk(side, network.scale) for side in _frame(device))
    frame = np.random.default_rng(0).integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    engine = GpuNetwork(network, device, way, DTYPES[dtype], LAYOUTS[layout])
    ms = speed.time_call(engine.alone(frame), repeats=50, warmup=5)
    told = {"network": path.stem, "precision": dtype, "layout": layout, "engine": way}
    return [told | {"ms": round(ms, 4), "fps": round(1000 / ms, 1)}]


def _scores(path: Path, places: Places, device: str) -> Rows:
    recipe = checkpoints.recipe_of(path)
    student = deploy.load_student(path, device)
    sets = evaluate.held_out(recipe, networks.photos_of(places).validation, places.benchmarks())
    nothing = (
        (lambda image: evaluate.bicubic_upscale(image, recipe.scale)) if recipe.scale > 1 else np.asarray
    )
    found = []
    for name, pairs in sets.items():
        scores = evaluate.mean_scores({"student": student, "nothing": nothing}, pairs(), recipe.scale)
        row = {key: round(value, 4) for key, value in scores["student"].items()}
        found.append(
            {"network": path.stem, "set": name} | row | {"nothing": round(scores["nothing"]["psnr_y"], 4)}
        )
    return found


def _pytest(device: str) -> Rows:
    _needs_gpu(device)
    if not (ROOT / "tests").is_dir():
        raise KdsharpError("There are no tests beside this package: run it from a checkout.")
    command = [sys.executable, "-m", "pytest", "-m", "cuda", "-q", "--continue-on-collection-errors"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    last = next((line for line in reversed(done.stdout.splitlines()) if " in " in line), "")
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", last)}
    named = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return [{"passed": 0, "failed": 0, "skipped": 0, "error": 0} | counts | {"named": named}]


def _students(places: Places) -> list[Path]:
    """What was trained, or else the published ones: what a network costs does not depend on what it has learnt."""
    return places.networks() or [path for path in checkpoints.published() if path.stem in plan.published()]


def _frame(device: str) -> tuple[int, int]:
    return FRAME["cuda" if device.startswith("cuda") else "cpu"]


def _needs_gpu(device: str) -> None:
    if not device.startswith("cuda"):
        raise KdsharpError("This needs a GPU.")
