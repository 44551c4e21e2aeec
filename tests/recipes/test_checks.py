"""Recipes are checked when they are made: every setting, what has to agree, what the tables repeat from the code."""

import dataclasses
import inspect
import json
from collections.abc import Callable

import pytest
import torch

from kdsharp import degradation, recipes, student
from kdsharp.distill import losses
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Losses, Network, Store, Training, degradations, network, recipe

WRONG = [
    ("scale=9", r"degradation.scale is 9: give a whole number from 1 to 8"),
    ("scale=two", r"degradation.scale is 'two'"),
    ("student.options.scale=2", r"student.options.scale is 2, but the degradation's scale is 4: .* scale=2"),
    ("degradation.scale=2", r"student.options.scale is 4, but the degradation's scale is 2"),
    ("task=sharpen", r"task is 'sharpen', but by the degradation and its scale it is upscale"),
    ("task=paint", r"task is 'paint', but"),
    ("degradation_kind=blur", r"student.options.scale is 4, but the degradation's scale is 1"),
    ("degradation_kind=rain", r"no degradation 'rain'; choose one of"),
    ("name=3", r"name is 3: give a name"),
    ('name=" "', r"name is ' '"),
    ("data=imagenet", r"data is 'imagenet': give one of div2k, cifar10"),
    ("photos=0", r"photos is 0: give none, or a whole number of at least 1"),
    ("photos=2.5", r"photos is 2.5"),
    ("teacher=3", r"teacher is 3"),
    ("training=3", r"'training' has settings of its own: change one, as training.steps"),
    ('training={"steps": 5, "stepz": 3}', r"no setting 'training.stepz': choose among steps, batch"),
    ("training.steps=1.5", r"training.steps is 1.5: give a whole number of at least 1"),
    ("training.steps=0", r"training.steps is 0"),
    ("training.steps=true", r"training.steps is True"),
    ("training.steps=many", r"training.steps is 'many'"),
    ("training.steps=[3]", r"training.steps is \(3,\)"),
    ("training.steps=1e400", r"training.steps is inf"),
    ("training.batch=0", r"training.batch is 0: give a whole number of at least 1"),
    ("training.batch=-4", r"training.batch is -4"),
    ("training.learning_rate=nan", r"training.learning_rate is 'nan': give a number above 0"),
    ("training.learning_rate=NaN", r"training.learning_rate is nan"),
    ("training.learning_rate=0", r"training.learning_rate is 0"),
    ("training.warmup=1.2", r"training.warmup is 1.2: give a number of at least 0 and at most 1"),
    ("training.ema=-0.1", r"training.ema"),
    ("training.half_on_cpu=1", r"training.half_on_cpu is 1: give true or false"),
    ("training.validate_every=0", r"training.validate_every is 0"),
    ("training.seed=-1", r"training.seed is -1"),
    ("training.patch=64", r"training.patch is 64, larger than a crop .* give at most 48"),
    ("store.crop=96", r"training.patch is 48, larger than a crop .* give at most 24"),
    ("store.crop=194", r"store.crop is 194: give a multiple of 4, for a scale of 4"),
    ("store.crops_per_photo=0", r"store.crops_per_photo is 0"),
    ("store.reductions=[0.5]", r"store.reductions is \(0.5,\): give a tuple of values, each a number of at least 1"),
    ("store.reductions=[]", r"store.reductions is \(\)"),
    ("losses.hr=-1", r"losses.hr is -1: give a number of at least 0"),
    ("losses.hr=Infinity", r"losses.hr is inf"),
    ('losses.hr="1"', r"losses.hr is '1'"),
    ("losses.distance=l7", r"losses.distance is 'l7': give one of l1, mse, charbonnier"),
    ("losses.others.glow=-1", r"losses.others is {'glow': -1}: give weights by name, each a number of at least 0"),
    ("losses.others.glow=much", r"losses.others is {'glow': 'much'}"),
    ("losses.others=3", r"'losses.others' has settings of its own: change one, as losses.others.NAME"),
    ("losses.others.=1", r"no setting 'losses.others.=1'"),
    ("losses.vgg=18", r"losses.vgg is 18: give one of 16, 19"),
    ("losses.vgg=16.0", r"losses.vgg is 16.0"),
    ("losses.temperature=0", r"losses.temperature is 0"),
    ("student.family=foo", r"student.family is 'foo': give one of student, residual"),
    ("student.family=residual", r"'residual' has no option 'body': choose among scale, channels, blocks"),
    ("student.options.depth=3", r"no option 'depth': choose among"),
    ("student.options.channels=0", r"student.options.channels is 0: give a whole number from 1 to 1024"),
    ("student.options.channels=16.0", r"student.options.channels is 16.0"),
    ("student.options.colour=cmyk", r"student.options.colour is 'cmyk': give one of luma, rgb"),
    ("student.options.unshuffle=32", r"student.options.unshuffle is 32"),
    ("student.options.attention=1", r"student.options.attention is 1: give true or false"),
    ("degradation.first.jpeg=[0, 50]", r"a round's jpeg is \(0, 50\): give a pair of numbers, the smaller first"),
    ("degradation.second.jpeg=[30, 101]", r"a round's jpeg is \(30, 101\)"),
    ("degradation.first.noise=[9, 3]", r"a round's noise is \(9, 3\)"),
    ("degradation.first.resize=[1.2, 1.5]", r"a round's resize is \(1.2, 1.5\): give a pair with 1 inside"),
    ("degradation.first.resize_probabilities=[0, 0, 0]", r"resize_probabilities is \(0, 0, 0\)"),
    ("degradation.first.kernel.sigma=[0, 1]", r"a kernel's sigma is \(0, 1\): .* above 0 and at most 21"),
    ('degradation.first.kernel.shapes=["iso"]', r"shape_probabilities is .*: give 1 shares"),
    ("degradation.first.kernel.shapes=iso", r"a kernel's shapes is 'iso'"),
    ("degradation.first=3", r"'degradation.first' has settings of its own"),
]  # fmt: skip


