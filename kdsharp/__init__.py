"""kdsharp: image sharpening by knowledge distillation, in the order of the course."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["load_student"]


def __getattr__(name: str) -> Any:
    """`kdsharp.load_student`, imported when it is asked for: `import kdsharp` alone stays instant."""
    if name == "load_student":
        from kdsharp.deploy.sharpen import load_student

        return load_student
    raise AttributeError(f"module 'kdsharp' has no attribute '{name}'")
