"""A trained student in use: engines, exported files, eight bits. Nothing here imports PyTorch before it is needed."""

from kdsharp.deploy.engines.base import Engine, find_engine, register
from kdsharp.deploy.sharpen import (
    Sharpener,
    best_engine,
    check_strength,
    engines_at_hand,
    exported_file,
    load_student,
)

__all__ = [
    "Engine",
    "Sharpener",
    "best_engine",
    "check_strength",
    "engines_at_hand",
    "exported_file",
    "find_engine",
    "load_student",
    "register",
]
