"""The film of a run: which crops it shows, its first picture, what its teacher makes of them, and doing nothing."""

from pathlib import Path

import numpy as np
import pytest

from kdsharp import data, distill, recipes
from kdsharp.distill import targets
from kdsharp.distill.validation import SHOWN, frame, shown_crops, teacher_frame
from kdsharp.errors import KdsharpError
from kdsharp.teacher import load_teacher

TINY = ["training.steps=4", "training.batch=2", "training.patch=16", "training.validate_every=2",
        'store={"crop": 48, "crops_per_photo": 2, "group": 2}', "teacher=teacher-x4", "losses.hr=1", "losses.teacher=0",
        "losses.perceptual=0"]  # fmt: skip


@pytest.fixture(scope="module")
def recipe() -> recipes.Recipe:
    return recipes.override(recipes.preset("video-call", "quick"), TINY)


@pytest.fixture(scope="module")
def photos() -> list[Path]:
    return data.embedded_photos("val")[:2]


@pytest.fixture(scope="module")
def validation(recipe, photos, tmp_path_factory: pytest.TempPathFactory) -> targets.TargetStore:
    folder = tmp_path_factory.mktemp("validation")
    return targets.build_validation(folder, photos, recipe.degradation, recipe.store)


def test_a_film_begins_with_step_0_and_a_run_stopped_and_resumed_has_the_same_one(
    recipe, validation, tmp_path: Path
) -> None:
    def stop(row: dict) -> None:
        if row["step"] == 2:
            raise KeyboardInterrupt

    whole = distill.train(recipe, validation, validation, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        distill.train(recipe, validation, validation, tmp_path / "parts", on_progress=stop)
    distill.train(recipe, validation, validation, tmp_path / "parts")
    films = [distill.frames(tmp_path / name) for name in ("whole", "parts")]
    assert [list(film) for film in films] == [[0, 2, 4], [0, 2, 4]]
    for one, other in zip(*(film.values() for film in films), strict=True):
        assert np.array_equal(data.read_image(one), data.read_image(other))
    assert [row["step"] for row in whole.history] == [2, 4], "step 0 is a picture, not a row"


def test_the_shown_crops_are_those_with_most_to_see(validation) -> None:
    chosen = shown_crops(validation)
    contrast = {index: float(np.asarray(validation.input[index]).std()) for index in range(len(validation))}
    others = contrast.keys() - chosen
    assert len(set(chosen)) == SHOWN
    assert np.mean([contrast[index] for index in chosen]) > np.mean([contrast[index] for index in others])


def test_the_teachers_picture_is_of_the_very_crops_that_are_shown(
    recipe, photos, validation, tmp_path: Path
) -> None:
    """Against a store that was built with the teacher, from the same photographs and seed."""
    teacher = load_teacher("teacher-x4")
    few = {"crops_per_photo": 8, "seed": 1}
    store = recipes.Store(recipe.store.crop, few["crops_per_photo"], recipe.store.group, few["seed"])
    taught = targets.build(tmp_path / "taught", photos, recipe.degradation, store, teacher)
    distill.show_teacher(tmp_path, validation, teacher, photos, recipe.degradation)
    distill.validate(load_teacher("call-ceiling").network, validation, tmp_path, 7)
    for row, index in enumerate(shown_crops(validation)):
        given, _, original = frame(tmp_path / "validation-000007.png", row)
        assert np.array_equal(original, taught.hr[index]) and np.array_equal(given, taught.input[index])
        wanted = np.asarray(taught.target[index]).astype(int)
        assert np.abs(teacher_frame(tmp_path, row) - wanted).max() <= 1  # alone, or in a batch
    with pytest.raises(KdsharpError, match="other photographs"):
        distill.show_teacher(tmp_path / "new", validation, teacher, photos[::-1], recipe.degradation)


def test_doing_nothing_is_the_score_of_a_network_that_changes_nothing(
    recipe, validation, tmp_path: Path
) -> None:
    network = distill.learner.starting_network(recipe)
    for parameter in network.parameters():
        parameter.data.zero_()
    still = distill.validate(network, validation, tmp_path, 0)
    assert distill.doing_nothing(validation, network.colour) == pytest.approx(still, abs=1e-3)
