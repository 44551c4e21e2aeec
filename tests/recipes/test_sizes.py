"""Whole pixels at both ends of an enlargement, and recipes that start at the small frame of a call."""

from fractions import Fraction
from math import floor

import pytest

from kdsharp import recipes
from kdsharp.errors import KdsharpError


@pytest.mark.parametrize("scale", [1, 1.5, 2, 3, 4])
def test_sides_are_whole_and_there_and_back_is_where_one_began(scale: float) -> None:
    large, small = recipes.whole_steps(scale)
    for side in range(1, 100):
        assert recipes.enlarged(side, scale) == floor(Fraction(scale) * side + Fraction(1, 2))
        assert recipes.shrunk(side, scale) == floor(side / Fraction(scale))
        assert recipes.enlarged(side * small, scale) == side * large
        assert recipes.shrunk(side * large, scale) == side * small
        assert type(recipes.shrunk(side, scale)) is type(recipes.enlarged(side, scale)) is int


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("student.options.unshuffle=1", "student.options.unshuffle is 1: give a multiple of 2"),
        ("student.options.unshuffle=3", "scale of 1.5 gives whole pixels"),
        ("store.crop=128", "store.crop is 128: give a multiple of 3"),
        ("training.patch=130", "larger than a crop at the network's input: give at most 128"),
        ("training.patch=63", "training.patch is 63: give a multiple of 2"),
        ("scale=4", "degradation.scale is 4: give one of 1.5, 2, 3"),
        ("scale=2.0", "degradation.scale is 2.0: give one of 1.5, 2, 3"),
        ("degradation.soft=[1.0,0.5]", "degradation.soft is .* the smaller first"),
    ],
)
def test_what_gives_no_whole_pixels_is_refused_in_one_sentence(setting: str, sentence: str) -> None:
    with pytest.raises(KdsharpError, match=sentence) as refused:
        recipes.override(recipes.preset("call-x1.5"), [setting])
    assert "\n" not in str(refused.value)


def test_a_network_enlarges_by_no_other_fraction() -> None:
    with pytest.raises(KdsharpError, match=r"scale is 2.5: give a whole number from 1 to 8, or 1.5"):
        recipes.Network("student", {"scale": 2.5, "unshuffle": 2})
    with pytest.raises(KdsharpError, match=r"degradation.scale is 1.5: give a whole number"):
        recipes.Downscale(1.5)


def test_the_scale_is_changed_wherever_it_stands() -> None:
    changed = recipes.override(recipes.preset("call-x1.5"), ["scale=3", "training.patch=48"])
    assert changed.scale == changed.student.options["scale"] == changed.degradation.scale == 3
    assert changed.task == "upscale" and recipes.fidelity_teacher(changed) == recipes.FIDELITY_TEACHER
