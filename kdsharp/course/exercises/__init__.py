"""The exercises: each looks at what the reader's cell has made, and says what is right, or what went wrong.

A notebook calls `check("02.1", ...)` with the reader's answer and with what it takes to compute the right one. To see
how an answer is judged, read the function of that number: 00 to 02 in `pictures`, 03 to 05 in `learning`, 06 and 07 in
`measuring`, 08 to 10 in `in_use`. `predict` asks for a guess before a result is there, `progress` says how far the
reader has come.
"""

from kdsharp.course.exercises import in_use, learning, measuring, pictures  # noqa: F401  each registers its checks
from kdsharp.course.exercises.engine import CHECKS, check, progress
from kdsharp.course.exercises.guesses import Guess, predict

__all__ = ["CHECKS", "Guess", "check", "predict", "progress"]
