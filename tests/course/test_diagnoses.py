"""Wrong answers are made as people make them, and each is told what it is; right ones pass, made-up ones do not."""

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import kdsharp
from kdsharp import distill, evaluate, speed, student
from kdsharp.course import exercises, teacher_picture
from kdsharp.course.exercises import diagnosis
from kdsharp.degradation import resize
from kdsharp.degradation.jpeg import jpeg
from kdsharp.teacher import Teacher

RIGHT = "solved"
# What the reader's cell hands to the check, without what it takes to judge it, and what has to be said.
Answers = Iterator[tuple[tuple, str]]
psnr, ssim, call = kdsharp.psnr, kdsharp.ssim, kdsharp.fixed_call


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A face, 128 pixels square."""
    return np.ascontiguousarray(kdsharp.read_image(kdsharp.embedded_photos("val")[0])[80:208, 140:268])


@pytest.fixture
def said(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Check one answer, as a first try; returns what was printed."""

    def ask(number: str, *answers: object) -> str:
        solved = exercises.check(number, *answers)
        printed = capsys.readouterr().out
        assert solved == (RIGHT in printed)
        return printed

    return ask


def rgb(one: np.ndarray, two: np.ndarray) -> float:
    return evaluate.psnr(one, two, channel="rgb")


def gains_gone_wrong(made: np.ndarray, received: np.ndarray, hr: np.ndarray) -> Iterator[tuple[float, str]]:
    """A gain as it should not be measured."""
    right = psnr(made, hr) - psnr(received, hr)
    yield right, RIGHT
    yield -right, "sign is turned round"
    yield psnr(made, hr), "new picture alone"
    yield psnr(received, hr), "measured the received frame"
    yield psnr(made, received), "with the received frame: the original"
    yield ssim(made, hr) - ssim(received, hr), "SSIM, not in PSNR"
    yield rgb(made, hr) - rgb(received, hr), "RGB; luma"
    yield right + 0.3, "too high, by less than 1 dB"
    yield right - 3, "too low, by less than 10 dB"


def test_00_1(photo: np.ndarray, said: Callable[..., str]) -> None:
    sharpen = kdsharp.unsharp
    sent, bad = kdsharp.degrade(photo, call(3, 50))
    for gain, told in gains_gone_wrong(sharpen(bad), bad, photo):
        assert told in said("00.1", gain, bad, sharpen, photo)
    _, usual = kdsharp.degrade(photo, call(2, 70))
    gain = psnr(sharpen(usual), photo) - psnr(usual, photo)
    assert "section 3" in said("00.1", gain, bad, sharpen, photo)
    assert "(2, 70)" in said("00.1", gain, usual, sharpen, photo)
    assert "(3, 70)" in said("00.1", gain, kdsharp.degrade(photo, call(3, 70))[1], sharpen, photo)
    assert "was sent" in said("00.1", gain, sent, sharpen, photo)
    # A frame that was made up, with the gain that it really has.
    noise = np.random.default_rng(0).integers(0, 256, photo.shape, dtype=np.uint8)
    gain = psnr(sharpen(noise), photo) - psnr(noise, photo)
    assert "is not what a call" in said("00.1", gain, noise, sharpen, photo)


