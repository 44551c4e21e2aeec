"""What notebooks are made of: how they begin, their figures, panels and exercises, and the runner of them all."""

from kdsharp.course.start import Start, begin

__all__ = ["Start", "begin"]