@pytest.mark.parametrize(("setting", "sentence"), WRONG, ids=[setting for setting, _ in WRONG])
def test_nonsense_is_refused_in_one_sentence(setting: str, sentence: str) -> None:
    with pytest.raises(KdsharpError, match=sentence) as refused:
        recipes.override(recipes.preset("real-esrgan"), [setting])
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 250


DAMAGES: list[tuple[Callable[[], object], str]] = [
    (lambda: degradations.VideoCall(shrink=(3.0, 1.5)), r"degradation.shrink is \(3.0, 1.5\)"),
    (lambda: degradations.VideoCall(shrink=2.0), r"degradation.shrink is 2.0: give a pair"),
    (lambda: degradations.VideoCall(shrink=(0.5, 2.0)), r"degradation.shrink"),
    (
        lambda: degradations.VideoCall(filters=("boxes",)),
        r"degradation.filters is \('boxes',\): .* area, bilinear, bicubic",
    ),
    (lambda: degradations.VideoCall(filters=()), r"degradation.filters"),
    (lambda: degradations.VideoCall(enlarge="sinc"), r"degradation.enlarge is 'sinc': .*mitchell"),
    (lambda: degradations.VideoCall(enlarge=("bilinear", "sinc")), r"degradation.enlarge .* a tuple of such"),
    (lambda: degradations.VideoCall(enlarge=()), r"degradation.enlarge"),
    (lambda: degradations.VideoCall(soft=(0.5, 0.2)), r"degradation.soft is \(0.5, 0.2\)"),
    (lambda: degradations.VideoCall(soft_share=1.5), r"degradation.soft_share is 1.5"),
    (lambda: degradations.VideoCall(usual=(0.0,)), r"degradation.usual"),
    (lambda: degradations.VideoCall(clean_share=2), r"degradation.clean_share is 2"),
    (lambda: degradations.Blur("box"), r"degradation.kind is 'box': give one of gaussian, motion, defocus"),
    (lambda: degradations.Blur(amount=(0.0, 1.0)), r"degradation.amount"),
    (lambda: degradations.Blur(amount=(1.0, float("nan"))), r"degradation.amount"),
    (lambda: degradations.Camera(exposure=(0.0, 1.0)), r"degradation.exposure"),
    (lambda: degradations.Downscale(scale=2.0), r"degradation.scale is 2.0"),
    (lambda: degradations.Downscale(noise=(0.0, 300.0)), r"degradation.noise"),
    (lambda: degradations.RealEsrgan(first=3), r"degradation.first is 3"),
    (lambda: Network("student", ["scale"]), r"student.options is \['scale'\]"),
    (lambda: Training(steps="100"), r"training.steps is '100'"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "sentence"), DAMAGES)
