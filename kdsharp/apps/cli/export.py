"""`kdsharp export`: a student as a file for other runtimes, or as one of half the size."""

from argparse import Namespace
from pathlib import Path

from kdsharp.apps.cli.arguments import Commands, add_force, command
from kdsharp.errors import KdsharpError

ENDINGS = (".onnx", ".glsl", ".wgsl", ".tflite", ".safetensors")


def add(commands: Commands) -> None:
    added = command(
        commands,
        "export",
        run,
        "write a student as ONNX, as shaders for mpv (.glsl) or browsers (.wgsl), as LiteRT for phones (1080p), or "
        "with its weights in half precision",
    )
    added.add_argument("student", help="a published name or a safetensors file")
    added.add_argument("output", type=Path, metavar="OUT", help=f"ends in {', '.join(ENDINGS)}")
    added.add_argument("--int8", action="store_true", help="with 8-bit convolutions")
    add_force(added)


def run(chosen: Namespace) -> None:
    from kdsharp.disk import checkpoints, files

    source, output = checkpoints.find(chosen.student), chosen.output
    files.check_output(source, output, ENDINGS, chosen.force)
    ending = output.suffix.lower()
    if chosen.int8 and ending != ".onnx":
        raise KdsharpError("Only an ONNX file has 8 bits: leave --int8 out, or write one that ends in .onnx.")
    write = {".onnx": _onnx, ".tflite": _litert, ".safetensors": _half}.get(ending, _shader)
    write(source, output, chosen.int8)
    print(output)


def _onnx(source: Path, output: Path, int8: bool) -> None:
    from kdsharp.deploy import sharpen
    from kdsharp.disk import files

    content = sharpen.exported_file(source, int8).read_bytes()
    with files.atomic_write(output) as handle:
        handle.write(content)


def _shader(source: Path, output: Path, _int8: bool) -> None:
    from kdsharp.deploy import shaders
    from kdsharp.disk import files

    content = shaders.text(source, output.suffix.lower())
    with files.atomic_write(output) as handle:
        handle.write(content.encode())


def _litert(source: Path, output: Path, _int8: bool) -> None:
    from kdsharp import recipes
    from kdsharp.deploy import mobile
    from kdsharp.student import load_network

    network, recipe = load_network(source)
    mobile.to_litert(network, output, tuple(recipes.shrunk(side, recipe.scale) for side in (1080, 1920)))


def _half(source: Path, output: Path, _int8: bool) -> None:
    """Two bytes a weight; who loads the file computes in single precision all the same."""
    from kdsharp.disk import checkpoints
    from kdsharp.student import load_network

    network, recipe = load_network(source)
    checkpoints.save(output, network.half(), recipe, **checkpoints.results(source))
