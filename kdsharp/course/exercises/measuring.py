"""The exercises of notebooks 06 and 07: quality, and time."""

from collections.abc import Callable, Sequence

import numpy as np

from kdsharp import evaluate, student
from kdsharp.course.exercises.diagnosis import Mistakes, compare
from kdsharp.course.exercises.engine import exercise
from kdsharp.recipes import Network

_RATE = 10e9  # bytes a second, of exercise 07.1


@exercise("06.1", "10 log10(255^2 / MSE), computed in floating point.")
def own_psnr(psnr: Callable[[np.ndarray, np.ndarray], float]) -> str | None:
    random = np.random.default_rng(0)
    first = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    pairs = []
    for strength in (5, 40):
        noisy = first + random.normal(0, strength, first.shape)
        pairs.append((first, np.clip(np.rint(noisy), 0, 255).astype(np.uint8)))

    def by(ruler: Callable[[np.ndarray, np.ndarray], float]) -> list[float]:
        return [float(ruler(*pair)) for pair in pairs]

    def of_error(function: Callable[[np.floating], float]) -> list[float]:
        return by(lambda one, other: function(np.mean((one.astype(float) - other) ** 2)))

    def mistakes() -> Mistakes:
        yield by(evaluate.psnr), "That is PSNR on luma (Y): all three colours were asked for."
        yield by(evaluate.ssim), "That is SSIM, not PSNR."
        wrapped = "Differences of uint8 wrap around at 0: turn both pictures into floats first."
        yield by(lambda one, other: 10 * np.log10(255**2 / np.mean((one - other) ** 2))), wrapped
        yield (
            by(lambda one, other: 10 * np.log10(255**2 / np.mean((one - other).astype(float) ** 2))),
            wrapped,
        )
        yield of_error(lambda error: 10 * np.log(255**2 / error)), "That is the natural logarithm: log10."
        yield of_error(lambda error: 10 * np.log10(255 / error)), "The 255 is not squared."
        yield (
            of_error(lambda error: 20 * np.log10(255**2 / error)),
            "20 goes with the root of the error, 10 with the MSE.",
        )
        yield of_error(lambda error: 10 * np.log10(1 / error)), "The peak of these pictures is 255, not 1."
        yield of_error(lambda error: np.log10(255**2 / error)), "These are bels: a decibel is a tenth of one."
        yield of_error(lambda error: error), "That is the mean squared error itself."

    right = by(lambda one, other: evaluate.psnr(one, other, channel="rgb"))
    return compare([psnr(*pair) for pair in pairs], right, mistakes(), tolerance=1e-6, unit="dB")


@exercise("06.2", "kdsharp.psnr(kdsharp.unsharp(received, 1.5, amount), photo) for each of the nine amounts.")
def best_amount(best: float, tried: Sequence[float], received: np.ndarray, photo: np.ndarray) -> str | None:
    amounts = np.linspace(0, 2, 9)

    def scores(
        radius: float = 1.5, ruler: Callable = evaluate.psnr, against: np.ndarray = photo, **channel: str
    ) -> list[float]:
        return [ruler(evaluate.unsharp(received, radius, one), against, **channel) for one in amounts]

    def mistakes() -> Mistakes:
        yield scores(channel="rgb"), "Those are the values for RGB: kdsharp.psnr as it is takes luma (Y)."
        yield scores(ruler=evaluate.ssim), "Those are SSIM: PSNR was asked for."
        for radius in (1.0, 2.0, 0.7):
            yield scores(radius), f"Those are the values for a radius of {radius:g}: 1.5 was asked for."
        # The unsharp mask of amount 0 changes nothing: the first of these is infinite.
        yield (
            [min(value, 1e9) for value in scores(against=received)],
            "You compared with the received frame, and not with the original.",
        )

    right = scores()
    if len(tried) != len(amounts):
        return f"`tried` holds {len(tried)} numbers: nine amounts, 0, 0.25, ..., 2, were asked for."
    given = [min(float(value), 1e9) for value in tried]
    if wrong := compare(given, right, mistakes(), unit="dB"):
        return wrong
    place = int(np.argmax(right))
    slips = [
        (max(right), "`best` is the highest PSNR: the amount that reaches it was asked for."),
        (place, "`best` is its place in the list, counted from 0: the amount was asked for."),
        (amounts[int(np.argmin(right))], "That amount has the lowest PSNR of all."),
    ]
    return compare(best, float(amounts[place]), slips, tolerance=1e-6)


@exercise(
    "07.1", "height x width x colours x bytes, read once and written once, divided by 10e9 bytes a second."
)
def milliseconds_of_a_pass(pass_ms: Callable[[int, int, int, int], float]) -> str | None:
    frames = [(1080, 1920, 3, 4), (1080, 1920, 1, 1), (720, 1280, 3, 1), (360, 640, 1, 4)]

    def each(time_of: Callable[[int, int, int, int], float]) -> list[float]:
        return [time_of(*frame) for frame in frames]

    right = each(lambda *frame: 2 * np.prod(frame) / _RATE * 1000)
    mistakes = [
        (np.divide(right, 2), "You counted one way of two: what is read is also written."),
        (np.multiply(right, 8), "You counted bits: the rate is in bytes a second."),
        (each(lambda h, w, c, b: 2 * h * w * b / _RATE * 1000), "The colours are missing."),
        (each(lambda h, w, c, b: 2 * h * w * c / _RATE * 1000), "The bytes of a value are missing."),
        (np.multiply(right, 1e9 / 2**30), "You took GiB (2^30 bytes): the rate is 10 GB, 10e9 bytes."),
        (each(lambda *frame: 2 * np.prod(frame) / 1e6), "Those are megabytes: divide by the rate."),
        (np.divide(1000, right), "Those are passes a second: milliseconds for one were asked for."),
    ]
    return compare(each(pass_ms), right, mistakes, tolerance=1e-3, unit="ms")


@exercise("07.2", "Fewer channels or body layers; speed.multiply_adds of the settings must be below half.")
def half_the_work(changed: dict, options: dict) -> str | None:
    if not changed or not changed.keys() <= {"channels", "body"}:
        return "A change of `channels`, of `body` or of both was asked for, and of nothing else."

    def cost(chosen: dict) -> int:
        return student.multiply_adds(student.build(Network("student", chosen)), 1080, 1920)

    share = cost(options | changed) / cost(options)
    return None if share < 0.5 else f"That leaves {share:.0%} of the multiply-adds."
