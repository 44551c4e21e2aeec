"""`kdsharp extension`: the browser extension that sharpens the videos of pages."""

from argparse import Namespace
from pathlib import Path

from kdsharp.apps.cli.arguments import Commands, command


def add(commands: Commands) -> None:
    text = "write a browser extension that sharpens the video of a page in place"
    added = command(commands, "extension", run, text)
    added.add_argument("folder", type=Path, metavar="FOLDER", help="a new one; FOLDER.zip comes beside it")
    text = (
        "for calls, from the better to the faster: the first that keeps up is taken (default: call-s call-xs)"
    )
    added.add_argument("--students", nargs="+", metavar="STUDENT", help=text)


def run(chosen: Namespace) -> None:
    from kdsharp.apps import extension

    for written in extension.write_extension(chosen.folder, chosen.students or extension.STUDENTS):
        print(written)
