"""What people use: pictures, videos, calls and pages; the command line is `kdsharp.apps.cli`."""

from importlib import import_module
from types import ModuleType

__all__ = ["batch", "call", "camera", "extension", "live", "pictures", "video", "web"]


def __getattr__(name: str) -> ModuleType:
    """`apps.video` and its like, imported when they are asked for: the command line's help needs none of them."""
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
