"""What a wrong answer is: known mistakes are computed and recognised, others get a direction and a rough distance."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from kdsharp import evaluate

Numbers = float | Sequence[float] | Mapping[str, float]
# What a mistake would give, and what is said to whoever made it.
Mistakes = Iterable[tuple[Numbers, str]]

# What is wrong where the right answer, times this, was given.
_SLIPS = {
    -1: "The sign is turned round.",
    1000: "It is a thousand times too large: look at the unit.",
    0.001: "It is a thousand times too small: look at the unit.",
    100: "It is a hundred times too large: is it in percent?",
    0.01: "It is a hundred times too small: look at the unit.",
}


def compare(
    answer: Numbers, right: Numbers, mistakes: Mistakes = (), tolerance: float = 0.01, unit: str = ""
) -> str | None:
    """What is wrong with a number, or with several (in order, or by name); None where all are right.

    Args:
        mistakes: looked at one after the other, and only if the answer is wrong: they may take time to compute.
        tolerance: how far an answer, or a mistake, may be from what was computed here.
        unit: of the distance that is told where no mistake fits.
    """
    wanted = np.atleast_1d(np.asarray(_values(right, right), float))
    try:
        given = np.atleast_1d(np.asarray(_values(answer, right), float))
    except KeyError as error:
        return f"There is nothing named {error}: {', '.join(map(repr, right))} were asked for."
    except (TypeError, ValueError):
        return f"A number was asked for, and this is {answer!r:.60}."
    if given.shape != wanted.shape:
        return f"{wanted.size} numbers were asked for, not {given.size}."

    def alike(value: np.ndarray, allowed: float | np.ndarray = tolerance) -> bool:
        return bool(np.all(np.abs(given - value) <= allowed))

    if alike(wanted):
        return None
    for value, said in mistakes:
        if alike(np.asarray(_values(value, right), float)):
            return said
    for factor, said in _SLIPS.items():
        size = np.abs(factor * wanted)  # what slipped a unit was perhaps rounded in it
        if wanted.any() and alike(
            factor * wanted, np.clip(tolerance * abs(factor), 0.005 * size, 0.05 * size)
        ):
            return said
    if not np.isfinite(given).all():
        return f"A finite number was asked for, and this is {answer!r:.60}."
    return _how_far(given - wanted, right, unit)


def _values(numbers: Numbers, right: Numbers) -> object:
    """Numbers by name in the order of the right ones, others as they are. Raises KeyError for a missing name."""
    if not isinstance(right, Mapping):
        return numbers
    if not isinstance(numbers, Mapping):
        raise TypeError("a dictionary was asked for")
    return [numbers[name] for name in right]


def _how_far(distance: np.ndarray, right: Numbers, unit: str) -> str:
    """Direction and order of magnitude of the largest distance: enough to look for the mistake, too little to copy."""
    worst = int(np.argmax(np.abs(distance)))
    names = list(right) if isinstance(right, Mapping) else [f"Number {n + 1}" for n in range(distance.size)]
    subject = names[worst] if distance.size > 1 else "It"
    limit = f"less than {10.0 ** (math.floor(math.log10(abs(distance[worst]))) + 1):g} {unit}".rstrip()
    return f"{subject} is too {'high' if distance[worst] > 0 else 'low'}, by {limit}."


def slips_of_a_gain(made: np.ndarray, received: np.ndarray, hr: np.ndarray) -> Iterator[tuple[float, str]]:
    """What else people compute for a gain in PSNR-Y of `made` over `received`; all are `uint8` RGB of one size."""
    yield evaluate.psnr(made, hr), "That is the PSNR of the new picture alone: subtract the received frame's."
    yield evaluate.psnr(received, hr), "You measured the received frame, and nothing else."
    yield (
        evaluate.psnr(made, received),
        "You compared the picture with the received frame: the original is the judge of both.",
    )
    yield evaluate.ssim(made, hr) - evaluate.ssim(received, hr), "This is a gain in SSIM, not in PSNR."
    in_colour = [evaluate.psnr(picture, hr, channel="rgb") for picture in (made, received)]
    yield in_colour[0] - in_colour[1], "That is the value for RGB; luma (Y) was asked for."


def not_a_picture(made: object, shape: tuple[int, ...]) -> str | None:
    """What is wrong with something that should be a `uint8` picture of this shape; None where nothing is."""
    if made is None:
        return "Your function returns nothing: is `return` missing?"
    if not isinstance(made, np.ndarray):
        return f"A picture is a NumPy array, and this is a {type(made).__name__}."
    if made.shape != shape:
        return f"The picture has the shape {made.shape}, and {shape} was asked for."
    if made.dtype != np.uint8:
        return f"The picture holds {made.dtype}: round, clip to 0..255, and turn it into uint8."
    return None
