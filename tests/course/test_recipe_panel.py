"""The panel of hyperparameters: the recipe that it writes, as settings and as code, and the knobs that it offers."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from driving import drive

import kdsharp
from kdsharp import data, degradation, recipes, speed, student
from kdsharp.course import panels
from kdsharp.course.panels import hyperparameters, knobs
from kdsharp.distill.features import FeatureMatch
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Network, Recipe


def test_hyperparameters_write_the_recipe_that_they_show() -> None:
    start = recipes.preset("video-call", "quick")
    panel = panels.hyperparameter_panel(start)
    assert panel.recipe == start
    assert start.losses.teacher != 0.4
    panel.controls["teacher"].value = 0.4
    panel.controls["channels"].value = 24
    panel.controls["learning_rate"].value = 1e-2
    changed = panel.recipe
    assert start.student.options["channels"] != 24 == changed.student.options["channels"]
    assert changed.losses.teacher == 0.4 and changed.training.learning_rate == pytest.approx(1e-2)
    count = student.parameters(student.build(changed.student))
    assert f"{count:,} parameters" in panel.text.value and "0.4 L1(teacher)" in panel.text.value
    assert recipes.from_dict(json.loads(json.dumps(recipes.to_dict(changed)))) == changed
    assert recipes.preset("video-call", "quick") == start  # the preset itself is untouched


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["video-call", "real-esrgan"])
def test_hyperparameter_panel_follows_every_slider(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        speed, "predict", lambda _network: 40.0
    )  # three timings of each size would take minutes
    drive(panels.hyperparameter_panel(recipes.preset(name, "quick")), state=lambda panel: repr(panel.recipe))


@pytest.mark.heavy
def test_a_recipe_past_the_sliders_stays_as_it_is() -> None:
    """Few steps, or a wide network, set by hand: no slider that was not moved may change them."""
    changes = ["training.steps=6", "training.patch=8", "student.options.channels=80", "losses.teacher=3.0"]
    changes += ["training.learning_rate=0.5"]
    recipe = recipes.override(recipes.preset("video-call", "quick"), changes)
    assert panels.hyperparameter_panel(recipe).recipe == recipe


def test_its_code_makes_its_recipe() -> None:
    start = recipes.preset("video-call", "quick")
    panel = panels.hyperparameter_panel(start)
    assert panel.code == "kdsharp.override(recipe, [])"
    panel.choose(steps=900, structure=0.05, distance="mse", colour="rgb", learning_rate=1e-2, channels=24)
    assert panel.recipe != start
    assert eval(panel.code, {"kdsharp": kdsharp, "recipe": start}) == panel.recipe
    panel.reset()
    assert panel.recipe == start


def test_a_pin_tells_what_has_changed_since() -> None:
    panel = panels.hyperparameter_panel(recipes.preset("video-call", "quick"))
    panel.choose(steps=900)
    panel.pin_button.value = True
    assert "since then nothing has changed" in panel.text.value
    before = panel.picture.value
    panel.choose(steps=800, channels=8)
    assert "since then training.steps=800, student.options.channels=8" in panel.text.value
    small, pinned = re.findall(r"([\d,]+) parameters", panel.text.value)
    assert int(small.replace(",", "")) < int(pinned.replace(",", "")) and panel.picture.value != before


def test_one_student_has_one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program took the processor for a while: the prediction is not its, and does not change again."""
    network = Network("student", {"scale": 1, "unshuffle": 2, "channels": 17, "body": 1, "colour": "luma"})
    times = iter([98.0, 478.0, 120.0, 478.0, 478.0, 478.0])
    monkeypatch.setattr(speed, "predict", lambda _network: next(times))
    assert [hyperparameters.cost(network).milliseconds for _ in range(2)] == [120.0, 120.0]


def test_what_listens_to_a_teacher_needs_one() -> None:
    alone = recipes.preset("self-teacher", "quick")
    assert not {"teacher", "soft", "temperature", "features"} & knobs.knobs(alone).keys()
    assert {"teacher", "soft", "temperature"} <= knobs.knobs(recipes.preset("mae", "quick")).keys()


@pytest.mark.parametrize("name", ["cifar", "restormer", "soft-targets", "mae", "video-call"])
def test_features_are_offered_where_training_takes_them(name: str) -> None:
    recipe = dataclasses.replace(recipes.preset(name, "quick"), losses=recipes.Losses())
    taught = recipe.teacher in recipes.presets("quick")
    network = student.build(recipes.preset(recipe.teacher, "quick").student) if taught else None
    try:
        FeatureMatch(student.build(recipe.student), network)
        works = True
    except KdsharpError:
        works = False
    assert ("features" in knobs.knobs(recipe)) is works


def test_vgg_is_offered_where_it_is_or_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KDSHARP_ASSETS", raising=False)
    monkeypatch.setenv("KDSHARP_ROOT", str(tmp_path))
    quick = recipes.preset("video-call", "quick")
    assert not {"perceptual", "vgg"} & knobs.knobs(quick).keys()
    assert {"perceptual", "vgg"} <= knobs.knobs(recipes.preset("video-call")).keys()
    (tmp_path / "data" / "weights").mkdir(parents=True)
    (tmp_path / "data" / "weights" / "vgg19.safetensors").touch()
    assert {"perceptual", "vgg"} <= knobs.knobs(quick).keys()


def test_a_pull_is_the_weight_times_the_distance_of_doing_nothing() -> None:
    recipe = recipes.override(
        recipes.preset("video-call", "quick"),
        ["degradation=" + json.dumps(dataclasses.asdict(recipes.fixed_call(2.0, 70)))],
    )
    photo = data.centre(data.read_image(data.embedded_photos()[0]), recipe.store.crop)
    received = degradation.degrade_picture(photo, recipe.degradation)[1]
    luma = np.array([0.299, 0.587, 0.114])
    distance = np.abs((received - photo.astype(float)) @ luma).mean() / 255
    for weight in (0.5, 2.0):
        losses = dataclasses.replace(recipe.losses, hr=weight)
        assert hyperparameters.pulls(dataclasses.replace(recipe, losses=losses))["hr"] == pytest.approx(
            weight * distance, rel=1e-3
        )


@pytest.mark.parametrize("name", recipes.presets("quick"))
def test_every_quick_preset_has_pulls_for_its_terms(name: str) -> None:
    recipe: Recipe = recipes.preset(name, "quick")
    found = hyperparameters.pulls(recipe)
    assert found and all(np.isfinite(value) and value > 0 for value in found.values())


def test_what_cannot_be_trained_is_told() -> None:
    panel = panels.hyperparameter_panel(recipes.preset("restormer", "quick"))
    panel.choose(levels=4, patch=24)
    assert "training.patch is 24: give a multiple of 16" in panel.text.value


def test_knobs_that_do_nothing_now_are_greyed() -> None:
    panel = panels.hyperparameter_panel(recipes.preset("mae", "quick"))
    assert panel.controls["temperature"].disabled and not panel.controls["distance"].disabled
    panel.choose(soft=0.5)
    assert not panel.controls["temperature"].disabled
    panel.choose(hr=0.0, teacher=0.0)
    assert panel.controls["distance"].disabled
