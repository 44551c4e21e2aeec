"""Half an hour of a GPU: all published networks, and all figures that only a GPU can give.

    python -m benchmarks.gpu pack PHOTOS PACK.zip [--validation FOLDER] [--benchmarks FOLDER] [--megabytes 50]
    python -m benchmarks.gpu run PACK.zip OUT [--minutes 25] [--stop-after MINUTES] [--device cuda] [--only NAME ...]

`run` trains the networks in the order and by the shares of `plan.py`, several at once, and takes the figures; what is
finished is in OUT at once, and gpu.md and gpu.json tell all of it. Killed or stopped, and given the same words again,
it goes on where it was. OUT is small, and all that has to be carried from one machine to the next; what can be made
again lies in --work. `network` and `figure` are single parts of a run.
"""

import argparse
import logging
import runpy
import time
from pathlib import Path

from benchmarks.gpu import figures, networks, packs, plan, processes, summary
from benchmarks.gpu.places import Places
from kdsharp.disk import files
from kdsharp.errors import KdsharpError


def run(chosen: argparse.Namespace) -> str:
    """Unpack, train, measure; returns the page."""
    began = time.time()
    places = Places(chosen.out.resolve(), chosen.work.resolve())
    names, wanted = _chosen(chosen.only)
    places.out.mkdir(parents=True, exist_ok=True)
    packs.unpack(chosen.pack, places.data)
    told = ["--recipes", str(chosen.recipes.resolve())] if chosen.recipes else []
    half_hour = processes.HalfHour(places, chosen.device, told)
    budget = 60 * chosen.minutes
    end = began + 60 * (chosen.stop_after or chosen.minutes)
    share = plan.FIGURES if wanted and names else float(bool(wanted))
    half_hour.train(
        plan.turns(names, budget * (1 - share), chosen.together),
        began + (end - began) * (1 - share),
        chosen.together,
    )
    half_hour.take(wanted, end)
    return summary.write(places)


def _chosen(only: list[str]) -> tuple[list[str], list[str]]:
    """The networks and the figures that were asked for; all of both where none was named."""
    known = [*plan.published(), *figures.FIGURES, "networks", "figures"]
    if unknown := [name for name in only if name not in known]:
        raise KdsharpError(f"There is no '{unknown[0]}' here; choose among {', '.join(known)}.")
    only = only or ["networks", "figures"]
    names = [name for name in plan.published() if name in only or "networks" in only]
    return names, [name for name in figures.FIGURES if name in only or "figures" in only]


def _network(chosen: argparse.Namespace) -> str:
    places = Places(chosen.out, chosen.work)
    done = networks.train(chosen.name, places, chosen.seconds, chosen.device, chosen.until)
    return f"{chosen.name} is {'finished' if done else 'stopped in time'}"


def _figure(chosen: argparse.Namespace) -> str:
    for name in chosen.names:
        figures.take(name, Places(chosen.out, chosen.work), chosen.device)
    return f"{', '.join(chosen.names)}: taken"


def _pack(chosen: argparse.Namespace) -> str:
    names, _ = _chosen(chosen.only)
    about = packs.pack(
        chosen.photos,
        chosen.out,
        names,
        chosen.megabytes,
        chosen.validation,
        chosen.benchmarks,
        chosen.held_out,
    )
    return (
        f"{chosen.out}: {about['train']} photographs, {about['val']} for validation, {about['side']} pixels at most, "
        f"{len(about['files'])} files, {chosen.out.stat().st_size / 1e6:.1f} MB"
    )


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="pack | run | network | figure")
    packing = commands.add_parser(
        "pack", help="photographs, benchmarks and teachers' weights in one small file"
    )
    packing.add_argument("photos", type=Path)
    packing.add_argument("out", type=Path)
    packing.add_argument("--validation", type=Path, metavar="FOLDER", help="default: some of the photographs")
    packing.add_argument("--held-out", type=int, default=8, help="how many of them (default: %(default)s)")
    packing.add_argument(
        "--benchmarks", type=Path, metavar="FOLDER", help="folders of pictures, taken as they are"
    )
    packing.add_argument("--megabytes", type=float, default=50.0)
    packing.set_defaults(work_of=_pack)
    running = commands.add_parser("run", help="all networks and all figures")
    running.add_argument("pack", type=Path)
    running.add_argument(
        "--minutes", type=float, default=25.0, help="that all of it is planned for (default: %(default)s)"
    )
    running.add_argument(
        "--stop-after",
        type=float,
        metavar="MINUTES",
        help="after which this call ends (default: as --minutes); the next one goes on",
    )
    running.add_argument(
        "--together", type=int, default=plan.TOGETHER, help="networks at once (default: %(default)s)"
    )
    running.set_defaults(work_of=run)
    for command in (packing, running):
        command.add_argument(
            "--only", nargs="+", default=[], metavar="NAME", help="networks, figures, or some by name"
        )
    single = commands.add_parser("network", help="one network (a part of `run`)")
    single.set_defaults(work_of=_network)
    figure = commands.add_parser("figure", help="some figures (a part of `run`)")
    figure.set_defaults(work_of=_figure)
    for command in (running, single, figure):
        command.add_argument("out", type=Path)
        command.add_argument(
            "--work", type=Path, default=files.work_dir() / "gpu", help="(default: %(default)s)"
        )
        command.add_argument("--device", default="cuda", help="cuda or cpu (default: %(default)s)")
    for command in (packing, running, single, figure):
        command.add_argument(
            "--recipes", type=Path, metavar="FILE", help="Python that registers recipes of your own"
        )
    single.add_argument("name")
    single.add_argument("--seconds", type=float, required=True)
    single.add_argument("--until", type=float, default=float("inf"), help="a time as of time.time()")
    figure.add_argument("names", nargs="+", choices=list(figures.FIGURES))
    return parser


def main() -> None:
    """Do what the words say; the last line printed tells what came of it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    chosen = _arguments().parse_args()
    try:
        if chosen.recipes:
            runpy.run_path(str(chosen.recipes))
        print(chosen.work_of(chosen))
    except KdsharpError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
