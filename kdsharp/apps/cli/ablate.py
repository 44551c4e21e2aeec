"""`kdsharp ablate`: what distillation is worth, with several seeds."""

from argparse import Namespace
from pathlib import Path

from kdsharp.apps.cli.arguments import Commands, add_device, add_recipe, add_vgg, command, number, recipe_of
from kdsharp.recipes import checks
from kdsharp.recipes.degradations import Downscale


def add(commands: Commands) -> None:
    text = "train one student with and without distillation, several seeds each"
    added = command(commands, "ablate", run, text, resumes=True)
    add_device(added)
    add_recipe(added)
    added.add_argument("--validation", type=Path, required=True, help="photographs to measure on")
    seed = number(checks.SEED)
    added.add_argument("--seeds", type=seed, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    added.add_argument(
        "--fidelity-teacher",
        help="a teacher that is true to the original, instead of the one that is known for the system",
    )
    added.add_argument(
        "--benchmarks",
        type=Path,
        nargs="+",
        default=[],
        help="folders of pictures to measure upscalers on too",
    )
    added.add_argument("--folder", type=Path, help="where the runs lie (default: build/ablation)")
    add_vgg(added)
    added.add_argument("--json", type=Path, help="also write the rows there, into its section `ablation`")


def run(chosen: Namespace) -> None:
    from kdsharp import recipes
    from kdsharp.disk import files
    from kdsharp.distill import ablation, pipeline

    recipe = pipeline.for_folder(recipe_of(chosen), chosen.photos)
    photos, held_out = (
        pipeline.photos_of(recipe, chosen.profile, folder, held_out=0, parts=("train",)).train
        for folder in (chosen.photos, chosen.validation)
    )
    known = recipes.fidelity_teacher(recipe)
    fidelity = chosen.fidelity_teacher or known
    perceptual = recipe.teacher if recipe.teacher != known else None
    if not fidelity and not perceptual:
        perceptual = recipes.PERCEPTUAL_TEACHER
    plain = isinstance(recipe.degradation, Downscale)
    variants = ablation.variants(perceptual, fidelity, plain)
    folder = chosen.folder or files.work_dir() / "ablation"
    places = (pipeline.Photos(photos, held_out), folder, chosen.vgg, chosen.device, chosen.profile)
    rows = ablation.run(recipe, variants, chosen.seeds, *places, chosen.benchmarks)
    print(ablation.format_table(rows))
    if chosen.json:
        known = files.read_json(chosen.json) if chosen.json.exists() else {}
        others = [row for row in known.get("ablation", []) if row.get("student") != recipe.name]
        files.write_json(chosen.json, known | {"ablation": others + rows})
