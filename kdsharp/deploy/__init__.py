"""A trained student in use: engines, exported files, eight bits. Nothing here imports PyTorch before it is needed."""

from kdsharp.deploy.sharpen import Sharpener, best_engine, engines_at_hand, load_student

__all__ = ["Sharpener", "best_engine", "engines_at_hand", "load_student"]
