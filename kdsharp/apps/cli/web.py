"""`kdsharp web`: the pages on this machine, or as files for a host of static pages."""

from argparse import Namespace
from pathlib import Path

from kdsharp.apps.cli.arguments import Commands, command, number
from kdsharp.recipes import checks


def add(commands: Commands) -> None:
    text = "pages on this machine: drop a picture in, or sharpen a camera in the browser"
    added = command(commands, "web", run, text)
    added.add_argument(
        "--port", type=number(checks.whole(0, 65_535)), default=8000, help="default: %(default)s"
    )
    text = "default: %(default)s, which only this machine can reach"
    added.add_argument("--host", default="127.0.0.1", help=text)
    added.add_argument("--engine", default="onnx", help="as of sharpen (default: %(default)s)")
    text = "names or files to choose from (default: call-s call-xs call-m blur-s x2-s x4-s)"
    added.add_argument("--students", nargs="+", default=[], metavar="STUDENT", help=text)
    text = "only fetch what networks in browsers need (with npm, once; a wheel has it)"
    added.add_argument("--runtime", action="store_true", help=text)
    text = "only write the browser's page there, for a web host"
    added.add_argument("--static", type=Path, metavar="FOLDER", help=text)


def run(chosen: Namespace) -> None:
    from kdsharp.apps import live, web

    students = tuple(chosen.students) or web.STUDENTS
    if chosen.runtime:
        print(live.fetch_runtime())
    elif chosen.static:
        print(live.write_static(chosen.static, live.named(students)))
    else:
        web.serve(chosen.host, chosen.port, students=students, engine=chosen.engine)
