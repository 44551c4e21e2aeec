"""`kdsharp evaluate`: a student's PSNR and SSIM on photographs that it never saw, or on a benchmark."""

from argparse import Namespace
from pathlib import Path

from kdsharp.apps.cli.arguments import Commands, add_device, command, number
from kdsharp.errors import KdsharpError
from kdsharp.recipes import PROFILES, checks, presets


def add(commands: Commands) -> None:
    added = command(commands, "evaluate", run, "PSNR and SSIM beside doing nothing, bicubic and unsharp mask")
    add_device(added)
    default = "call-s; x4-s for --benchmark; what --preset has trained"
    added.add_argument("--student", help=f"name or file (default: {default})")
    text = "the student of `train PRESET`, on the preset's own damage"
    added.add_argument("--preset", choices=presets("quick"), help=text)
    text = "of --preset (default: %(default)s)"
    added.add_argument("--profile", choices=PROFILES, default="full", help=text)
    added.add_argument("--teacher", help="a teacher to compare with, by name or file")
    text = "a folder of sharp photographs (default: the embedded ones)"
    added.add_argument("--photos", type=Path, help=text)
    text = "the call's shrink factor (default: %(default)s)"
    added.add_argument("--shrink", type=number(checks.number(1, 16)), default=2.0, help=text)
    text = "the call's JPEG quality (default: %(default)s)"
    added.add_argument("--quality", type=number(checks.number(1, 100)), default=70.0, help=text)
    added.add_argument("--benchmark", type=Path, help="Set5, Set14, ...: an upscaler on plain bicubic inputs")
    text = "also JOD and SSIMULACRA2, as models of sight see them (extra: perception; seconds a picture)"
    added.add_argument("--perception", action="store_true", help=text)
    added.add_argument("--json", type=Path, help="also write the rows there")


def run(chosen: Namespace) -> None:
    from kdsharp import evaluate
    from kdsharp.disk import files

    student = chosen.student or "x4-s"
    rows = evaluate.benchmark_rows(chosen.benchmark, student) if chosen.benchmark else _on_photos(chosen)
    print(evaluate.format_table(rows))
    if chosen.json:
        files.write_json(chosen.json, rows)


def _on_photos(chosen: Namespace) -> list[dict]:
    """A student on photographs that it never saw: a preset's own damage, or one call or shrinking as asked."""
    from kdsharp import data, evaluate, recipes, teacher
    from kdsharp.deploy import sharpen
    from kdsharp.disk import files
    from kdsharp.distill import pipeline

    if chosen.preset:
        trained = files.work_dir() / "train" / chosen.preset / "student.safetensors"
        if chosen.student is None and not trained.is_file():
            raise KdsharpError(f"There is no {trained}: run `kdsharp train {chosen.preset}` first.")
    student = sharpen.load_student(chosen.student or (trained if chosen.preset else "call-s"), chosen.device)
    recipe = student.recipe
    if chosen.preset:
        settings = recipe.degradation
        found = pipeline.photos_of(recipe, chosen.profile, chosen.photos, held_out=0, parts=("val",))
        photos = found.train if chosen.photos else found.validation
    else:
        fixed = recipes.fixed_call(chosen.shrink, chosen.quality)
        if isinstance(recipe.degradation, recipes.SmallFrame):
            settings = recipes.fixed_small_frame(student.scale, chosen.quality)
        else:
            settings = fixed if recipe.task == "sharpen" else recipes.Downscale(scale=student.scale)
        photos = data.list_photos(chosen.photos) if chosen.photos else data.embedded_photos("val")
    guide = teacher.load_teacher(chosen.teacher, chosen.device) if chosen.teacher else None
    return evaluate.evaluate_student(student, photos, settings, 0, guide, perception=chosen.perception)
