"""The command line: `python -m kdsharp COMMAND` (also `kdsharp COMMAND`)."""

import argparse
import dataclasses
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from kdsharp.errors import KdsharpError
from kdsharp.recipes import checks


class _Parser(argparse.ArgumentParser):
    """A parser whose mistakes are sentences like all others, without the usage before them."""

    def error(self, message: str) -> NoReturn:
        raise KdsharpError(f"{message} (`{self.prog} --help` lists what there is).")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status.

    That is 2 after a mistake that the reader can mend, 1 after anything else that went wrong, 130 after Ctrl-C.
    """
    chosen = argparse.Namespace(verbose=False)
    try:
        chosen = _parser().parse_args(arguments)
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
        return chosen.run(chosen) or 0
    except KdsharpError as error:
        return _failed(chosen, str(error), 2)
    except KeyboardInterrupt:
        goes_on = getattr(chosen, "run", None) in (_download, _targets, _train, _ablate)
        return _failed(
            chosen, "stopped; the same command goes on where this one ended." if goes_on else "stopped.", 130
        )
    except (
        BrokenPipeError
    ):  # the reader of a pipe (`| head`) has seen enough; Python would complain again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        return _failed(chosen, f"{error.strerror or error}{place}: check the file and its folder.", 1)
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return _failed(chosen, f"{what}: this is a fault of kdsharp, please report it; -v shows more.", 1)


def _failed(chosen: argparse.Namespace, sentence: str, status: int) -> int:
    """Say what went wrong, after where in the code it was if `--verbose` asks for that; returns `status`."""
    if chosen.verbose:
        traceback.print_exc()
    print(f"kdsharp: {sentence}", file=sys.stderr)
    return status


def _course(chosen: argparse.Namespace) -> int:
    from kdsharp.course import runner
    from kdsharp.disk import files

    folders = files.root() / "notebooks", files.work_dir() / "course"
    rows = runner.run_course(*folders, chosen.profile, chosen.only, chosen.solved)
    return 0 if all(row["state"] == "ok" for row in rows) else 1


def _download(chosen: argparse.Namespace) -> None:
    from kdsharp import data, teacher

    for name in chosen.what:
        if name in ("div2k-train", "div2k-valid"):
            photos = data.div2k(name.removeprefix("div2k-"), chosen.source)
            print(f"{name}: {len(photos)} photographs in {photos[0].parent}")
        else:
            print(f"{name}: {teacher.official_file(name)}")


def _targets(chosen: argparse.Namespace) -> None:
    from kdsharp import recipes
    from kdsharp.disk import parallel
    from kdsharp.distill import pipeline, targets

    recipe = pipeline.for_folder(_recipe(chosen), chosen.photos)
    device = parallel.device(chosen.device)
    parts = ("train", "val") if recipes.trains_teacher(recipe) else ("train",)  # to validate it
    photos = pipeline.photos_of(recipe, chosen.profile, chosen.photos, held_out=0, parts=parts)
    teacher = pipeline.teacher_of(recipe, photos, chosen.folder, chosen.profile, device)
    store = targets.build(chosen.folder, photos.train, recipe.degradation, recipe.store, teacher, device)
    if parallel.rank() == 0:
        print(f"{len(store)} triples of {recipes.kind_of(recipe.degradation)} crops in {chosen.folder}")


def _train(chosen: argparse.Namespace) -> None:
    from kdsharp import data
    from kdsharp.disk import files, parallel
    from kdsharp.distill import pipeline

    recipe = pipeline.for_folder(_recipe(chosen), chosen.photos)
    folder = chosen.folder or files.work_dir() / "train" / recipe.name
    held_out, parts = (0, ("train",)) if chosen.validation else (chosen.holdout, ("train", "val"))
    if chosen.photos and not (held_out or chosen.validation):
        raise KdsharpError(
            "--holdout 0 leaves nothing to validate on: hold out at least one, or give --validation."
        )
    photos = pipeline.photos_of(recipe, chosen.profile, chosen.photos, held_out, parts)
    if chosen.validation:
        photos = dataclasses.replace(
            photos, validation=data.list_photos(chosen.validation, recipe.store.crop)
        )
    device = parallel.device(chosen.device)
    result = pipeline.train(recipe, photos, folder, chosen.profile, device, chosen.vgg)
    if parallel.rank() == 0:
        print(f"{result.checkpoint}: {result.history[-1]['val_psnr']:.2f} dB on held-out crops")


def _evaluate(chosen: argparse.Namespace) -> None:
    from kdsharp import evaluate
    from kdsharp.disk import files

    student = chosen.student or "x4-s"
    rows = evaluate.benchmark_rows(chosen.benchmark, student) if chosen.benchmark else _on_photos(chosen)
    print(evaluate.format_table(rows))
    if chosen.json:
        files.write_json(chosen.json, rows)


def _on_photos(chosen: argparse.Namespace) -> list[dict]:
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
        settings = fixed if recipe.task == "sharpen" else recipes.Downscale(scale=student.scale)
        photos = data.list_photos(chosen.photos) if chosen.photos else data.embedded_photos("val")
    guide = teacher.load_teacher(chosen.teacher, chosen.device) if chosen.teacher else None
    return evaluate.evaluate_student(student, photos, settings, 0, guide)


def _ablate(chosen: argparse.Namespace) -> None:
    from kdsharp import recipes
    from kdsharp.disk import files
    from kdsharp.distill import ablation, pipeline

    recipe = pipeline.for_folder(_recipe(chosen), chosen.photos)
    photos, held_out = (
        pipeline.photos_of(recipe, chosen.profile, folder, held_out=0, parts=("train",)).train
        for folder in (chosen.photos, chosen.validation)
    )
    own = recipe.teacher if recipe.teacher != recipes.FIDELITY_TEACHER else None
    teacher = chosen.teacher or own or recipes.PERCEPTUAL_TEACHER
    variants = ablation.variants(teacher, chosen.fidelity_teacher)
    folder = chosen.folder or files.work_dir() / "ablation"
    places = (photos, held_out, folder, chosen.vgg, chosen.device, chosen.profile)
    rows = ablation.run(recipe, variants, chosen.seeds, *places)
    print(ablation.format_table(rows))
    if chosen.json:
        known = files.read_json(chosen.json) if chosen.json.exists() else {}
        files.write_json(chosen.json, known | {"ablation": rows})


def _speed(chosen: argparse.Namespace) -> None:
    from kdsharp import speed
    from kdsharp.deploy import sharpen
    from kdsharp.disk import files
    from kdsharp.speed import footprint, roofline

    students, rivals, repeats, teacher = chosen.students, chosen.rivals, chosen.repeats, chosen.teacher
    if chosen.quick:
        students, rivals, repeats, teacher = students[:1], ["classic", "realesr-animevideov3"], 10, None
    on_cpu, on_gpu = sharpen.engines_at_hand("cpu"), sharpen.engines_at_hand("cuda")
    engines = chosen.engines or list(dict.fromkeys(on_cpu + on_gpu))
    ceilings = roofline.ceilings()
    rows = speed.measure(students, engines, repeats, teacher, rivals=rivals, ceilings=ceilings)
    print(speed.format_table(rows, ceilings))
    footprints = []
    for name in students:
        for engine in (engine for engine in engines if engine not in sharpen.GPU_ENGINES):
            found = {"network": name, "engine": engine} | footprint.measure(name, engine)
            footprints.append(found)
            print(
                f"{name}, {engine}: first picture after {found['cold_s']:.2f} s, {found['memory_mb']:.0f} MB at most"
            )
    if chosen.json:
        measured = {"ceilings": speed.raised(ceilings, rows), "rows": rows, "footprints": footprints}
        files.write_json(chosen.json, {"hardware": speed.hardware()} | measured)


def _export(chosen: argparse.Namespace) -> None:
    from kdsharp.deploy import sharpen
    from kdsharp.disk import checkpoints, files

    source, output = checkpoints.find(chosen.student), chosen.output
    files.check_output(source, output, (".onnx", ".tflite"), chosen.force)
    if output.suffix.lower() == ".tflite":
        from kdsharp.deploy import mobile

        if chosen.int8:
            raise KdsharpError(
                "LiteRT files are float32 only: leave --int8 out, or write a file that ends in .onnx."
            )
        from kdsharp.student import load_network

        network, recipe = load_network(source)
        mobile.to_litert(network, output, (1080 // recipe.scale, 1920 // recipe.scale))
    else:
        content = sharpen.exported_file(source, chosen.int8).read_bytes()
        with files.atomic_write(output) as handle:
            handle.write(content)
    print(output)


def _sharpen(chosen: argparse.Namespace) -> int:
    import time

    from kdsharp.apps import pictures, video
    from kdsharp.deploy import sharpen

    source, destination = chosen.input, chosen.output
    if not source.exists():
        raise KdsharpError(f"There is no file or folder {source}: check the name.")
    is_video = source.is_file() and video.is_video(source, destination)
    engine = chosen.engine or sharpen.best_engine(chosen.device, many_of_one_size=is_video)
    student = sharpen.load_student(chosen.student, chosen.device, engine)
    if is_video:
        began = time.monotonic()
        count = video.sharpen_video(source, destination, student, chosen.strength, chosen.force)
        seconds = time.monotonic() - began
        print(f"{destination}: {count} frames in {seconds:.1f} s, {count / seconds:.1f} a second ({engine})")
        return 0
    if not source.is_dir():
        print(pictures.sharpen_file(source, destination, student, chosen.strength, chosen.force))
        return 0
    problems = pictures.sharpen_folder(
        source, destination, student, chosen.strength, chosen.force, chosen.jobs
    )
    print(f"{destination}: {len(problems)} pictures could not be sharpened" if problems else destination)
    return 1 if problems else 0


def _call(chosen: argparse.Namespace) -> None:
    from kdsharp.apps import call
    from kdsharp.deploy import sharpen

    engine = chosen.engine or sharpen.best_engine(chosen.device, many_of_one_size=True)
    student = sharpen.load_student(chosen.student, chosen.device, engine)
    rows = call.simulate(chosen.input, chosen.output, student, chosen.kbps, chosen.size, chosen.force)
    print(call.summary(rows))
    print(f"{chosen.output} and {call.table_of(chosen.output)}")


def _web(chosen: argparse.Namespace) -> None:
    from kdsharp.apps import live, web

    students = tuple(chosen.students) or web.STUDENTS
    if chosen.runtime:
        print(live.fetch_runtime())
    elif chosen.static:
        print(live.write_static(chosen.static, live.named(students)))
    else:
        web.serve(chosen.host, chosen.port, students=students, engine=chosen.engine)


def _recipe(chosen: argparse.Namespace):
    """The preset with what the command line changes."""
    from kdsharp import recipes

    name = chosen.named or chosen.preset
    if name is None:
        raise KdsharpError(f"Which preset? Give one of {', '.join(recipes.presets())}.")
    recipe = recipes.override(recipes.preset(name, chosen.profile), chosen.set)
    if getattr(chosen, "teacher", None):
        recipe = dataclasses.replace(recipe, teacher=chosen.teacher)
    return recipe


def _as(rule: checks.Rule) -> Callable[[str], float]:
    """What argparse turns an argument into: a number that `rule` allows."""

    def parse(text: str) -> float:
        try:
            value = int(text) if re.fullmatch(r"[-+]?\d{1,18}", text) else float(text)
        except ValueError:
            value = None
        if not rule.holds(value):
            raise argparse.ArgumentTypeError(f"'{text}': give {rule.allowed}")
        return value

    return parse


def _size(text: str) -> tuple[int, int]:
    """(width, height) in pixels of `640x360`."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text, re.ASCII)
    size = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(16 <= side <= 8192 and side % 2 == 0 for side in size):  # H.264 halves its colours
        raise argparse.ArgumentTypeError(
            f"'{text}': give WIDTHxHEIGHT, as 640x360, even numbers from 16 to 8192"
        )
    return size


