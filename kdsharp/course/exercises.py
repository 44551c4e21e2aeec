"""The checks of the exercises: each looks at what the reader's cell has made, and says whether it is solved.

A notebook calls `check("02.1", ...)` with the reader's answer and what it needs to be judged. An unsolved exercise
prints a hint and lets the notebook go on. To see how an answer is judged, read the function of that number.
"""

from collections.abc import Callable

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio
from torch.nn import functional as F

from kdsharp import evaluate, student
from kdsharp.degradation import degrade_picture, kernels
from kdsharp.distill import losses
from kdsharp.evaluate.score_card import CALLS
from kdsharp.recipes import Losses, Network, Recipe

CHECKS: dict[str, tuple[Callable[..., bool], str]] = {}


def check(number: str, *answers: object) -> bool:
    """Judge an answer; prints one line and returns whether it is right.

    A wrong kind of answer (None, a function that raises) is an unsolved exercise and not an error of the notebook.
    """
    judge, hint = CHECKS[number]
    try:
        solved = all(answer is not None for answer in answers) and bool(judge(*answers))
        reason = ""
    except Exception as error:  # it is the reader's code that runs here: any mistake is possible
        solved, reason = False, f" ({type(error).__name__}: {error})"
    print(f"Exercise {number}: solved." if solved else f"Exercise {number}: not yet. {hint}{reason}")
    return solved


def _exercise(number: str, hint: str) -> Callable[[Callable[..., bool]], Callable[..., bool]]:
    def register(judge: Callable[..., bool]) -> Callable[..., bool]:
        CHECKS[number] = (judge, hint)
        return judge

    return register


@_exercise("00.1", "Degrade with kdsharp.fixed_call(3, 50) and subtract two PSNR values.")
def _gain_of_a_worse_call(gain: float, received: np.ndarray, sharpened: np.ndarray, hr: np.ndarray) -> bool:
    expected = evaluate.psnr(sharpened, hr) - evaluate.psnr(received, hr)
    return received.shape == hr.shape and evaluate.psnr(received, hr) < 28 and abs(gain - expected) < 0.01


@_exercise("00.2", "Subtract a blurred copy: frame + amount * (frame - blurred), clipped to 0..255 as uint8.")
def _own_sharpener(mine: Callable, received: np.ndarray, hr: np.ndarray) -> bool:
    made = mine(received)
    return made.dtype == np.uint8 and evaluate.psnr(made, hr) > evaluate.psnr(received, hr) + 0.2


@_exercise("01.1", "Count the values of `energy` that are below 3, and divide by how many there are.")
def _flat_share(share: float, energy: list[float]) -> bool:
    return abs(share - sum(value < 3 for value in energy) / len(energy)) < 1e-9


@_exercise("01.2", "Four quarter turns (np.rot90) of the crop and four of its mirror image.")
def _eight_views(views: list[np.ndarray], crop: np.ndarray) -> bool:
    distinct = {view.tobytes() for view in views}
    same_pixels = all(np.array_equal(np.sort(view, axis=None), np.sort(crop, axis=None)) for view in views)
    return len(views) == len(distinct) == 8 and same_pixels


@_exercise("02.1", "Keep the PSNR of both orders as two numbers, JPEG first and JPEG last.")
def _order_matters(first: float, last: float) -> bool:
    return 15 < last < first < 45


@_exercise("02.2", "Twenty-five equal weights that add up to 1, of the shape (1, 5, 5).")
def _box_blur(kernel: torch.Tensor, hr: torch.Tensor) -> bool:
    mean = F.avg_pool2d(F.pad(hr, (2, 2, 2, 2), mode="reflect"), 5, stride=1)
    return kernel.shape == (1, 5, 5) and torch.allclose(kernels.convolve(hr, kernel), mean, atol=1e-5)


@_exercise(
    "03.1", "PSNR of the teacher's picture minus PSNR of the received frame, both against the original."
)
def _gain_on_a_clean_frame(gain: float, target: np.ndarray, received: np.ndarray, hr: np.ndarray) -> bool:
    return abs(gain - evaluate.psnr(target, hr) + evaluate.psnr(received, hr)) < 0.01


@_exercise("03.2", "Try 0, 4, 8, ... and keep the first overlap whose largest error is at most 1 of 255.")
def _smallest_overlap(overlap: int, error_of: Callable[[int], float]) -> bool:
    return overlap % 4 == 0 and error_of(overlap) <= 1 and (overlap == 0 or error_of(overlap - 4) > 1)


@_exercise("04.1", "student.build the preset's student, then student.parameters.")
def _parameters_of_x4(count: int) -> bool:
    layers = [(3, 32), (32, 32), (32, 32), (32, 32), (32, 32), (32, 3 * 16)]
    return count == sum(9 * inputs * outputs + outputs for inputs, outputs in layers)


