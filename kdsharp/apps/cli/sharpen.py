"""`kdsharp sharpen`: a picture, a video, a folder of pictures, or what a manifest names."""

import time
from argparse import Namespace
from dataclasses import replace
from functools import cache
from pathlib import Path

from kdsharp.apps.cli.arguments import Commands, add_device, add_force, command, number
from kdsharp.errors import KdsharpError
from kdsharp.recipes import checks

STUDENT = (
    "call-s, x4, ... or a file; for videos also call, the best network for calls that keeps up with them"
)


def add(commands: Commands) -> None:
    text = "sharpen (or upscale) a picture, a video, all pictures of a folder, or what a manifest names"
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
    text = (
        "IN is a list of pictures and videos: a path a line (or JSON with `path`, in .jsonl); OUT is a folder"
    )
    added.add_argument("--manifest", action="store_true", help=text)
    text = "only this part of a folder or manifest, as 3/100: for many machines, one command each"
    added.add_argument("--shard", metavar="N/COUNT", help=text)
    add_force(added)


def run(chosen: Namespace) -> int:
    from kdsharp.apps import pictures, video
    from kdsharp.deploy import sharpen

    source, destination = chosen.input, chosen.output
    if not source.exists():
        raise KdsharpError(f"There is no file or folder {source}: check the name.")
    if chosen.manifest or source.is_dir():
        return _many(chosen)
    if chosen.shard:
        raise KdsharpError(f"{source} is one file: --shard is for a folder, or a list with --manifest.")
    is_video = video.is_video(source, destination)
    engine = chosen.engine or sharpen.best_engine(chosen.device, many_of_one_size=is_video)
    if is_video:
        began = time.monotonic()
        how = (chosen.student, chosen.strength, chosen.force, chosen.device, engine, chosen.clamp)
        count = video.sharpen_video(source, destination, *how)
        seconds = time.monotonic() - began
        print(f"{destination}: {count} frames in {seconds:.1f} s, {count / seconds:.1f} a second ({engine})")
        return 0
    student = replace(sharpen.load_student(chosen.student, chosen.device, engine), clamp=chosen.clamp)
    print(pictures.sharpen_file(source, destination, student, chosen.strength, chosen.force))
    return 0


def _many(chosen: Namespace) -> int:
    from kdsharp.apps import batch, manifest, video
    from kdsharp.deploy import sharpen
    from kdsharp.deploy.choosing import ANY

    source, destination = chosen.input, chosen.output
    part = manifest.shard(chosen.shard) if chosen.shard else batch.ALL

    def load(many_of_one_size: bool) -> sharpen.Sharpener:
        engine = chosen.engine or sharpen.best_engine(chosen.device, many_of_one_size)
        return replace(sharpen.load_student(chosen.student, chosen.device, engine), clamp=chosen.clamp)

    @cache
    def for_videos() -> str | sharpen.Sharpener:  # each video has a size and rate of its own to keep up with
        return ANY if chosen.student == ANY else load(many_of_one_size=True)

    def as_video(given: Path, output: Path) -> int:
        how = (chosen.strength, chosen.force, chosen.device, chosen.engine, chosen.clamp)
        return video.sharpen_video(given, output, for_videos(), *how)

    student, how = load(many_of_one_size=False), (chosen.strength, chosen.force, chosen.jobs, part)
    if chosen.manifest:
        problems = batch.sharpen_manifest(source, destination, student, as_video, *how)
    else:
        problems = batch.sharpen_folder(source, destination, student, *how)
    kind = "files" if chosen.manifest else "pictures"
    print(f"{destination}: {len(problems)} {kind} could not be sharpened" if problems else destination)
    return 1 if problems else 0
