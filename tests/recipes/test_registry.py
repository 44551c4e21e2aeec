"""A preset, a degradation and a family of networks are added from outside, each by one call."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import kdsharp
from kdsharp import recipes
from kdsharp.disk import checkpoints
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Losses, Network, registry
from kdsharp.recipes.checks import check, setting, span, whole


@dataclasses.dataclass(frozen=True)
class Fog:
    density: tuple[float, float] = setting((0.1, 0.5), span(0, 1))
    scale: int = setting(1, whole(1, 4))

    __post_init__ = check


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    with patch.dict(registry.ROWS), patch.dict(recipes.DEGRADATIONS), patch.dict(recipes.FAMILIES):
        yield


def test_a_preset_is_one_call() -> None:
    own = dataclasses.replace(recipes.preset("mae"), name="mine", teacher="mae-teacher")
    assert recipes.register(own, quick=["training.steps=7"], medium=["losses.hr=0.9"]) is own
    assert "mine" in recipes.presets() and recipes.preset("mine") == own and recipes.trains_teacher(own)
    quick, medium = recipes.preset("mine", "quick"), recipes.preset("mine", "medium")
    assert (quick.training.steps, quick.training.batch, quick.store.crop) == (7, 8, 128)
    assert quick.teacher == "mae-teacher"  # a preset of ours: nothing to download
    assert (medium.training.steps, medium.losses.hr) == (3000, 0.9)
    assert recipes.published_for("mine") is None


@pytest.mark.parametrize("changes", [{"quick": ["training.stepz=7"]}, {"medium": ["training.batch=0"]}])
def test_a_profile_that_cannot_be_trained_is_refused_at_once(changes: dict[str, list[str]]) -> None:
    own = dataclasses.replace(recipes.preset("mae"), name="mine")
    with pytest.raises(KdsharpError, match="training"):
        recipes.register(own, **changes)
    assert "mine" not in recipes.presets()


def test_presets_and_the_networks_published_of_them() -> None:
    assert recipes.presets()[:6] == list(recipes.SYSTEMS)
    assert recipes.presets("quick") == recipes.presets("medium") < recipes.presets()
    named = [recipes.published_for(name) for name in recipes.presets()]
    assert {path.stem for path in checkpoints.published()} == set(filter(None, named))
    assert recipes.published_for("video-call") == "call-s" and recipes.published_for("nothing") is None
    with pytest.raises(KdsharpError, match="'call-s' is trained at full length only"):
        recipes.preset("call-s", "quick")
    with pytest.raises(KdsharpError, match="no profile 'hasty'"):
        recipes.preset("call-s", "hasty")
    assert not recipes.trains_teacher(recipes.preset("call-s"))  # from call-ceiling, which is published
    assert not recipes.trains_teacher(recipes.preset("self-teacher"))  # from nobody


def test_a_degradation_brings_its_own_rules() -> None:
    base = recipes.preset("real-esrgan")
    recipes.register_degradation("fog", Fog)
    with pytest.raises(KdsharpError, match=r"degradation.density is \(0.5, 2\): .* from 0 to 1"):
        Fog((0.5, 2))
    foggy = dataclasses.replace(base, degradation=Fog(scale=4))
    assert recipes.to_dict(foggy)["degradation_kind"] == recipes.kind_of(foggy.degradation) == "fog"
    assert recipes.from_dict(json.loads(json.dumps(recipes.to_dict(foggy)))) == foggy
    assert recipes.override(base, ["degradation_kind=fog"]).degradation == Fog(scale=4)
    denser = recipes.override(foggy, ["degradation.density=[0.4, 0.4]", "scale=2"])
    assert (denser.degradation, denser.scale, denser.task) == (Fog((0.4, 0.4), 2), 2, "upscale")


def test_settings_without_rules_or_defaults() -> None:
    @dataclasses.dataclass(frozen=True)
    class Rain:
        drops: int = 3

    recipes.register_degradation("rain", Rain)
    assert (
        dataclasses.replace(recipes.preset("mae"), degradation=Rain(5)).scale == recipes.scale_of(Rain()) == 1
    )
    with pytest.raises(KdsharpError, match="'snow' are no dataclass with a default for each"):
        recipes.register_degradation("snow", int)
    with pytest.raises(KdsharpError, match="'snow' are no dataclass with a default for each"):
        recipes.register_degradation("snow", recipes.Recipe)
    with pytest.raises(KdsharpError, match="degradation is Fog"):
        dataclasses.replace(recipes.preset("mae"), degradation=Fog())  # not registered
    with pytest.raises(KdsharpError, match="Fog is no registered degradation"):
        recipes.kind_of(Fog())


def test_a_family_brings_its_options() -> None:
    with pytest.raises(KdsharpError, match=r"student.family is 'tiny': give one of student, "):
        Network("tiny")
    recipes.register_family("tiny", {"scale": 1, "channels": 8, "gain": 0.5, "bias": True})
    made = dataclasses.replace(recipes.preset("real-esrgan"), student=Network("tiny", {"gain": 1}))
    assert made.student.options == {"scale": 4, "gain": 1}
    assert recipes.override(made, ["student.options.bias=false"]).student.options["bias"] is False
    for wrong in ("gain=much", "channels=0", "depth=3", "bias=[1]"):
        with pytest.raises(KdsharpError, match=wrong.split("=")[0]):
            recipes.override(made, [f"student.options.{wrong}"])


def test_a_card_from_elsewhere_is_read_but_not_trained() -> None:
    """The file of a student whose degradation and family are registered where it was made, not here."""
    data = json.loads(json.dumps(recipes.to_dict(recipes.preset("real-esrgan"))))
    for change, sentence in [
        (
            {"degradation_kind": "fog", "degradation": {"density": [0.1, 0.5], "scale": 4}},
            "no degradation 'fog'",
        ),
        ({"student": {"family": "tiny", "options": {"gain": 0.5}}}, "student.family is 'tiny': give one of"),
    ]:
        written = data | change
        read = recipes.from_dict(written)
        assert json.loads(json.dumps(recipes.to_dict(read))) == written and (read.scale, read.task) == (
            4,
            "upscale",
        )
        assert recipes.from_dict(recipes.to_dict(read)) == read
        assert dataclasses.replace(read, teacher=None).teacher is None
        for train in (recipes.check_training, lambda found: recipes.override(found, ["training.steps=1"])):
            with pytest.raises(KdsharpError, match=sentence):
                train(read)


def test_a_student_for_a_degradation_from_elsewhere_sharpens(tmp_path: Path) -> None:
    own = checkpoints.find("call-s")
    with safe_open(own, "np") as handle:
        told, weights = handle.metadata(), {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    foggy = json.loads(told["kdsharp.recipe"]) | {
        "degradation_kind": "fog",
        "degradation": {"density": [0.1, 0.5]},
    }
    save_file(weights, tmp_path / "foggy.safetensors", told | {"kdsharp.recipe": json.dumps(foggy)})
    loaded = kdsharp.load_student(tmp_path / "foggy.safetensors", "cpu")
    frame = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    assert np.array_equal(loaded(frame), kdsharp.load_student("call-s", "cpu")(frame))


def test_one_scale_changes_all() -> None:
    changed = recipes.override(recipes.preset("real-esrgan"), ["scale=2", "training.patch=96"])
    assert (changed.scale, changed.degradation.scale, changed.student.options["scale"]) == (2, 2, 2)
    shrunk = recipes.override(changed, ["degradation_kind=downscale"])
    assert shrunk.degradation == recipes.Downscale(2)
    same_size = recipes.override(changed, ["degradation_kind=blur", "scale=1"])
    assert (same_size.task, same_size.scale, same_size.student.options["scale"]) == ("sharpen", 1, 1)
    plain = recipes.Recipe("plain", recipes.Downscale(2), Network("student"), None, Losses())
    assert plain.student.options == {"scale": 2} and Network("residual").options == {}
    with pytest.raises(KdsharpError, match=r"student.options.scale is 2, but the degradation's scale is 1"):
        recipes.override(recipes.preset("video-call"), ["scale=2"])


def test_losses_from_outside_are_weighed_by_name() -> None:
    base = recipes.preset("mae")
    assert base.losses.others == {} and "others" not in recipes.to_dict(base)["losses"]
    glowing = recipes.override(base, ["losses.others.glow=0.1"])
    assert glowing.losses == dataclasses.replace(base.losses, others={"glow": 0.1})
    assert recipes.from_dict(json.loads(json.dumps(recipes.to_dict(glowing)))) == glowing != base
    assert recipes.digest(glowing) != recipes.digest(base)


def test_a_term_that_came_later_is_written_where_it_is_weighed() -> None:
    base = recipes.preset("mae")
    assert "contrast" not in recipes.to_dict(base)["losses"]
    crisp = recipes.override(base, ["losses.contrast=3"])
    assert recipes.to_dict(crisp)["losses"]["contrast"] == 3
    assert recipes.from_dict(json.loads(json.dumps(recipes.to_dict(crisp)))) == crisp
    assert recipes.override(crisp, ["losses.contrast=0"]) == base


def test_settings_of_a_degradation_that_came_later_are_written_where_they_are_set() -> None:
    base = recipes.preset("video-call")
    assert not {"soft", "soft_share"} & recipes.to_dict(base)["degradation"].keys()
    changed = recipes.override(base, ["degradation.soft=[0.3,0.6]", "degradation.soft_share=0.1"])
    receivers = recipes.override(changed, ['degradation.enlarge=["bicubic","mitchell"]'])
    assert receivers.degradation.enlarge == ("bicubic", "mitchell")
    for recipe in (base, changed, receivers):
        assert recipes.from_dict(json.loads(json.dumps(recipes.to_dict(recipe)))) == recipe
    assert recipes.to_dict(changed)["degradation"]["soft_share"] == 0.1
    assert len({recipes.digest(recipe) for recipe in (base, changed, receivers)}) == 3
    assert recipes.override(changed, ["degradation.soft=[0,0]", "degradation.soft_share=0"]) == base


def test_what_was_written_before_is_still_the_same() -> None:
    """As `to_dict` described the preset before scale and task became one: stores and runs are known by it."""
    before = """{"name": "cifar", "task": "sharpen", "scale": 1,
        "degradation": {"kind": "gaussian", "amount": [0.5, 2.0], "lean": 1.0}, "degradation_kind": "blur",
        "student": {"family": "encoder-decoder", "options": {"channels": 16, "levels": 2, "blocks": 1}},
        "teacher": "cifar-teacher", "start": null, "data": "cifar10", "photos": 1000,
        "losses": {"hr": 1.0, "teacher": 0.5, "structure": 0.0, "perceptual": 0.002, "features": 0.01,
            "distance": "l1", "soft": 0.0, "temperature": 1.0, "ms_ssim": 0.0, "frequency": 0.0, "edge": 0.0,
            "vgg": 16},
        "training": {"steps": 6000, "batch": 32, "patch": 32, "learning_rate": 0.001, "warmup": 0.02,
            "weight_decay": 0.0001, "clip": 1.0, "ema": 0.999, "validate_every": 1000, "checkpoint_seconds": 120.0,
            "seed": 0, "half_on_cpu": false},
        "store": {"crop": 32, "crops_per_photo": 1, "group": 1, "seed": 0, "reductions": [1.0]}}"""
    known = recipes.preset("cifar")
    assert json.loads(json.dumps(recipes.to_dict(known))) == json.loads(before)
    assert recipes.from_dict(json.loads(before)) == known
    assert recipes.digest(known) == "81e521"
