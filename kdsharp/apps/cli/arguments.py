"""What several commands take, and what argparse makes of the text of an argument."""

import argparse
import dataclasses
import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from pathlib import Path

from kdsharp import recipes
from kdsharp.errors import KdsharpError
from kdsharp.recipes import checks

Commands = argparse._SubParsersAction  # what `add_subparsers` gives


def command(
    commands: Commands, name: str, run: Callable[[Namespace], int | None], text: str, resumes: bool = False
) -> ArgumentParser:
    """Add a command; `resumes` says that it goes on where it was stopped."""
    added = commands.add_parser(name, help=text, description=text)
    added.set_defaults(run=run, resumes=resumes)
    added.add_argument(
        "-v", "--verbose", action="store_true", help="after an error, also show where in the code it was"
    )
    return added


def add_device(added: ArgumentParser) -> None:
    added.add_argument("--device", type=device, default="cpu", help="cpu or cuda (default: %(default)s)")


def add_force(added: ArgumentParser) -> None:
    added.add_argument("--force", action="store_true", help="write over what is there")


def add_vgg(added: ArgumentParser) -> None:
    added.add_argument("--vgg", help="a safetensors file of VGG weights, or torchvision (if none is at hand)")


def add_recipe(added: ArgumentParser) -> None:
    """A preset and what can be changed of it: what `recipe_of` reads."""
    systems = recipes.presets()
    added.add_argument("named", choices=systems, nargs="?", metavar="PRESET", help=", ".join(systems))
    added.add_argument("--preset", choices=systems, metavar="PRESET", help="the same by name")
    added.add_argument("--profile", choices=recipes.PROFILES, default="full", help="default: %(default)s")
    added.add_argument("--photos", type=Path, help="a folder of your own photographs instead of DIV2K")
    added.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="as training.steps=2000")
    added.add_argument("--teacher", help="a teacher's name or file instead of the preset's")


def recipe_of(chosen: Namespace) -> recipes.Recipe:
    """The preset with what the command line changes."""
    name = chosen.named or chosen.preset
    if name is None:
        raise KdsharpError(f"Which preset? Give one of {', '.join(recipes.presets())}.")
    recipe = recipes.override(recipes.preset(name, chosen.profile), chosen.set)
    return dataclasses.replace(recipe, teacher=chosen.teacher) if chosen.teacher else recipe


def check_teacher(chosen: Namespace, recipe: recipes.Recipe) -> None:
    """Raise KdsharpError if a teacher was named that the recipe's losses would never ask."""
    from kdsharp.distill import losses

    if chosen.teacher and not losses.needed(recipe.losses) & {"target", "vgg", "features"}:
        raise KdsharpError(
            f"{recipe.name} learns from the originals alone and would not ask {chosen.teacher}: add "
            "--set losses.hr=0.5 losses.teacher=0.5, or other weights."
        )


def number(rule: checks.Rule) -> Callable[[str], float]:
    """What argparse turns an argument into: a number that `rule` allows."""

    def parse(text: str) -> float:
        try:
            value = int(text) if re.fullmatch(r"[-+]?\d{1,18}", text) else float(text)
        except ValueError:
            value = None
        if not rule.holds(value):
            raise ArgumentTypeError(f"'{text}': give {rule.allowed}")
        return value

    return parse


def size(text: str) -> tuple[int, int]:
    """(width, height) in pixels of `640x360`."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text, re.ASCII)
    sides = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(16 <= side <= 8192 and side % 2 == 0 for side in sides):  # H.264 halves its colours
        raise ArgumentTypeError(f"'{text}': give WIDTHxHEIGHT, as 640x360, even numbers from 16 to 8192")
    return sides


def device(text: str) -> str:
    if not re.fullmatch(r"cpu|cuda(:\d{1,2})?", text, re.ASCII):
        raise ArgumentTypeError(f"'{text}': give cpu or cuda (cuda:1 for the second GPU)")
    return text