def _device(text: str) -> str:
    if not re.fullmatch(r"cpu|cuda(:\d{1,2})?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"'{text}': give cpu or cuda (cuda:1 for the second GPU)")
    return text


def _parser() -> argparse.ArgumentParser:
    from kdsharp.recipes import PROFILES, presets

    systems = presets()
    parser = _Parser(
        "kdsharp",
        description="Image sharpening by knowledge distillation: make targets, train, measure, use.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        added.add_argument(
            "-v", "--verbose", action="store_true", help="after an error, also show where in the code it was"
        )
        return added

    def common(added: argparse.ArgumentParser, *, preset: bool = False) -> None:
        added.add_argument("--device", type=_device, default="cpu", help="cpu or cuda (default: %(default)s)")
        if preset:
            added.add_argument("named", choices=systems, nargs="?", metavar="PRESET", help=", ".join(systems))
            added.add_argument("--preset", choices=systems, metavar="PRESET", help="the same by name")
            added.add_argument("--profile", choices=PROFILES, default="full", help="default: %(default)s")
            added.add_argument(
                "--photos", type=Path, help="a folder of your own photographs instead of DIV2K"
            )
            added.add_argument(
                "--set", nargs="+", default=[], metavar="NAME=VALUE", help="as training.steps=2000"
            )
            added.add_argument("--teacher", help="a teacher's name or file instead of the preset's")

    added = command("course", _course, "run every notebook and print one table of what came out")
    added.add_argument("--profile", choices=PROFILES, default="quick", help="default: %(default)s")
    added.add_argument("--only", nargs="+", default=[], metavar="NN", help="numbers of the notebooks to take")
    added.add_argument("--solved", action="store_true", help="run the solutions of the exercises too")

    added = command("download", _download, "fetch and verify data and teachers into data/")
    added.add_argument("what", nargs="+", help="div2k-train, div2k-valid, or the name of an official teacher")
    added.add_argument("--source", type=Path, help="a DIV2K zip or folder that you already have")

    added = command("targets", _targets, "write the (hr, input, target) crops that training reads")
    common(added, preset=True)
    added.add_argument("--folder", type=Path, required=True, help="where the store lies")

    added = command(
        "train", _train, "train a preset's student (or the self-taught teacher); resumes by itself"
    )
    common(added, preset=True)
    added.add_argument("--folder", type=Path, help="where the run lies (default: build/train/PRESET)")
    added.add_argument("--validation", type=Path, help="a folder of photographs to validate on")
    added.add_argument(
        "--holdout", type=_as(checks.whole(0)), default=4, help="photos of --photos kept for validation"
    )
    added.add_argument("--vgg", help="a safetensors file of VGG weights, or torchvision (if none is at hand)")

    added = command("evaluate", _evaluate, "PSNR and SSIM beside doing nothing, bicubic and unsharp mask")
    common(added)
    added.add_argument(
        "--student", help="name or file (default: call-s; x4-s for --benchmark; what --preset has trained)"
    )
    added.add_argument(
        "--preset", choices=presets("quick"), help="the student of `train PRESET`, on the preset's own damage"
    )
    added.add_argument(
        "--profile", choices=PROFILES, default="full", help="of --preset (default: %(default)s)"
    )
    added.add_argument("--teacher", help="a teacher to compare with, by name or file")
    added.add_argument(
        "--photos", type=Path, help="a folder of sharp photographs (default: the embedded ones)"
    )
    added.add_argument(
        "--shrink",
        type=_as(checks.number(1, 16)),
        default=2.0,
        help="the call's shrink factor (default: %(default)s)",
    )
    added.add_argument(
        "--quality",
        type=_as(checks.number(1, 100)),
        default=70.0,
        help="the call's JPEG quality (default: %(default)s)",
    )
    added.add_argument("--benchmark", type=Path, help="Set5, Set14, ...: an upscaler on plain bicubic inputs")
    added.add_argument("--json", type=Path, help="also write the rows there")

    added = command("ablate", _ablate, "train one student with and without distillation, several seeds each")
    common(added, preset=True)
    added.add_argument("--validation", type=Path, required=True, help="photographs to measure on")
    added.add_argument("--seeds", type=_as(checks.SEED), nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    added.add_argument("--fidelity-teacher", help="also distil from this sharpening network of ours")
    added.add_argument("--folder", type=Path, help="where the runs lie (default: build/ablation)")
    added.add_argument("--vgg", help="a safetensors file of VGG weights, or torchvision (if none is at hand)")
    added.add_argument("--json", type=Path, help="also write the rows there, as its section `ablation`")

    added = command("speed", _speed, "frames per second at 1920x1080")
    added.add_argument(
        "--quick", action="store_true", help="the first student beside one rival, in 3 minutes"
    )
    added.add_argument("--students", nargs="+", default=["call-s", "x4-s"], help="default: call-s x4-s")
    added.add_argument(
        "--engines",
        nargs="+",
        help="torch, compile, cuda-graph, onnx, openvino, ... (default: what is installed)",
    )
    added.add_argument(
        "--repeats",
        type=_as(checks.whole(1, 100_000)),
        default=20,
        help="timed frames each (default: %(default)s)",
    )
    added.add_argument("--teacher", default="teacher-x4", help="timed beside them (default: %(default)s)")
    added.add_argument(
        "--rivals",
        nargs="+",
        default=[
            "classic",
            "FSRCNN x2",
            "FSRCNN x4",
            "ESPCN x4",
            "realesr-animevideov3",
            "realesr-general-x4v3",
        ],
        metavar="NAME",
        help="`classic`, `FSRCNN x4`, ... (kdsharp/speed/rivals.py)",
    )
    added.add_argument("--json", type=Path, help="also write what was measured there")

    added = command("export", _export, "write a student as ONNX or, for phones, as LiteRT (1080p)")
    added.add_argument("student", help="a published name or a safetensors file")
    added.add_argument("output", type=Path, metavar="OUT", help="ends in .onnx or .tflite")
    added.add_argument("--int8", action="store_true", help="with 8-bit convolutions")
    added.add_argument("--force", action="store_true", help="write over what is there")

    added = command(
        "sharpen", _sharpen, "sharpen (or upscale) a picture, a video, or all pictures of a folder"
    )
    common(added)
    added.add_argument("input", type=Path, metavar="IN")
    added.add_argument("output", type=Path, metavar="OUT")
    added.add_argument("--student", default="call-s", help="call-s, x4 or a file (default: %(default)s)")
    added.add_argument(
        "--engine", help="torch, onnx, openvino, openvino-int8, ... (default: the fastest at hand)"
    )
    added.add_argument(
        "--strength",
        type=_as(checks.SHARE),
        default=1.0,
        help="0 (nothing) to 1 (all) (default: %(default)s)",
    )
    added.add_argument(
        "--jobs",
        type=_as(checks.whole(1, 256)),
        default=2,
        help="pictures read and written at a time (default: 2)",
    )
    added.add_argument("--force", action="store_true", help="write over what is there")
    added = command("call", _call, "send a clip through a simulated video call, and sharpen what arrives")
    common(added)
    added.add_argument("input", type=Path, metavar="IN")
    added.add_argument("output", type=Path, metavar="OUT", help="the clip that shows all three side by side")
    added.add_argument(
        "--kbps",
        type=_as(checks.whole(1, 1_000_000)),
        default=150,
        help="kilobits a second (default: %(default)s)",
    )
    added.add_argument(
        "--size", type=_size, default="640x360", help="of the sent pictures (default: %(default)s)"
    )
    added.add_argument("--student", default="call-s", help="call-s, call-m or a file (default: %(default)s)")
    added.add_argument("--engine", help="as of sharpen")
    added.add_argument("--force", action="store_true", help="write over what is there")
    added = command(
        "web", _web, "pages on this machine: drop a picture in, or sharpen a camera in the browser"
    )
    added.add_argument("--port", type=_as(checks.whole(0, 65_535)), default=8000, help="default: %(default)s")
    added.add_argument(
        "--host", default="127.0.0.1", help="default: %(default)s, which only this machine can reach"
    )
    added.add_argument("--engine", default="onnx", help="as of sharpen (default: %(default)s)")
    added.add_argument(
        "--students",
        nargs="+",
        default=[],
        metavar="STUDENT",
        help="names or files to choose from (default: call-s call-m blur-s x2-s x4-s)",
    )
    added.add_argument(
        "--runtime",
        action="store_true",
        help="only fetch what networks in browsers need (with npm, once; a wheel has it)",
    )
    added.add_argument(
        "--static", type=Path, metavar="FOLDER", help="only write the browser's page there, for a web host"
    )
    return parser
