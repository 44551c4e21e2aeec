"""Students as shaders, without PyTorch: GLSL for players (mpv, libplacebo)."""

from pathlib import Path

from kdsharp.deploy.shaders import glsl, plain

WRITERS = {".glsl": glsl.text}


def text(path: Path, ending: str) -> str:
    """The student in a file of ours as a shader: `.glsl` for mpv. Raises KdsharpError for others than `plain.read` takes."""
    return WRITERS[ending](plain.read(path))
