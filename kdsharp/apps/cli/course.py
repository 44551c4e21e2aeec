"""`kdsharp course`: every notebook, executed."""

from argparse import Namespace

from kdsharp.apps.cli.arguments import Commands, command
from kdsharp.errors import naming_the_extra
from kdsharp.recipes import PROFILES


def add(commands: Commands) -> None:
    added = command(commands, "course", run, "run every notebook and print one table of what came out")
    added.add_argument("--profile", choices=PROFILES, default="quick", help="default: %(default)s")
    added.add_argument("--only", nargs="+", default=[], metavar="NN", help="numbers of the notebooks to take")
    added.add_argument("--solved", action="store_true", help="run the solutions of the exercises too")


def run(chosen: Namespace) -> int:
    from kdsharp.disk import files

    with naming_the_extra("The course needs", "course"):
        from kdsharp.course import runner

    folders = files.root() / "notebooks", files.work_dir() / "course"
    rows = runner.run_course(*folders, chosen.profile, chosen.only, chosen.solved)
    return 0 if all(row["state"] == "ok" for row in rows) else 1
