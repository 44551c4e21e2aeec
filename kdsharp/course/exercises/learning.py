"""The exercises of notebooks 03 to 05: teachers, students, and what a student is asked for."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from kdsharp import evaluate, student
from kdsharp.course.exercises.diagnosis import Mistakes, compare, slips_of_a_gain
from kdsharp.course.exercises.engine import exercise
from kdsharp.degradation import degrade_picture
from kdsharp.distill import losses
from kdsharp.evaluate.score_card import CALLS
from kdsharp.recipes import Losses, Network, fixed_call, preset
from kdsharp.teacher import Teacher


@exercise(
    "03.1", "PSNR of the teacher's picture minus PSNR of the received frame, both against the original."
)
def gain_on_a_clean_frame(gain: float, guide: Teacher, hr: np.ndarray) -> str | None:
    def seen(quality: float) -> tuple[np.ndarray, np.ndarray]:
        sent, received = degrade_picture(hr, fixed_call(2, quality))
        return evaluate.teacher_picture(guide, sent, hr), received

    target, received = seen(100)

    def mistakes() -> Mistakes:
        yield from slips_of_a_gain(target, received, hr)
        usual, blocky = seen(70)
        there = evaluate.psnr(usual, hr) - evaluate.psnr(blocky, hr)
        yield there, "That is the gain at quality 70: the clean frame has quality 100."
        yield (
            evaluate.psnr(target, hr) - evaluate.psnr(blocky, hr),
            "The teacher saw the clean frame, and you subtracted the PSNR of the other one.",
        )

    right = evaluate.psnr(target, hr) - evaluate.psnr(received, hr)
    return compare(gain, right, mistakes(), tolerance=0.02, unit="dB")  # a GPU adds in another order


@exercise("03.2", "Try 0, 4, 8, ... and keep the first overlap whose largest error is at most 1 of 255.")
def smallest_overlap(overlap: int, error_of: Callable[[int], float]) -> str | None:
    if overlap != int(overlap) or overlap % 4 or overlap < 0:
        return f"{overlap:g} is no multiple of 4: an overlap in pixels was asked for, not the error."
    if (left := error_of(int(overlap))) > 1:
        return f"With {overlap} pixels, an error of {left:.2f} is left: more is needed."
    if overlap and (before := error_of(int(overlap) - 4)) <= 1:
        return f"Four pixels fewer are enough as well: their error is {before:.2f}."
    return None


@exercise("04.1", "student.build the preset's student, then student.parameters.")
def parameters_of_x4(count: int) -> str | None:
    def layers(planes: int) -> list[tuple[int, int]]:
        return [(planes, 32), (32, 32), (32, 32), (32, 32), (32, 32), (32, planes * 16)]

    def total(planes: int = 3, taps: int = 9, bias: int = 1) -> int:
        return sum(taps * inputs * outputs + bias * outputs for inputs, outputs in layers(planes))

    def mistakes() -> Mistakes:
        yield total(bias=0), "You left out the biases: one value for each output channel of a layer."
        yield total(planes=1), "That is the count for luma: RGB goes in, and RGB comes out."
        yield total(taps=1), "A kernel of 3x3 has nine weights for each pair of channels."
        yield (
            total() - sum(9 * inputs * outputs + outputs for inputs, outputs in layers(3)[::5]),
            "The first and the last layer are missing.",
        )
        call = student.build(preset("video-call").student)
        yield student.parameters(call), "That is the student of `video-call`: the preset is `real-esrgan`."
        x4 = student.build(preset("real-esrgan").student)
        yield (
            student.multiply_adds(x4, 270, 480),
            "Those are the multiply-adds of a frame, not the parameters.",
        )

    return compare(count, total(), mistakes(), tolerance=0)


@exercise("04.2", "Fold more (unshuffle) instead of adding layers, and keep the channels few.")
def wide_and_light(options: Mapping[str, int]) -> str | None:
    names = ("unshuffle", "channels", "body")
    if set(options) != set(names):
        return f"These three are asked for, and no others: {', '.join(names)}."
    network = student.build(Network("student", {"scale": 1, "colour": "luma"} | dict(options)))
    reach = network.unshuffle * (2 * (options["body"] + 2) + 1)
    count = student.parameters(network)
    wrong = [f"It sees {reach} pixels, and 40 were asked for."] if reach < 40 else []
    wrong += (
        [f"It has {count:,} parameters, and fewer than 10,000 were asked for."] if count >= 10_000 else []
    )
    return " ".join(wrong) or None


@exercise(
    "05.1", "Send `photo` through kdsharp.fixed_call(...), and subtract the PSNR-Y of the two students."
)
def what_a_teacher_added(
    ahead: dict[str, float], networks: dict[str, Callable], photo: np.ndarray
) -> str | None:
    received = {severity: degrade_picture(photo, call)[1] for severity, call in CALLS.items()}

    def scores(name: str, ruler: Callable = evaluate.psnr, **channel: str) -> dict[str, float]:
        make = networks[name] if name else lambda picture: picture
        return {each: ruler(make(picture), photo, **channel) for each, picture in received.items()}

    def apart(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
        return {severity: one[severity] - other[severity] for severity in CALLS}

    taught, alone = scores("fidelity"), scores("alone")

    def mistakes() -> Mistakes:
        nothing = scores("")
        yield taught, "Those are the PSNR of the taught student: subtract those of the one that learnt alone."
        yield (
            apart(taught, nothing),
            "That is what `fidelity` gains over the received frame, not over `alone`.",
        )
        yield apart(alone, nothing), "That is what `alone` gains over the received frame."
        colour = apart(scores("fidelity", channel="rgb"), scores("alone", channel="rgb"))
        yield colour, "Those are the values for RGB; luma (Y) was asked for."
        similar = apart(scores("fidelity", evaluate.ssim), scores("alone", evaluate.ssim))
        yield similar, "Those are differences in SSIM, not in PSNR."
        if "perceptual" in networks:
            yield (
                apart(scores("perceptual"), alone),
                "That is the perceptual student; `fidelity` was asked for.",
            )

    return compare(ahead, apart(taught, alone), mistakes(), unit="dB")


@exercise("05.2", "The mean of absolute differences, once to hr and once to target, each times its weight.")
def own_loss(loss: Callable[[Tensor, Tensor, Tensor], Tensor], weights: Losses) -> str | None:
    generator = torch.Generator().manual_seed(0)
    output, hr, target = (torch.rand(2, 1, 8, 8, generator=generator) for _ in range(3))
    made = loss(output.requires_grad_(), hr, target)
    if not isinstance(made, Tensor):
        return f"A loss is a tensor, and this is {'nothing' if made is None else f'a {type(made).__name__}'}."
    if made.numel() > 1:
        return f"It gives {made.numel()} numbers: a loss is one, their mean."
    if not made.requires_grad:
        return "No gradient can flow back through it: compute with tensors from end to end."
    made, output = made.item(), output.detach()
    terms = losses.distillation_loss(output, hr, target, weights, None)
    to_hr, to_target = output - hr, output - target

    def weighed(of: Callable[[Tensor], Tensor], by: Sequence[float] = (weights.hr, weights.teacher)) -> float:
        return float(by[0] * of(to_hr) + by[1] * of(to_target))

    def absolute(difference: Tensor) -> Tensor:
        return difference.abs().mean()

    mistakes = [
        (
            weighed(lambda one: one.square().mean()),
            "Those are squared differences (L2): L1 takes absolute ones.",
        ),
        (weighed(lambda one: one.abs().sum()), "You have added up over the pixels: a mean was asked for."),
        (
            weighed(lambda one: one.mean()),
            "Differences of both signs cancel out: take absolute values first.",
        ),
        (weighed(absolute, (1, 1)), "The weights are missing."),
        (weighed(absolute, (weights.teacher, weights.hr)), "The two weights are exchanged."),
        (weighed(absolute, (weights.hr, 0)), "The distance to the target is missing."),
        (weighed(absolute, (0, weights.teacher)), "The distance to the original is missing."),
    ]
    return compare(made, float(terms["loss"]), mistakes, tolerance=1e-6)