@_exercise("04.2", "Fold more (unshuffle) instead of adding layers, and keep the channels few.")
def _wide_and_light(options: dict) -> bool:
    network = student.build(Network("student", {"scale": 1, "colour": "luma"} | options))
    reach = network.unshuffle * (2 * (options["body"] + 2) + 1)
    return reach >= 40 and student.parameters(network) < 10_000


@_exercise(
    "05.1", "Send `photo` through kdsharp.fixed_call(...) and subtract the PSNR-Y of the two students."
)
def _what_a_teacher_added(ahead: dict[str, float], networks: dict[str, Callable], photo: np.ndarray) -> bool:
    expected = {}
    for severity, call in CALLS.items():
        _, received = degrade_picture(photo, call)
        taught, alone = (evaluate.psnr(networks[name](received), photo) for name in ("fidelity", "alone"))
        expected[severity] = taught - alone
    return ahead.keys() == expected.keys() and all(
        abs(ahead[severity] - value) < 0.01 for severity, value in expected.items()
    )


@_exercise("05.2", "The mean of absolute differences, once to hr and once to target, each times its weight.")
def _own_loss(loss: Callable, weights: Losses) -> bool:
    generator = torch.Generator().manual_seed(0)
    output, hr, target = (torch.rand(2, 1, 8, 8, generator=generator) for _ in range(3))
    terms = losses.distillation_loss(output, hr, target, weights, None)
    return abs(float(loss(output, hr, target)) - float(terms["loss"])) < 1e-6


@_exercise("06.1", "10 log10(255^2 / MSE), computed in floating point: uint8 differences wrap around.")
def _own_psnr(psnr: Callable) -> bool:
    random = np.random.default_rng(0)
    first, second = (random.integers(0, 256, (16, 16, 3), dtype=np.uint8) for _ in range(2))
    return abs(psnr(first, second) - peak_signal_noise_ratio(first, second, data_range=255)) < 1e-6


@_exercise("06.2", "Score the amounts 0, 0.25, ..., 2 with radius 1.5 on this photograph and keep the best.")
def _best_amount(best: float, received: np.ndarray, photo: np.ndarray) -> bool:
    amounts = np.linspace(0, 2, 9)
    scores = [evaluate.psnr(evaluate.unsharp(received, 1.5, amount), photo) for amount in amounts]
    return abs(best - amounts[int(np.argmax(scores))]) < 1e-9


@_exercise(
    "07.1", "Height x width x 3 colours x 4 bytes, read once and written once; divide by 10e9 bytes/s."
)
def _copy_milliseconds(milliseconds: float) -> bool:
    return abs(milliseconds - 2 * 1080 * 1920 * 3 * 4 / 10e9 * 1000) < 0.1


@_exercise("07.2", "Fewer channels or body layers; speed.multiply_adds of the settings must be below half.")
def _half_the_work(changed: dict, options: dict) -> bool:
    def cost(chosen: dict) -> int:
        return student.multiply_adds(student.build(Network("student", chosen)), 1080, 1920)

    return cost(options | changed) < 0.5 * cost(options)


@_exercise("08.1", "Run the command on the folder, then read what it wrote, in the order of the names.")
def _three_pictures(pictures: list[np.ndarray], width: int, height: int) -> bool:
    return len(pictures) == 3 and all(picture.shape == (height, width, 3) for picture in pictures)


@_exercise("08.2", "frame + strength * (sharpened - frame) in floating point, rounded and clipped to uint8.")
def _strength(blend: Callable) -> bool:
    frame, sharpened = np.full((4, 4, 3), 100, np.uint8), np.full((4, 4, 3), 250, np.uint8)
    expected = {0.0: 100, 0.5: 175, 1.0: 250, 2.0: 255}
    made = {strength: blend(frame, sharpened, strength) for strength in expected}
    kept = all(picture.dtype == np.uint8 for picture in made.values())
    return kept and all(np.all(made[strength] == value) for strength, value in expected.items())


@_exercise("09.1", "Evaluate with dirty_share 0 and 1, and subtract the PSNR-Y of each method.")
def _cost_of_dirt(lost: dict[str, float]) -> bool:
    return {"bicubic", "unsharp mask", "student"} <= set(lost) and all(
        0 < value < 15 for value in lost.values()
    )


@_exercise("09.2", 'kdsharp.override takes a list such as ["losses.hr=0.5"].')
def _half_teacher(changed: Recipe, recipe: Recipe) -> bool:
    weights = (changed.losses.hr, changed.losses.teacher)
    return weights == (0.5, 0.5) and changed.degradation == recipe.degradation and changed.name == recipe.name
