"""Parts of a page that stand beside their panel's module as files, and scripts of an output's own."""

from functools import cache
from pathlib import Path


@cache
def part(name: str) -> str:
    """The text of a file in this folder."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def script(own: str, *names: str) -> str:
    """A script of these files, in which `start` gets the element with the id `own`; none of their names is global.

    An output that is shown twice has it twice, and each is started once.
    """
    source = "".join(part(name) for name in names)
    wanted = f'document.querySelectorAll("#{own}:not([data-started])")'
    return f'<script>(() => {{ "use strict";\n{source}{wanted}.forEach(start); }})();</script>'
