"""`kdsharp download`: data and teachers, verified."""

from argparse import Namespace
from pathlib import Path

from kdsharp.apps.cli.arguments import Commands, command


def add(commands: Commands) -> None:
    text = "fetch and verify data and teachers into data/"
    added = command(commands, "download", run, text, resumes=True)
    added.add_argument("what", nargs="+", help="div2k-train, div2k-valid, or the name of an official teacher")
    added.add_argument("--source", type=Path, help="a DIV2K zip or folder that you already have")


def run(chosen: Namespace) -> None:
    from kdsharp import data, teacher

    for name in chosen.what:
        if name in ("div2k-train", "div2k-valid"):
            photos = data.div2k(name.removeprefix("div2k-"), chosen.source)
            print(f"{name}: {len(photos)} photographs in {photos[0].parent}")
        else:
            path = teacher.official_file(name)
            print(f"{name}: {path} ({teacher.source_of(path)})")
