"""The exercises of notebooks 08 to 10: deployment, other systems, and all in one hour."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kdsharp import evaluate
from kdsharp.course.exercises.diagnosis import Mistakes, compare, not_a_picture, slips_of_a_gain
from kdsharp.course.exercises.engine import exercise
from kdsharp.recipes import Recipe, preset

_CUT = "The fraction is cut off, not rounded: np.rint before the cast."
_WRAPPED = "Values beyond 0 and 255 have wrapped around: np.clip before the cast."
_BYTES = "The difference of two uint8 pictures wraps around at 0: turn one into floats first."
_TURNED = "The strength is turned round: 0 has to give the frame, 1 the sharpened picture."


@exercise("08.1", "Run the command on the folder, then read what it wrote, in the order of the names.")
def three_pictures(
    pictures: list[np.ndarray], crops: list[np.ndarray], sharpen: Callable[[np.ndarray], np.ndarray]
) -> str | None:
    if len(pictures) != len(crops):
        return f"`pictures` holds {len(pictures)} of {len(crops)} pictures."
    if any(isinstance(picture, str | Path) for picture in pictures):
        return "Those are names of files: read them with kdsharp.read_image."
    right = [sharpen(crop) for crop in crops]
    for picture, wanted in zip(pictures, right, strict=True):
        if wrong := not_a_picture(picture, wanted.shape):
            return wrong

    def alike(some: Sequence[np.ndarray]) -> bool:  # engines differ by a level
        pairs = zip(pictures, some, strict=True)
        return all(one.shape == two.shape and np.abs(one.astype(int) - two).max() <= 2 for one, two in pairs)

    if alike(right):
        return None
    if alike(crops):
        return "Those are the crops as they were: read what the command wrote into the output folder."
    if all(any(np.abs(picture.astype(int) - one).max() <= 2 for one in right) for picture in pictures):
        return "The pictures are right, and their order is not: sort the names."
    if alike([sharpen(one) for one in right]):
        return "They were sharpened twice: is the output folder inside the other one?"
    return "Those are not the three crops as the student sharpens them: was another student, or other crops, at work?"


@exercise("08.2", "frame + strength * (sharpened - frame) in floating point, rounded and clipped to uint8.")
def strength(blend: Callable[[np.ndarray, np.ndarray, float], np.ndarray]) -> str | None:
    random = np.random.default_rng(0)
    frame, sharpened = (random.integers(0, 256, (16, 16, 3), dtype=np.uint8) for _ in range(2))
    detail, amounts = sharpened.astype(float) - frame, (0.0, 0.7071, 1.0, 1.4142)  # never half a level

    def rounded(values: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(values), 0, 255).astype(np.uint8)

    def wrapped(values: np.ndarray) -> np.ndarray:
        return values.astype(np.int64).astype(np.uint8)

    made = [blend(frame.copy(), sharpened.copy(), a) for a in amounts]
    for picture in made:
        if wrong := not_a_picture(picture, frame.shape):
            return wrong
    ways: dict[str | None, Callable[[float], np.ndarray]] = {
        None: lambda a: rounded(frame + a * detail),
        _CUT: lambda a: np.clip(frame + a * detail, 0, 255).astype(np.uint8),
        _WRAPPED: lambda a: wrapped(np.rint(frame + a * detail)),
        f"{_WRAPPED} {_CUT}": lambda a: wrapped(frame + a * detail),
        _BYTES: lambda a: rounded(frame + a * (sharpened - frame)),
        f"{_BYTES} {_CUT}": lambda a: np.clip(frame + a * (sharpened - frame), 0, 255).astype(np.uint8),
        _TURNED: lambda a: rounded(sharpened - a * detail),
        "Add the difference from the frame, not the whole picture.": lambda a: rounded(frame + a * sharpened),
        "It ignores the strength.": lambda a: sharpened,
    }
    for said, way in ways.items():
        if np.array_equal(made, [way(a) for a in amounts]):
            return said
    wrong_at = [a for a, one in zip(amounts, made, strict=True) if not np.array_equal(one, ways[None](a))]
    return f"It is wrong for {len(wrong_at)} of {len(amounts)} strengths, the first of them {wrong_at[0]:g}."


@exercise("09.1", "Evaluate with dirty_share 0 and 1, and subtract the PSNR-Y of each method.")
def cost_of_dirt(
    lost: dict[str, float], mine: Callable[[np.ndarray], np.ndarray], photos: list[Path]
) -> str | None:
    def scores(share: float, measure: str = "psnr_y") -> dict[str, float]:
        damage = replace(preset("self-teacher").degradation, dirty_share=share)
        rows = evaluate.evaluate_student(mine, photos, damage, max_side=512)
        return {row["method"]: row[measure] for row in rows}

    def apart(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
        return {name: value - other[name] for name, value in one.items()}

    clean, dirty = scores(0.0), scores(1.0)

    def mistakes() -> Mistakes:
        yield dirty, "Those are the PSNR with dirt: subtract them from those without."
        yield clean, "Those are the PSNR without dirt: subtract those with it."
        yield (
            apart(clean, scores(0.5)),
            "You compared with the preset as it is: there, half of the pictures are dirty.",
        )
        yield (
            apart(scores(0.5), dirty),
            "You began with the preset as it is: there, half of the pictures are dirty.",
        )
        colour = apart(scores(0.0, "psnr_rgb"), scores(1.0, "psnr_rgb"))
        yield colour, "Those are the losses over RGB: psnr_y was asked for."
        similar = apart(scores(0.0, "ssim_y"), scores(1.0, "ssim_y"))
        yield similar, "Those are losses of SSIM: psnr_y was asked for."

    return compare(lost, apart(clean, dirty), mistakes(), unit="dB")


@exercise("09.2", 'kdsharp.override(recipe, [...]) takes changes such as "losses.hr=0.5".')
def half_teacher(changed: Recipe, recipe: Recipe) -> str | None:
    if not isinstance(changed, Recipe):
        return f"A changed recipe was asked for, and this is a {type(changed).__name__}."
    if changed.name != recipe.name:
        return f"That is a recipe of `{changed.name}`: change `recipe`, which is one of `{recipe.name}`."
    weights = changed.losses.hr, changed.losses.teacher
    if weights == (recipe.losses.hr, recipe.losses.teacher):
        return "Nothing has changed: the original's weight is losses.hr, the teacher's losses.teacher."
    if weights != (0.5, 0.5):
        return f"The original has a weight of {weights[0]:g}, and the teacher one of {weights[1]:g}."
    if replace(changed, losses=recipe.losses) != recipe:
        return "More than the two weights has changed."
    others = replace(changed.losses, hr=recipe.losses.hr, teacher=recipe.losses.teacher)
    return None if others == recipe.losses else "More of the losses has changed than the two weights."


@exercise("09.3", "For each system the key of the smallest value: min(gains, key=gains.get).")
def worst_draws(worst: dict[str, tuple], draws: dict[str, dict[tuple, float]]) -> str | None:
    if lacking := draws.keys() - worst.keys():
        return f"There is no draw for {', '.join(sorted(lacking))}."
    for name, gains in draws.items():
        place = worst[name]
        if place not in gains:
            return f"{place!r:.60} is no draw of {name}: the keys are a scene and a seed, as in `draws['{name}']`."
        if gains[place] == max(gains.values()) != min(gains.values()):
            return f"That is the best draw of {name}, and the worst was asked for."
        if better := sum(gain < gains[place] for gain in gains.values()):
            return f"{better} of the draws of {name} have a smaller gain than that one."
    return None


@exercise(
    "10.1", "Sharpen `received` with both, and subtract the twin's PSNR from that of the distilled one."
)
def worth_of_the_teacher(
    ahead: float, networks: dict[str, Callable], received: np.ndarray, hr: np.ndarray
) -> str | None:
    distilled, alone = (networks[name](received) for name in ("distilled", "alone"))

    def mistakes() -> Mistakes:
        yield from slips_of_a_gain(distilled, received, hr)
        gain = evaluate.psnr(distilled, hr) - evaluate.psnr(received, hr)
        yield gain, "That is its gain over the received frame, not over the twin."
        colour = [evaluate.psnr(one, hr, channel="rgb") for one in (distilled, alone)]
        yield colour[0] - colour[1], "That is the value for RGB; luma (Y) was asked for."

    return compare(ahead, evaluate.psnr(distilled, hr) - evaluate.psnr(alone, hr), mistakes(), unit="dB")


@exercise("10.2", 'kdsharp.override(recipe, [...]) takes changes such as "training.steps=2400".')
def twice_as_long(longer: Recipe, recipe: Recipe) -> str | None:
    if not isinstance(longer, Recipe):
        return f"A changed recipe was asked for, and this is a {type(longer).__name__}."
    wanted = replace(recipe, training=replace(recipe.training, steps=2 * recipe.training.steps))
    if longer.training.steps != wanted.training.steps:
        return f"It has {longer.training.steps} steps, and `recipe` has {recipe.training.steps}."
    return None if longer == wanted else "More than the number of steps has changed."
