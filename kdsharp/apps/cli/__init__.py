"""The command line: `python -m kdsharp COMMAND` (also `kdsharp COMMAND`), a module for each command.

A command has `add`, which says what it takes, and `run`, which imports what it needs: `--help` stays instant.
"""

import argparse
import logging
import os
import sys
import traceback
from typing import NoReturn

from kdsharp.apps.cli import (
    ablate,
    call,
    camera,
    course,
    download,
    evaluate,
    export,
    extension,
    sharpen,
    speed,
    targets,
    train,
    web,
)
from kdsharp.errors import KdsharpError, missing

COMMANDS = (
    *(course, download, targets, train, evaluate, ablate, speed, export),
    *(sharpen, call, camera, web, extension),
)


class _Parser(argparse.ArgumentParser):
    """A parser whose mistakes are sentences like all others, without the usage before them."""

    def error(self, message: str) -> NoReturn:
        raise KdsharpError(f"{message} (`{self.prog} --help` lists what there is).")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status.

    That is 2 after a mistake that the reader can mend, 1 after anything else that went wrong, 130 after Ctrl-C.
    """
    chosen = argparse.Namespace(verbose=False, resumes=False)
    try:
        chosen = _parser().parse_args(arguments)
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
        return chosen.run(chosen) or 0
    except (
        BrokenPipeError
    ):  # the reader of a pipe (`| head`) has seen enough; Python would complain again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, KeyboardInterrupt) as error:
        if chosen.verbose:
            traceback.print_exc()
        sentence, status = _explained(error, chosen.resumes)
        print(f"kdsharp: {sentence}", file=sys.stderr)
        return status


def _explained(error: BaseException, resumes: bool) -> tuple[str, int]:
    """What is said of an error, and the exit status that it gives."""
    if isinstance(error, ModuleNotFoundError):
        error = missing(error) or error
    if isinstance(error, KdsharpError):
        return str(error), 2
    if isinstance(error, KeyboardInterrupt):
        return "stopped; the same command goes on where this one ended." if resumes else "stopped.", 130
    if isinstance(error, OSError):
        place = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror or error}{place}: check the file and its folder.", 1
    what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return f"{what}: this is a fault of kdsharp, please report it; -v shows more.", 1


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        "kdsharp",
        description="Image sharpening by knowledge distillation: make targets, train, measure, use.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
