"""`kdsharp targets`: the store that training reads."""

from argparse import Namespace
from pathlib import Path

from kdsharp.apps.cli.arguments import Commands, add_device, add_recipe, check_teacher, command, recipe_of


def add(commands: Commands) -> None:
    text = "write the (hr, input, target) crops that training reads"
    added = command(commands, "targets", run, text, resumes=True)
    add_device(added)
    add_recipe(added)
    added.add_argument("--folder", type=Path, required=True, help="where the store lies")


def run(chosen: Namespace) -> None:
    from kdsharp import recipes
    from kdsharp.disk import parallel
    from kdsharp.distill import pipeline, targets

    recipe = pipeline.for_folder(recipe_of(chosen), chosen.photos)
    check_teacher(chosen, recipe)
    recipe = pipeline.at_hand(recipe, chosen.profile)
    device = parallel.device(chosen.device)
    parts = ("train", "val") if recipes.trains_teacher(recipe) else ("train",)  # to validate it
    photos = pipeline.photos_of(recipe, chosen.profile, chosen.photos, held_out=0, parts=parts)
    teacher = pipeline.teacher_of(recipe, photos, chosen.folder, chosen.profile, device)
    store = targets.build(chosen.folder, photos.train, recipe.degradation, recipe.store, teacher, device)
    if parallel.rank() == 0:
        print(f"{len(store)} triples of {recipes.kind_of(recipe.degradation)} crops in {chosen.folder}")
