"""Students as shaders, without PyTorch: GLSL for players (mpv, libplacebo), WGSL for browsers (WebGPU)."""

from pathlib import Path

from kdsharp.deploy.shaders import glsl, plain, wgsl

WRITERS = {".glsl": glsl.text, ".wgsl": wgsl.text}


def text(path: Path, ending: str) -> str:
    """The student in a file of ours as a shader, `.glsl` or `.wgsl`. Raises KdsharpError where `plain.read` does."""
    return WRITERS[ending](plain.read(path))
