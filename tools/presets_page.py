"""Write docs/presets.md from the registry of presets: `make docs`. A test holds that the page is what this writes."""

from pathlib import Path

from kdsharp import recipes
from kdsharp.recipes import Recipe

PAGE = Path(__file__).resolve().parent.parent / "docs" / "presets.md"
HEAD = """\
# Presets

*Written by `make docs` from the registry (`kdsharp/recipes/`): change it there.*

`kdsharp train NAME` trains one, `kdsharp.preset("NAME", profile)` is its recipe, and any of its values can be changed
by name (`--set training.steps=2000 losses.teacher=0.5`). Each stands here at full length; `quick` and `medium` are the
same systems cut down. A number behind a term of the loss is its weight. A teacher is a network by name or file, or a
preset that is trained first. Restormer's architecture is an extra (`pip install 'kdsharp[restormer]'`), whose licence
restricts commercial use.
"""
SYSTEMS = "## The six systems, and the teachers that are trained for them"
ZOO = """\
## Model zoo

The recipes of the published networks, whose files and cards lie in [checkpoints/](../checkpoints/README.md): each makes
its network again. They are trained at full length only."""
COLUMNS = ("preset", "task", "degradation", "teacher", "student", "losses", "steps", "published as")


def main() -> None:
    """Write the page."""
    PAGE.write_text(text(), encoding="utf-8")


def text() -> str:
    """The whole page, as Markdown."""
    short = recipes.presets("quick")
    full = [name for name in recipes.presets() if name not in short]
    return "\n".join([HEAD, SYSTEMS, "", *_table(short), "", ZOO, "", *_table(full), ""])


def _table(names: list[str]) -> list[str]:
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(_row(recipes.preset(name)) for name in names)]
    return [f"| {' | '.join(row)} |" for row in rows]


def _row(recipe: Recipe) -> tuple[str, ...]:
    task = "sharpen" if recipe.scale == 1 else f"upscale x{recipe.scale}"
    published = recipes.published_for(recipe.name)
    options = ", ".join(
        f"{name} {value}" for name, value in recipe.student.options.items() if name != "scale"
    )
    return (
        f"`{recipe.name}`",
        task,
        recipes.kind_of(recipe.degradation),
        f"`{recipe.teacher}`" if recipe.teacher else "none",
        f"{recipe.student.family}: {options}",
        _losses(recipe),
        f"{recipe.training.steps:,}" + (f", from `{recipe.start}`" if recipe.start else ""),
        f"[{published}](../checkpoints/{published}.md)" if published else "",
    )


def _losses(recipe: Recipe) -> str:
    """The terms that are weighed, `hr` under the name of its distance."""
    known = vars(recipe.losses) | recipe.losses.others
    kinds = {"hr": f"{recipe.losses.distance} to the original", "teacher": "to the teacher"}
    found = [
        f"{kinds.get(name, name)} {value:g}"
        for name, value in known.items()
        if isinstance(value, float) and value and name != "temperature"
    ]
    return ", ".join(found)


if __name__ == "__main__":
    main()