def test_parts_are_checked_when_they_are_made(make: Callable[[], object], sentence: str) -> None:
    with pytest.raises(KdsharpError, match=sentence):
        make()


KINDS = [
    *recipes.DEGRADATIONS.values(),
    degradations.KernelMix,
    degradations.DegradeOnce,
    Network,
    Losses,
    Store,
    Training,
]


@pytest.mark.parametrize("kind", KINDS)
def test_no_setting_goes_unchecked(kind: type) -> None:
    for item in dataclasses.fields(kind):
        with pytest.raises(KdsharpError, match=item.name):
            dataclasses.replace(kind(), **{item.name: object()})


def test_no_setting_of_a_whole_recipe_goes_unchecked() -> None:
    whole = recipes.preset("video-call")
    for item in dataclasses.fields(whole):
        with pytest.raises(KdsharpError, match=item.name):
            dataclasses.replace(whole, **{item.name: object()})


def test_what_the_tables_repeat_is_what_the_code_has() -> None:
    assert set(recipe.DISTANCES) == set(losses.DISTANCES)
    assert degradations.FILTERS == degradation.SHRINKING
    for receiver in degradations.RECEIVERS:
        assert degradation.enlarge(torch.rand(1, 3, 8, 8), (12, 16), receiver).shape == (1, 3, 12, 16)
    assert set(network.FAMILIES) == set(student.FAMILIES)
    for family, options in network.FAMILIES.items():
        taken = inspect.signature(student.FAMILIES[family]).parameters
        fixed = {"skips"} if family == "encoder-decoder" else set()
        assert {name: one.default for name, one in taken.items() if name not in fixed} == options
    for kind in degradations.BLURS:
        degradation.degrade(torch.rand(1, 3, 32, 32), degradations.Blur(kind), torch.Generator())


def test_every_recipe_of_the_project_is_allowed() -> None:
    for profile in recipes.PROFILES:
        for name in recipes.presets(profile):
            recipes.check_training(recipes.preset(name, profile))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda data: data.pop("student"), "not whole .*student"),
        (lambda data: data.pop("degradation_kind"), "no degradation None"),
        (lambda data: data.update(degradation=None), "no degradation"),
        (lambda data: data.update(degradation_kind=["blur"]), "no degradation"),
        (lambda data: data.update(colour="red"), "no setting 'colour'"),
        (lambda data: data["losses"].update(gan=1.0), "no setting 'losses.gan'"),
        (lambda data: data.update(losses=None), "losses is None"),
    ],
)
def test_a_file_that_holds_another_thing_is_said(change: Callable[[dict], object], sentence: str) -> None:
    data = json.loads(json.dumps(recipes.to_dict(recipes.preset("mae"))))
    change(data)
    with pytest.raises(KdsharpError, match=sentence):
        recipes.from_dict(data)


def test_settings_that_agree_are_changed_together() -> None:
    blurred = recipes.override(recipes.preset("mae"), ["degradation_kind=blur", "degradation.kind=motion"])
    assert blurred.degradation == degradations.Blur("motion")
    wide = recipes.override(recipes.preset("mae"), ["student.options.attention=true"])
    assert wide.student.options["attention"] is True


def test_patches_fill_what_the_network_folds() -> None:
    base = recipes.preset("restormer")  # three levels of a picture folded by 2
    with pytest.raises(KdsharpError, match="patch is 36: give a multiple of 8"):
        recipes.override(base, ["training.patch=36"])
    assert recipes.override(base, ["training.patch=40"]).training.patch == 40
