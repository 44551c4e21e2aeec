"""`kdsharp sharpen`: a picture, a folder of pictures, or a video."""

import time
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from kdsharp.apps.cli.arguments import Commands, add_device, add_force, command, number
from kdsharp.errors import KdsharpError
from kdsharp.recipes import checks

STUDENT = (
    "call-s, x4, ... or a file; for videos also call, the best network for calls that keeps up with them"
)


def add(commands: Commands) -> None:
    text = "sharpen (or upscale) a picture, a video, or all pictures of a folder"
    added = command(commands, "sharpen", run, text)
    add_device(added)
    added.add_argument("input", type=Path, metavar="IN")
    added.add_argument("output", type=Path, metavar="OUT")
    added.add_argument("--student", default="call-s", help=f"{STUDENT} (default: %(default)s)")
    text = "torch, onnx, openvino, openvino-int8, ... (default: the fastest at hand)"
    added.add_argument("--engine", help=text)
    text = "0 (nothing) to 1 (all) (default: %(default)s)"
    added.add_argument("--strength", type=number(checks.SHARE), default=1.0, help=text)
    added.add_argument(
        "--clamp", action="store_true", help="no value beyond those around it: no ringing, less bite"
    )
    text = "pictures read and written at a time (default: 2)"
    added.add_argument("--jobs", type=number(checks.whole(1, 256)), default=2, help=text)
    add_force(added)


def run(chosen: Namespace) -> int:
    from kdsharp.apps import pictures, video
    from kdsharp.deploy import sharpen

    source, destination = chosen.input, chosen.output
    if not source.exists():
        raise KdsharpError(f"There is no file or folder {source}: check the name.")
    is_video = source.is_file() and video.is_video(source, destination)
    engine = chosen.engine or sharpen.best_engine(chosen.device, many_of_one_size=is_video)
    if is_video:
        began = time.monotonic()
        how = (chosen.student, chosen.strength, chosen.force, chosen.device, engine, chosen.clamp)
        count = video.sharpen_video(source, destination, *how)
        seconds = time.monotonic() - began
        print(f"{destination}: {count} frames in {seconds:.1f} s, {count / seconds:.1f} a second ({engine})")
        return 0
    student = replace(sharpen.load_student(chosen.student, chosen.device, engine), clamp=chosen.clamp)
    how = (student, chosen.strength, chosen.force)
    if not source.is_dir():
        print(pictures.sharpen_file(source, destination, *how))
        return 0
    problems = pictures.sharpen_folder(source, destination, *how, chosen.jobs)
    print(f"{destination}: {len(problems)} pictures could not be sharpened" if problems else destination)
    return 1 if problems else 0
