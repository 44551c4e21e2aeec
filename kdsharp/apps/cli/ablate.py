"""`kdsharp ablate`: what distillation is worth, with several seeds."""

from argparse import Namespace
from pathlib import Path

from kdsharp.apps.cli.arguments import Commands, add_device, add_recipe, add_vgg, command, number, recipe_of
from kdsharp.recipes import checks


def add(commands: Commands) -> None:
    text = "train one student with and without distillation, several seeds each"
    added = command(commands, "ablate", run, text, resumes=True)
    add_device(added)
    add_recipe(added)
    added.add_argument("--validation", type=Path, required=True, help="photographs to measure on")
    seed = number(checks.SEED)
    added.add_argument("--seeds", type=seed, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    added.add_argument("--fidelity-teacher", help="also distil from this sharpening network of ours")
    added.add_argument("--folder", type=Path, help="where the runs lie (default: build/ablation)")
    add_vgg(added)
    added.add_argument("--json", type=Path, help="also write the rows there, as its section `ablation`")


def run(chosen: Namespace) -> None:
    from kdsharp import recipes
    from kdsharp.disk import files
    from kdsharp.distill import ablation, pipeline

    recipe = pipeline.for_folder(recipe_of(chosen), chosen.photos)
    photos, held_out = (
        pipeline.photos_of(recipe, chosen.profile, folder, held_out=0, parts=("train",)).train
        for folder in (chosen.photos, chosen.validation)
    )
    own = recipe.teacher if recipe.teacher != recipes.FIDELITY_TEACHER else None
    teacher = chosen.teacher or own or recipes.PERCEPTUAL_TEACHER
    variants = ablation.variants(teacher, chosen.fidelity_teacher)
    folder = chosen.folder or files.work_dir() / "ablation"
    places = (pipeline.Photos(photos, held_out), folder, chosen.vgg, chosen.device, chosen.profile)
    rows = ablation.run(recipe, variants, chosen.seeds, *places)
    print(ablation.format_table(rows))
    if chosen.json:
        known = files.read_json(chosen.json) if chosen.json.exists() else {}
        files.write_json(chosen.json, known | {"ablation": rows})