def own_sharpeners(hr: np.ndarray) -> Iterator[tuple[Callable, str]]:
    def blurred(frame: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(frame, (0, 0), 1.5)

    def masked(frame: np.ndarray, amount: float) -> np.ndarray:
        return frame + amount * (frame.astype(float) - blurred(frame))

    def cast(values: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(values), 0, 255).astype(np.uint8)

    yield lambda frame: cast(masked(frame, 0.7)), RIGHT
    yield lambda frame: cast(masked(frame, 0.05)), "the direction is right"
    yield lambda frame: cast(masked(frame, 8)), "smaller amount"
    yield lambda frame: cast(masked(frame, -0.7)), "softer"
    yield blurred, "softer"
    yield lambda frame: masked(frame, 0.7), "float64"
    yield lambda frame: frame + (frame - blurred(frame)) * 2, "wrapped around"
    yield lambda frame: frame, "as it was"
    yield lambda frame: None, "`return` missing"
    yield lambda frame: cast(masked(frame, 0.7))[:-1], "shape"
    yield lambda frame: hr, "mirror image"
    yield kdsharp.load_student("call-s"), "a network"


def test_00_2(photo: np.ndarray, said: Callable[..., str]) -> None:
    _, received = kdsharp.degrade(photo, call(2, 70))
    for mine, told in own_sharpeners(photo):
        assert told in said("00.2", mine, received, photo)


def test_01_1(said: Callable[..., str]) -> None:
    energy = [0.5, 1.0, 2.0, 2.9, 3.5, 8.0, 9.0, 11.0, 12.0, 14.0, 15.0]
    right = 4 / 11
    for share, told in [
        (right, RIGHT),
        (round(right, 2), RIGHT),
        (4, "how many they are"),
        (1 - right, "not flat"),
        (np.mean(energy), "mean energy"),
        (round(100 * right), "percent"),
        (0.5, "too high"),
        ("a third", "A number was asked for"),
    ]:
        assert told in said("01.1", share, energy)


def test_01_2(photo: np.ndarray, said: Callable[..., str]) -> None:
    crop = photo[:64, :64]
    turned = [np.rot90(crop, turns) for turns in range(4)]
    mirrored = [np.rot90(crop[:, ::-1], turns) for turns in range(4)]
    random = np.random.default_rng(0).permutation(crop.reshape(-1, 3)).reshape(crop.shape)
    for views, told in [
        (turned + mirrored, RIGHT),
        ([np.flipud(view) for view in turned] + turned, RIGHT),
        (turned, "those of the mirror image are missing"),
        ([*turned, np.fliplr(crop), np.flipud(crop)], "6 of the eight"),
        ([*turned, *turned], "those of the mirror image are missing"),
        ([*turned, *mirrored, crop], "1 of them twice"),
        ([*turned, np.flip(crop)], "red and blue exchanged"),
        ([*turned[1:], *mirrored, random], "pixels were changed"),
        ([view / 255 for view in turned], "float64"),
        ([view[:32] for view in turned], "shape"),
    ]:
        assert told in said("01.2", views, crop)


def test_02_1(photo: np.ndarray, said: Callable[..., str]) -> None:
    hr, size, half = kdsharp.to_tensor(photo), (128, 128), (64, 64)

    def orders(quality: float = 30, large: str = "bilinear", ruler: Callable = psnr) -> list[float]:
        strength = torch.tensor([float(quality)])
        small = (resize(jpeg(hr, strength), half, "area"), jpeg(resize(hr, half, "area"), strength))
        return [ruler(kdsharp.to_image(resize(one, size, large)), photo) for one in small]

    first, last = orders()
    whole = psnr(kdsharp.to_image(jpeg(hr, torch.tensor([30.0]))), photo)
    for answer, told in [
        ((first, last), RIGHT),
        ((last, first), "exchanged"),
        (orders(ruler=rgb), "RGB"),
        (orders(quality=70), "quality 70"),
        (orders(large="bicubic"), "bicubically"),
        ((whole, last), "not shrunk"),
        ((30, 16), "too"),
        ((first, last - 2), "last is too low, by less than 10 dB"),
    ]:
        assert told in said("02.1", *answer, photo)
    # The call of notebook 02 shrinks first: its received frame is the second order, but for a rounding.
    received = kdsharp.degrade(photo, call(2, 30))[1]
    assert RIGHT in said("02.1", first, psnr(received, photo), photo)


def test_02_2(said: Callable[..., str]) -> None:
    bell = torch.tensor([1.0, 4, 6, 4, 1])
    for kernel, told in [
        (torch.full((1, 5, 5), 1 / 25), RIGHT),
        (torch.ones(1, 5, 5), "add up to 25"),
        (torch.full((5, 5), 1 / 25), "axis of the batch"),
        (torch.full((1, 3, 3), 1 / 9), "(1, 3, 3)"),
        ((bell[:, None] * bell / 256)[None], "weights differ"),
        (np.full((1, 5, 5), 1 / 25), "tensor of PyTorch"),
    ]:
        assert told in said("02.2", kernel)


def test_03_1(photo: np.ndarray, said: Callable[..., str], guide: Teacher) -> None:
    def seen(quality: float) -> tuple[np.ndarray, np.ndarray]:
        sent, received = kdsharp.degrade(photo, call(2, quality))
        return teacher_picture(guide, sent, photo), received

    (made, received), (usual, blocky) = seen(100), seen(70)
    for gain, told in gains_gone_wrong(made, received, photo):
        assert told in said("03.1", gain, guide, photo)
    assert "at quality 70" in said("03.1", psnr(usual, photo) - psnr(blocky, photo), guide, photo)
    assert "subtracted the PSNR of the other" in said(
        "03.1", psnr(made, photo) - psnr(blocky, photo), guide, photo
    )


def test_03_2(said: Callable[..., str]) -> None:
    errors = {0: 30.0, 4: 9.0, 8: 2.5, 12: 0.8, 16: 0.1}
    for overlap, told in [
        (12, RIGHT),
        (8, "an error of 2.50 is left"),
        (16, "Four pixels fewer are enough"),
        (0.8, "no multiple of 4"),
    ]:
        assert told in said("03.2", overlap, errors.__getitem__)


def test_04_1(said: Callable[..., str]) -> None:
    x4 = student.build(kdsharp.preset("real-esrgan").student)
    shapes = [tuple(weights.shape) for weights in x4.parameters()]
    weights = [int(np.prod(shape)) for shape in shapes if len(shape) == 4]
    body = [int(np.prod(shape)) for shape in shapes[2:-2]]
    luma = dataclasses.replace(kdsharp.preset("real-esrgan").student)
    luma = student.build(dataclasses.replace(luma, options=luma.options | {"colour": "luma"}))
    for count, told in [
        (51_760, RIGHT),
        (student.parameters(x4), RIGHT),
        (sum(weights), "biases"),
        (student.parameters(luma), "for luma"),
        (sum(int(np.prod(shape[:2])) for shape in shapes), "nine weights"),
        (sum(body), "first and the last layer"),
        (student.parameters(student.build(kdsharp.preset("video-call").student)), "`video-call`"),
        (student.multiply_adds(x4, 270, 480), "multiply-adds"),
        (51.76, "thousand times too small"),
        (51_000, "too low"),
    ]:
        assert told in said("04.1", count)


def test_04_2(said: Callable[..., str]) -> None:
    for options, told in [
        ({"unshuffle": 4, "channels": 8, "body": 3}, RIGHT),
        ({"unshuffle": 2, "channels": 8, "body": 3}, "sees 22 pixels"),
        ({"unshuffle": 4, "channels": 32, "body": 3}, "37,008 parameters"),
        ({"unshuffle": 4, "channels": 8}, "unshuffle, channels, body"),
    ]:
        assert told in said("04.2", options)


def test_05_1(photo: np.ndarray, said: Callable[..., str]) -> None:
    networks = {
        "alone": lambda picture: kdsharp.unsharp(picture, 1.0, 0.3),
        "fidelity": kdsharp.unsharp,
        "perceptual": lambda picture: kdsharp.unsharp(picture, 2.0, 1.5),
    }
    calls = {"mild": call(1.5, 85), "medium": call(2, 70), "severe": call(3, 50)}
    received = {name: kdsharp.degrade(photo, each)[1] for name, each in calls.items()}

    def scores(name: str, ruler: Callable = psnr) -> np.ndarray:
        return np.array([ruler(networks[name](picture), photo) for picture in received.values()])

    nothing = np.array([psnr(picture, photo) for picture in received.values()])
    right = scores("fidelity") - scores("alone")
    for values, told in [
        (right, RIGHT),
        (np.round(right, 2), RIGHT),
        (-right, "sign is turned round"),
        (scores("fidelity"), "PSNR of the taught student"),
        (scores("fidelity") - nothing, "over the received frame, not over `alone`"),
        (scores("alone") - nothing, "what `alone` gains"),
        (scores("fidelity", rgb) - scores("alone", rgb), "RGB"),
        (scores("fidelity", ssim) - scores("alone", ssim), "SSIM"),
        (scores("perceptual") - scores("alone"), "perceptual student"),
        ((20, 21, 22), "too high"),
        (right + np.array([0, 0, 0.4]), "severe is too high, by less than 1 dB"),
    ]:
        assert told in said("05.1", dict(zip(calls, values, strict=True)), networks, photo)
    assert "nothing named 'medium'" in said("05.1", {"mild": right[0]}, networks, photo)


def test_05_2(said: Callable[..., str]) -> None:
    weights = distill.losses.Losses(hr=1.0, teacher=0.2)
    l1 = torch.nn.functional.l1_loss
    l2 = torch.nn.functional.mse_loss
    for loss, told in [
        (lambda x, y, t: l1(x, y) + 0.2 * l1(x, t), RIGHT),
        (lambda x, y, t: l2(x, y) + 0.2 * l2(x, t), "squared"),
        (lambda x, y, t: l1(x, y, reduction="sum") + 0.2 * l1(x, t, reduction="sum"), "added up"),
        (lambda x, y, t: (x - y).mean() + 0.2 * (x - t).mean(), "cancel out"),
        (lambda x, y, t: l1(x, y) + l1(x, t), "weights are missing"),
        (lambda x, y, t: 0.2 * l1(x, y) + l1(x, t), "exchanged"),
        (lambda x, y, t: l1(x, y), "distance to the target"),
        (lambda x, y, t: 0.2 * l1(x, t), "distance to the original"),
        (lambda x, y, t: (x - y).abs(), "128 numbers"),
        (lambda x, y, t: float(l1(x, y) + 0.2 * l1(x, t)), "a float"),
        (lambda x, y, t: torch.tensor(float(l1(x, y) + 0.2 * l1(x, t))), "No gradient"),
        (lambda x, y, t: None, "nothing"),
        (lambda x, y, t: 1 / 0, "ZeroDivisionError"),
    ]:
        assert told in said("05.2", loss, weights)


def mean_square(one: np.ndarray, two: np.ndarray) -> float:
    return np.mean((one.astype(float) - two) ** 2)


@pytest.mark.parametrize(
    ("mine", "told"),
    [
        (rgb, RIGHT),
        (psnr, "on luma"),
        (ssim, "That is SSIM"),
        (lambda x, y: 10 * np.log10(255**2 / np.mean((x - y) ** 2)), "wrap around"),
        (lambda x, y: 10 * np.log10(255**2 / np.mean((x - y).astype(float) ** 2)), "wrap around"),
        (lambda x, y: 10 * np.log(255**2 / mean_square(x, y)), "natural logarithm"),
        (lambda x, y: 10 * np.log10(255 / mean_square(x, y)), "not squared"),
        (lambda x, y: 20 * np.log10(255**2 / mean_square(x, y)), "20 goes with"),
        (lambda x, y: 10 * np.log10(1 / mean_square(x, y)), "peak of these pictures"),
        (lambda x, y: np.log10(255**2 / mean_square(x, y)), "bels"),
        (mean_square, "mean squared error itself"),
        (lambda x, y: -rgb(x, y), "sign is turned round"),
        (lambda x, y: 30.0, "too"),
        (lambda x, y: None, "this is [None"),
    ],
)
def test_06_1(mine: Callable, told: str, said: Callable[..., str]) -> None:
    assert told in said("06.1", mine)


def test_06_2(photo: np.ndarray, said: Callable[..., str]) -> None:
    received, amounts = kdsharp.degrade(photo, call(2, 70))[1], np.linspace(0, 2, 9)

    def tried(radius: float = 1.5, ruler: Callable = psnr, against: np.ndarray = photo) -> list[float]:
        return [ruler(kdsharp.unsharp(received, radius, amount), against) for amount in amounts]

    place = int(np.argmax(tried()))
    best = amounts[place]
    for answer, told in [
        ((best, tried()), RIGHT),
        ((best, tried(ruler=rgb)), "RGB"),
        ((best, tried(ruler=ssim)), "SSIM"),
        ((best, tried(radius=1.0)), "radius of 1"),
        ((best, tried(against=received)), "compared with the received frame"),
        ((best, tried()[1:]), "8 numbers"),
        ((best, [30] * 9), "too"),
        ((max(tried()), tried()), "the highest PSNR"),
        ((place, tried()), "its place in the list"),
        ((amounts[np.argmin(tried())], tried()), "lowest PSNR"),
        ((best + 0.25, tried()), "too high"),
    ]:
        assert told in said("06.2", *answer, received, photo)


def test_07_1(said: Callable[..., str]) -> None:
    for pass_ms, told in [
        (lambda h, w, c, b: 2 * h * w * c * b / 10e9 * 1000, RIGHT),
        (lambda h, w, c, b: h * w * c * b / 10e9 * 1000, "one way of two"),
        (lambda h, w, c, b: 2 * h * w * c * b / 10e9, "thousand times too small"),
        (lambda h, w, c, b: 2 * h * w * c * b * 8 / 10e9 * 1000, "bits"),
        (lambda h, w, c, b: 2 * h * w * b / 10e9 * 1000, "colours are missing"),
        (lambda h, w, c, b: 2 * h * w * c / 10e9 * 1000, "bytes of a value"),
        (lambda h, w, c, b: 2 * h * w * c * b / (10 * 1024**3) * 1000, "GiB"),
        (lambda h, w, c, b: 2 * h * w * c * b / 1e6, "megabytes"),
        (lambda h, w, c, b: 10e9 / (2 * h * w * c * b), "passes a second"),
        (lambda h, w, c, b: 5.0, "too high"),
    ]:
        assert told in said("07.1", pass_ms)


def test_07_2(said: Callable[..., str]) -> None:
    shape = kdsharp.preset("video-call").student
    half = dataclasses.replace(shape, options=shape.options | {"channels": 12})
    share = speed.multiply_adds(half) / speed.multiply_adds(shape)
    for changed, told in [
        ({"channels": 8}, RIGHT),
        ({"channels": 12}, f"leaves {share:.0%}"),
        ({"unshuffle": 4}, "nothing else"),
        ({}, "nothing else"),
    ]:
        assert told in said("07.2", changed, shape.options)


def test_08_1(photo: np.ndarray, said: Callable[..., str], tmp_path: Path) -> None:
    crops, sharpen = [photo[:, x : x + 64] for x in (0, 32, 64)], kdsharp.unsharp
    made = [sharpen(crop) for crop in crops]
    for pictures, told in [
        (made, RIGHT),
        (made[:2], "2 of 3"),
        (crops, "as they were"),
        (made[::-1], "order"),
        ([sharpen(picture) for picture in made], "twice"),
        ([tmp_path / f"{number}.png" for number in range(3)], "names of files"),
        ([np.zeros_like(crop) for crop in crops], "not the three crops"),
        ([picture / 255 for picture in made], "float64"),
    ]:
        assert told in said("08.1", pictures, crops, sharpen)


def test_08_2(said: Callable[..., str]) -> None:
    def exact(x: np.ndarray, y: np.ndarray, s: float) -> np.ndarray:
        return x + s * (y.astype(float) - x)

    def bytes_of(values: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(values), 0, 255).astype(np.uint8)

    for blend, told in [
        (lambda x, y, s: bytes_of(exact(x, y, s)), RIGHT),
        (lambda x, y, s: np.clip(exact(x, y, s), 0, 255).astype(np.uint8), "cut off"),
        (lambda x, y, s: (np.rint(exact(x, y, s)) % 256).astype(np.uint8), "np.clip before the cast"),
        (lambda x, y, s: bytes_of(x + s * (y - x)), "two uint8 pictures wraps"),
        (lambda x, y, s: bytes_of(exact(y, x, s)), "strength is turned round"),
        (lambda x, y, s: bytes_of(x + s * y), "not the whole picture"),
        (lambda x, y, s: y, "ignores the strength"),
        (exact, "float64"),
        (
            lambda x, y, s: bytes_of(exact(x, y, min(s, 1))),
            "wrong for 1 of 4 strengths, the first of them 1.4142",
        ),
    ]:
        assert told in said("08.2", blend)


def test_09_1(said: Callable[..., str]) -> None:
    photos = kdsharp.embedded_photos("val")[:2]
    mine = kdsharp.load_student("x4-s")
    damage = kdsharp.preset("self-teacher").degradation

    def scores(dirt: float, measure: str = "psnr_y") -> np.ndarray:
        dirty = dataclasses.replace(damage, dirty_share=dirt)
        rows = evaluate.evaluate_student(mine, photos, dirty, max_side=512)
        return np.array([row[measure] for row in rows])

    clean, half, dirty = scores(0), scores(0.5), scores(1)
    assert damage.dirty_share == 0.5
    for values, told in [
        (clean - dirty, RIGHT),
        (dirty - clean, "sign is turned round"),
        (dirty, "PSNR with dirt"),
        (clean, "PSNR without dirt"),
        (clean - half, "compared with the preset as it is"),
        (half - dirty, "began with the preset as it is"),
        (scores(0, "psnr_rgb") - scores(1, "psnr_rgb"), "RGB"),
        (scores(0, "ssim_y") - scores(1, "ssim_y"), "SSIM"),
        ((1, 1, 1), "too"),
    ]:
        lost = dict(zip(("bicubic", "unsharp mask", "student"), values, strict=True))
        assert told in said("09.1", lost, mine, photos)
    assert "nothing named" in said("09.1", {"bicubic": 1.0}, mine, photos)


def test_09_2(said: Callable[..., str]) -> None:
    recipe, change = kdsharp.preset("real-esrgan"), kdsharp.override
    for changed, told in [
        (change(recipe, ["losses.hr=0.5", "losses.teacher=0.5"]), RIGHT),
        (change(recipe, ["losses.hr=0.5"]), "the teacher one of 1"),
        (change(recipe, ["losses.teacher=0.5"]), "has a weight of 0"),
        (recipe, "Nothing has changed"),
        (["losses.hr=0.5", "losses.teacher=0.5"], "a list"),
        (change(kdsharp.preset("video-call"), ["losses.hr=0.5"]), "`video-call`"),
        (change(recipe, ["losses.hr=0.5", "losses.teacher=0.5", "training.steps=7"]), "More than the two"),
        (change(recipe, ["losses.hr=0.5", "losses.teacher=0.5", "losses.edge=1"]), "More of the losses"),
    ]:
        assert told in said("09.2", changed, recipe)


def test_09_3(said: Callable[..., str]) -> None:
    draws = {
        "a": {("cup", 0): 1.0, ("cup", 1): -0.5, ("face", 0): 2.0},
        "b": {("cup", 0): 0.1, ("cup", 1): 0.2},
    }
    right = {"a": ("cup", 1), "b": ("cup", 0)}
    for worst, told in [
        (right, RIGHT),
        ({"a": ("cup", 1)}, "no draw for b"),
        (right | {"a": ("face", 0)}, "the best draw of a"),
        (right | {"a": ("cup", 0)}, "1 of the draws of a"),
        (right | {"b": -0.5}, "is no draw of b"),
    ]:
        assert told in said("09.3", worst, draws)


def test_10_1(said: Callable[..., str], photo: np.ndarray) -> None:
    _, received = kdsharp.degrade(photo, call(2, 70))
    networks = {"distilled": kdsharp.unsharp, "alone": kdsharp.load_student("call-s")}
    sharp, alone = (networks[name](received) for name in ("distilled", "alone"))
    psnr, rgb = (
        lambda made, channel=channel: kdsharp.psnr(made, photo, channel=channel) for channel in ("y", "rgb")
    )
    for ahead, told in [
        (psnr(sharp) - psnr(alone), RIGHT),
        (psnr(alone) - psnr(sharp), "sign is turned round"),
        (psnr(sharp) - psnr(received), "not over the twin"),
        (psnr(sharp), "alone: subtract"),
        (rgb(sharp) - rgb(alone), "RGB"),
        (0.123, "too"),
    ]:
        assert told in said("10.1", ahead, networks, received, photo)


def test_10_2(said: Callable[..., str]) -> None:
    recipe = kdsharp.preset("video-call", "quick")
    steps = recipe.training.steps
    for changes, told in [
        ([f"training.steps={2 * steps}"], RIGHT),
        ([], f"It has {steps} steps"),
        ([f"training.steps={2 * steps}", "losses.hr=0.5"], "More than the number"),
    ]:
        assert told in said("10.2", kdsharp.override(recipe, changes), recipe)
    assert "A changed recipe was asked for" in said("10.2", 2 * steps, recipe)


def test_every_exercise_has_its_wrong_answers() -> None:
    tested = {name[5:].replace("_", ".") for name in globals() if re.fullmatch(r"test_\d\d_\d", name)}
    assert tested == set(exercises.CHECKS)


def test_no_diagnosis_tells_the_answer(said: Callable[..., str]) -> None:
    assert diagnosis.compare(27.31, 27.94, unit="dB") == "It is too low, by less than 1 dB."
    assert diagnosis.compare(float("nan"), 1.0) == "A finite number was asked for, and this is nan."
    assert diagnosis.compare([1, 2], [1, 2, 3]) == "3 numbers were asked for, not 2."


def test_mistakes_are_computed_only_for_a_wrong_answer() -> None:
    def mistakes() -> Iterator[tuple[float, str]]:
        pytest.fail("computed for a right answer")
        yield 0.0, ""

    assert inspect.isgenerator(wrong := mistakes())
    assert diagnosis.compare(1.0, 1.0, wrong) is None
