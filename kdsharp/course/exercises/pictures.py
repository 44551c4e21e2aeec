"""The exercises of notebooks 00 to 02: calls, crops and damage."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from kdsharp import data, evaluate
from kdsharp.course.exercises.diagnosis import Mistakes, compare, not_a_picture, slips_of_a_gain
from kdsharp.course.exercises.engine import exercise
from kdsharp.degradation import degrade_picture, resize
from kdsharp.degradation.jpeg import jpeg
from kdsharp.deploy import Sharpener
from kdsharp.recipes import fixed_call

Sharpen = Callable[[np.ndarray], np.ndarray]


@exercise(
    "00.1",
    "kdsharp.degrade(hr, kdsharp.fixed_call(3, 50)) gives the sent and the received frame; subtract two PSNR.",
)
def gain_of_a_worse_call(gain: float, bad: np.ndarray, student: Sharpen, hr: np.ndarray) -> str | None:
    sent, received = degrade_picture(hr, fixed_call(3, 50))
    if not np.array_equal(bad, received):
        return _another_frame(bad, sent, hr)

    def mistakes() -> Mistakes:
        yield from slips_of_a_gain(student(received), received, hr)
        _, better = degrade_picture(hr, fixed_call(2, 70))
        usual = evaluate.psnr(student(better), hr) - evaluate.psnr(better, hr)
        yield usual, "That is the gain at the call of section 3: the student has to see the worse frame."

    right = evaluate.psnr(student(received), hr) - evaluate.psnr(received, hr)
    return compare(gain, right, mistakes(), unit="dB")


def _another_frame(bad: np.ndarray, sent: np.ndarray, hr: np.ndarray) -> str:
    if np.array_equal(bad, sent):
        return "`bad` is the small frame that was sent: take what the receiver makes of it, the second of the two."
    for call in ((2, 70), (3, 70), (2, 50)):
        if np.array_equal(bad, degrade_picture(hr, fixed_call(*call))[1]):
            return f"`bad` went through a call of {call}: shrink 3 and quality 50 were asked for."
    return "`bad` is not what a call of shrink 3 and quality 50 leaves of `hr`."


@exercise(
    "00.2",
    "Subtract a blurred copy: frame + amount * (frame - blurred), rounded, clipped to 0..255, as uint8.",
)
def own_sharpener(mine: Sharpen, received: np.ndarray, hr: np.ndarray) -> str | None:
    if isinstance(mine, Sharpener):
        return "That is a network: a function without one was asked for."
    made = mine(received.copy())
    if wrong := not_a_picture(made, received.shape):
        return wrong
    nothing = evaluate.psnr(received, hr)
    gain = evaluate.psnr(made, hr) - nothing
    if gain > 0.2:
        mirrored = mine(received[:, ::-1].copy())
        if evaluate.psnr(mirrored, hr[:, ::-1]) > nothing + 0.2:
            return None
        return (
            "It gains on this frame and not on its mirror image: does it look at the frame that it is given?"
        )
    if np.array_equal(made, received):
        return "Your function gives the frame back as it was."
    if np.mean(np.abs(made.astype(int) - received) > 200) > 0.002:
        return "Some values have wrapped around, from white to black: compute in floats, and clip before the cast."
    if _crispness(made) < _crispness(received):
        return "The picture got softer: the blurred copy is subtracted, not added."
    if gain < 0:
        return "The picture got crisper, and further from the original: take a smaller amount."
    return f"It gains {gain:.2f} dB: the direction is right, and 0.2 dB were asked for."


def _crispness(picture: np.ndarray) -> float:
    return float(np.abs(np.diff(evaluate.luma(picture), axis=1)).mean())


@exercise("01.1", "Count the values of `energy` that are below 3, and divide by how many there are.")
def flat_share(share: float, energy: list[float]) -> str | None:
    flat = sum(value < 3 for value in energy)
    mistakes = [
        (flat, "That is how many they are: a share is divided by the number of crops."),
        (1 - flat / len(energy), "That is the share of the crops that are not flat."),
        (float(np.mean(energy)), "That is the mean energy: count the crops below 3."),
        (3 / len(energy), "Count the crops whose energy is below 3, not the 3 itself."),
    ]
    return compare(share, flat / len(energy), mistakes, tolerance=0.005)


@exercise("01.2", "Four quarter turns (np.rot90) of the crop, and four of its mirror image.")
def eight_views(views: list[np.ndarray], crop: np.ndarray) -> str | None:
    turned, mirrored = (
        {np.rot90(side, turns).tobytes() for turns in range(4)} for side in (crop, crop[:, ::-1])
    )
    for number, view in enumerate(views, 1):
        if wrong := not_a_picture(view, crop.shape):
            return f"View {number}: {wrong}"
        if view.tobytes() not in turned | mirrored:
            if view[..., ::-1].tobytes() in turned | mirrored:
                return f"View {number} has red and blue exchanged: turn the first two axes, not the colours."
            return f"View {number} is neither a turn nor a mirror image of the crop: its pixels were changed."
    made = {view.tobytes() for view in views}
    if made == turned | mirrored:
        return (
            None if len(views) == len(made) else f"All are there, and {len(views) - len(made)} of them twice."
        )
    if made == turned:
        return "You have the quarter turns: those of the mirror image are missing."
    twice = f" ({len(views)} were given, and some of them are the same)" if len(views) > len(made) else ""
    return f"{len(made)} of the eight views are there{twice}."


@exercise(
    "02.1", "Two lines: resize(jpeg(hr, ...), ...) and jpeg(resize(hr, ...), ...); then enlarge both alike."
)
def order_matters(first: float, last: float, image: np.ndarray) -> str | None:
    hr, names = data.to_tensor(image), ("first", "last")
    right = dict(zip(names, _both_orders(hr, image), strict=True))

    def mistakes() -> Iterator[tuple[dict[str, float], str]]:
        yield {"first": right["last"], "last": right["first"]}, "The two are exchanged."
        in_colour = dict(zip(names, _both_orders(hr, image, channel="rgb"), strict=True))
        yield in_colour, "Those are the values for RGB: kdsharp.psnr as it is takes luma (Y)."
        for quality in (70, 90):
            milder = dict(zip(names, _both_orders(hr, image, quality=quality), strict=True))
            yield milder, f"Those are the values for quality {quality}: 30 was asked for."
        bicubic = dict(zip(names, _both_orders(hr, image, large="bicubic"), strict=True))
        yield bicubic, "You enlarged bicubically: both orders are enlarged bilinearly here."
        whole = evaluate.psnr(data.to_image(jpeg(hr, torch.tensor([30.0]))), image)
        yield (
            right | {"first": whole},
            "`first` was not shrunk: after the JPEG come the shrink and the enlargement.",
        )

    return compare({"first": first, "last": last}, right, mistakes(), tolerance=0.05, unit="dB")


def _both_orders(
    hr: Tensor, image: np.ndarray, quality: float = 30, large: str = "bilinear", channel: str = "y"
) -> Iterator[float]:
    """PSNR of JPEG before, and of JPEG after, a shrink by 2 (area)."""
    size, strength = image.shape[:2], torch.tensor([float(quality)])
    half = (size[0] // 2, size[1] // 2)
    for small in (resize(jpeg(hr, strength), half, "area"), jpeg(resize(hr, half, "area"), strength)):
        yield evaluate.psnr(data.to_image(resize(small, size, large)), image, channel=channel)


@exercise("02.2", "Twenty-five equal weights that add up to 1, of the shape (1, 5, 5).")
def box_blur(kernel: Tensor) -> str | None:
    if not isinstance(kernel, Tensor):
        return f"A kernel is a tensor of PyTorch here, and this is a {type(kernel).__name__}."
    if kernel.shape == (5, 5):
        return "The axis of the batch is missing: the shape is (1, 5, 5)."
    if kernel.shape != (1, 5, 5):
        return f"The shape is {tuple(kernel.shape)}, and (1, 5, 5) was asked for."
    total = float(kernel.sum())
    if abs(total - 1) > 1e-4:
        return f"The weights add up to {total:g}: the picture would be {total:g} times as bright."
    if kernel.max() - kernel.min() > 1e-6:
        return "The weights differ: a box weighs all of its 25 pixels alike."
    return None
