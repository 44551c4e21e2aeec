"""One student with three upbringings: what differs between the three recipes, and what must not."""

import dataclasses

import pytest

from kdsharp import recipes, teacher
from kdsharp.disk import checkpoints
from kdsharp.recipes import Downscale, Losses

SAME = ("student", "degradation", "store", "training", "start", "data", "photos")


@pytest.mark.parametrize("profile", recipes.PROFILES)
@pytest.mark.parametrize("name", ["video-call", "real-esrgan"])
def test_three_characters_of_one_student(name: str, profile: str) -> None:
    recipe = recipes.preset(name, profile)
    made = recipes.characters(recipe)
    assert list(made) == ["alone", "fidelity", "perceptual"]
    assert made["perceptual"] == recipe and recipe.teacher in teacher.OFFICIAL
    assert made["alone"].teacher is None and made["alone"].losses.teacher == 0
    assert made["fidelity"].losses.perceptual == 0 < made["fidelity"].losses.teacher
    assert len({one.name for one in made.values()}) == 3
    for one in made.values():
        recipes.check_training(one)
        assert [getattr(one, part) for part in SAME] == [getattr(recipe, part) for part in SAME]


def test_those_that_learn_to_be_right_weigh_alike() -> None:
    """What the teacher is given in one, the original is given in the other: only the goal differs."""
    made = recipes.characters(recipes.preset("video-call", "quick"))
    alone, fidelity = made["alone"].losses, made["fidelity"].losses
    assert alone.hr == pytest.approx(fidelity.hr + fidelity.teacher) and alone.structure == fidelity.structure
    soft = recipes.characters(recipes.preset("soft-targets"))["alone"].losses
    assert (soft.hr, soft.soft, soft.distance) == (1.0, 0.0, "mse")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("call-s", recipes.FIDELITY_TEACHER),
        ("x2-s", "spanx2_ch48"),
        ("x4-s", "spanx4_ch48"),
        ("x4-m", "RealESRNet_x4plus"),  # trained for that damage, but without a discriminator
        ("mae", "mae-teacher"),
        ("restormer", "restormer-motion-deblurring"),
        ("blur-s", None),
    ],
)
def test_who_teaches_fidelity(name: str, found: str | None) -> None:
    recipe = recipes.preset(name)
    assert recipes.fidelity_teacher(recipe) == found
    assert ("fidelity" in recipes.characters(recipe)) == (found is not None)


def test_what_there_is_not_is_left_out() -> None:
    assert list(recipes.characters(recipes.preset("blur-s"))) == ["alone"]
    assert list(recipes.characters(recipes.preset("mae"))) == ["alone", "fidelity"]
    assert recipes.characters(recipes.preset("mae"))["fidelity"] == recipes.preset("mae")
    drawn = dataclasses.replace(recipes.preset("blur-s"), teacher="realesr-general-x4v3")
    assert list(recipes.characters(drawn)) == ["alone", "perceptual"]
    untaught = dataclasses.replace(
        recipes.preset("x4-s"), degradation=Downscale(4), teacher=None, losses=Losses()
    )
    by_three = recipes.override(untaught, ["scale=3"])
    assert list(recipes.characters(by_three)) == ["alone"] and by_three.degradation == Downscale(3)


def test_a_stand_in_for_the_perceptual_teacher_changes_nothing_else() -> None:
    official = recipes.preset("video-call", "quick")
    replaced = dataclasses.replace(official, teacher=teacher.OWN)
    made = recipes.characters(replaced)
    assert made["perceptual"] == replaced
    assert {name: made[name] for name in ("alone", "fidelity")} == {
        name: one for name, one in recipes.characters(official).items() if name != "perceptual"
    }


def test_fidelity_is_taught_by_what_is_published_or_official() -> None:
    known = {path.stem for path in checkpoints.published()} | set(teacher.OFFICIAL)
    assert recipes.fidelity_teacher(recipes.preset("video-call")) in known
    assert recipes.preset("video-call").teacher in known and recipes.preset("real-esrgan").teacher in known


def test_who_listened_to_features_alone_listens_to_the_original() -> None:
    own = dataclasses.replace(recipes.preset("mae"), losses=Losses(hr=0.0, features=0.3, edge=0.1))
    assert recipes.characters(own)["alone"].losses == Losses(hr=1.0, edge=0.1)
