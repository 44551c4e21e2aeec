"""`kdsharp camera`: a webcam, sharpened, as a virtual one."""

from argparse import Namespace

from kdsharp.apps.cli.arguments import Commands, add_device, command, number, size
from kdsharp.recipes import checks


def add(commands: Commands) -> None:
    text = "sharpen a camera into a virtual one, for calls and recordings"
    added = command(commands, "camera", run, text)
    add_device(added)
    text = "its number, a path, an address (rtsp, http) or a video file (default: %(default)s)"
    added.add_argument("input", nargs="?", default="0", metavar="CAMERA", help=text)
    text = "call-s, x2-s, ... or a file (default: %(default)s, the best network for calls that keeps up)"
    added.add_argument("--student", default="call", help=text)
    added.add_argument(
        "--size", type=size, help="what the camera is asked for, as 1280x720 (default: its own)"
    )
    text = "pictures a second (default: %(default)s)"
    added.add_argument("--rate", type=number(checks.whole(1, 240)), default=30, help=text)
    text = "0 (nothing) to 1 (all) (default: %(default)s)"
    added.add_argument("--strength", type=number(checks.SHARE), default=1.0, help=text)
    text = "no value beyond those around it: no ringing, less bite"
    added.add_argument("--clamp", action="store_true", help=text)
    added.add_argument("--engine", help="as of sharpen")
    text = "which virtual camera, where there are several, as /dev/video10 (default: the first)"
    added.add_argument("--to", metavar="NAME", help=text)


def run(chosen: Namespace) -> None:
    from dataclasses import replace

    from kdsharp.apps import camera, devices
    from kdsharp.deploy import Sharpener, sharpen

    devices.pyvirtualcam()  # said before a camera's light goes on
    engine = chosen.engine or sharpen.best_engine(chosen.device, many_of_one_size=True)

    def load(size: tuple[int, int]) -> Sharpener:
        student = sharpen.load_student(chosen.student, chosen.device, engine, size, chosen.rate)
        return replace(student, clamp=chosen.clamp)

    frames = devices.frames_of(chosen.input, chosen.size, chosen.rate)
    camera.run(frames, load, lambda size: devices.virtual(size, chosen.rate, chosen.to), chosen.strength)
