"""`kdsharp call`: a clip through a simulated video call."""

from argparse import Namespace
from pathlib import Path

from kdsharp.apps.cli.arguments import Commands, add_device, add_force, command, number, size
from kdsharp.recipes import checks


def add(commands: Commands) -> None:
    text = "send a clip through a simulated video call, and sharpen what arrives"
    added = command(commands, "call", run, text)
    add_device(added)
    added.add_argument("input", type=Path, metavar="IN")
    added.add_argument("output", type=Path, metavar="OUT", help="the clip that shows all three side by side")
    whole = number(checks.whole(1, 1_000_000))
    added.add_argument("--kbps", type=whole, default=150, help="kilobits a second (default: %(default)s)")
    text = "of the sent pictures (default: %(default)s)"
    added.add_argument("--size", type=size, default="640x360", help=text)
    added.add_argument(
        "--codec", choices=("H.264", "VP8", "VP9", "AV1"), default="H.264", help="default: %(default)s"
    )
    added.add_argument("--student", default="call-s", help="call-s, call-m or a file (default: %(default)s)")
    added.add_argument("--engine", help="as of sharpen")
    add_force(added)


def run(chosen: Namespace) -> None:
    from kdsharp.apps import call
    from kdsharp.deploy import sharpen

    engine = chosen.engine or sharpen.best_engine(chosen.device, many_of_one_size=True)
    student = sharpen.load_student(chosen.student, chosen.device, engine)
    rows = call.simulate(
        chosen.input, chosen.output, student, chosen.kbps, chosen.size, chosen.force, chosen.codec
    )
    print(call.summary(rows))
    print(f"{chosen.output} and {call.table_of(chosen.output)}")
