"""`kdsharp export`: a student as a file for other runtimes."""

from argparse import Namespace
from pathlib import Path

from kdsharp.apps.cli.arguments import Commands, add_force, command
from kdsharp.errors import KdsharpError


def add(commands: Commands) -> None:
    added = command(commands, "export", run, "write a student as ONNX or, for phones, as LiteRT (1080p)")
    added.add_argument("student", help="a published name or a safetensors file")
    added.add_argument("output", type=Path, metavar="OUT", help="ends in .onnx or .tflite")
    added.add_argument("--int8", action="store_true", help="with 8-bit convolutions")
    add_force(added)


def run(chosen: Namespace) -> None:
    from kdsharp import recipes
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
        size = (recipes.shrunk(1080, recipe.scale), recipes.shrunk(1920, recipe.scale))
        mobile.to_litert(network, output, size)
    else:
        content = sharpen.exported_file(source, chosen.int8).read_bytes()
        with files.atomic_write(output) as handle:
            handle.write(content)
    print(output)
