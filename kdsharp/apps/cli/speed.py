"""`kdsharp speed`: frames a second, the first picture and the memory, for each engine that is installed."""

from argparse import Namespace
from pathlib import Path

from kdsharp.apps.cli.arguments import Commands, command, number
from kdsharp.recipes import checks

RIVALS = ["classic", "FSRCNN x2", "FSRCNN x4", "ESPCN x4", "realesr-animevideov3", "realesr-general-x4v3"]


def add(commands: Commands) -> None:
    added = command(commands, "speed", run, "frames per second at 1920x1080")
    text = "the first student beside one rival, in 3 minutes"
    added.add_argument("--quick", action="store_true", help=text)
    added.add_argument("--students", nargs="+", default=["call-s", "x4-s"], help="default: call-s x4-s")
    text = "torch, compile, cuda-graph, onnx, openvino, ... (default: what is installed)"
    added.add_argument("--engines", nargs="+", help=text)
    text = "timed frames each (default: %(default)s)"
    added.add_argument("--repeats", type=number(checks.whole(1, 100_000)), default=20, help=text)
    added.add_argument("--teacher", default="teacher-x4", help="timed beside them (default: %(default)s)")
    text = "`classic`, `FSRCNN x4`, ... (kdsharp/speed/rivals.py)"
    added.add_argument("--rivals", nargs="+", default=RIVALS, metavar="NAME", help=text)
    added.add_argument("--json", type=Path, help="also write what was measured there")


def run(chosen: Namespace) -> None:
    from kdsharp import deploy, speed
    from kdsharp.disk import files
    from kdsharp.speed import footprint, roofline

    students, rivals, repeats, teacher = chosen.students, chosen.rivals, chosen.repeats, chosen.teacher
    if chosen.quick:
        students, rivals, repeats, teacher = students[:1], ["classic", "realesr-animevideov3"], 10, None
    on_cpu, on_gpu = deploy.engines_at_hand("cpu"), deploy.engines_at_hand("cuda")
    engines = chosen.engines or list(dict.fromkeys(on_cpu + on_gpu))
    ceilings = roofline.ceilings()
    rows = speed.measure(students, engines, repeats, teacher, rivals=rivals, ceilings=ceilings)
    print(speed.format_table(rows, ceilings))
    footprints = []
    for name in students:
        for engine in (engine for engine in engines if "cpu" in deploy.find_engine(engine).devices):
            found = {"network": name, "engine": engine} | footprint.measure(name, engine)
            footprints.append(found)
            cold, memory = found["cold_s"], found["memory_mb"]
            print(f"{name}, {engine}: first picture after {cold:.2f} s, {memory:.0f} MB at most")
    if chosen.json:
        measured = {"ceilings": speed.raised(ceilings, rows), "rows": rows, "footprints": footprints}
        files.write_json(chosen.json, {"hardware": speed.hardware()} | measured)
