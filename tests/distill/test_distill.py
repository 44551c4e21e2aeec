"""Training: resumed equals never stopped, faults keep what was good, and the student learns."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from kdsharp import data, distill, recipes, student, teacher
from kdsharp.distill import features, learner, losses, perceptual, precision, targets, training
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Losses, Network, Recipe, Store, Training
from kdsharp.student import load_network

SETTINGS = Training(steps=12, batch=2, patch=32, validate_every=6, checkpoint_seconds=0.0, warmup=0.1)


def recipe(**changed: object) -> Recipe:
    base = recipes.preset("video-call", "quick")
    small = Network("student", {"scale": 1, "unshuffle": 4, "channels": 8, "body": 1, "colour": "luma"})
    base = dataclasses.replace(
        base, student=small, training=SETTINGS, store=Store(crop=64, crops_per_photo=6, group=2), teacher=None
    )
    return dataclasses.replace(base, **changed)


@pytest.fixture
def store(tmp_path: Path, guide: teacher.Teacher) -> targets.TargetStore:
    made = recipe()
    return targets.build(
        tmp_path / "store", data.embedded_photos("train"), made.degradation, made.store, guide
    )


def weights(result: distill.TrainingResult) -> torch.Tensor:
    return torch.cat([value.flatten() for value in result.network.state_dict().values()])


def test_killed_and_resumed_equals_never_stopped(tmp_path: Path, store: targets.TargetStore) -> None:
    whole = distill.train(recipe(), store, store, tmp_path / "whole")

    def stop(row: dict) -> None:
        if row["step"] == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distill.train(recipe(), store, store, tmp_path / "parts", on_progress=stop)
    assert not (tmp_path / "parts" / "student.safetensors").exists()
    parts = distill.train(recipe(), store, store, tmp_path / "parts")
    assert torch.equal(weights(parts), weights(whole)) and parts.history == whole.history
    loaded, saved_recipe = load_network(parts.checkpoint)
    assert saved_recipe == recipe()
    assert all(
        torch.equal(loaded.state_dict()[key], value) for key, value in parts.network.state_dict().items()
    )
    assert (tmp_path / "parts" / "validation-000012.png").exists()


def test_who_learns_alone_sees_no_teacher(tmp_path: Path, store: targets.TargetStore) -> None:
    """Notebooks train a student alone on the store of its sisters: their teacher's pictures must not reach it."""
    alone, photos = recipe(losses=Losses(hr=1.0, structure=0.5)), data.embedded_photos("train")
    bare = targets.build(tmp_path / "bare", photos, alone.degradation, alone.store, None)
    shared = distill.train(alone, store, bare, tmp_path / "shared")
    assert torch.equal(weights(shared), weights(distill.train(alone, bare, bare, tmp_path / "own")))


def test_folder_of_another_run_is_left_alone(tmp_path: Path, store: targets.TargetStore) -> None:
    distill.train(recipe(), store, store, tmp_path / "run")
    before = (tmp_path / "run" / "last.pt").read_bytes()
    other = recipe(training=dataclasses.replace(SETTINGS, steps=20))
    with pytest.raises(KdsharpError, match="another recipe"):
        distill.train(other, store, store, tmp_path / "run")
    assert (tmp_path / "run" / "last.pt").read_bytes() == before


def test_loss_that_is_not_finite_keeps_the_last_good_checkpoint(
    tmp_path: Path, store: targets.TargetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = training.draw_batch

    def poisoned(store: targets.TargetStore, settings: Training, step: int, *how: str):
        inputs, hr, target = draw(store, settings, step, *how)
        return (inputs * float("nan") if step == 5 else inputs), hr, target

    monkeypatch.setattr(training, "draw_batch", poisoned)
    with pytest.raises(KdsharpError, match="not finite at step 5"):
        distill.train(recipe(), store, store, tmp_path / "run")
    kept = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert kept["step"] == 5
    assert all(value.isfinite().all() for value in kept["network"].values())


@pytest.mark.heavy
def test_a_student_learns(tmp_path: Path) -> None:
    """From scratch on four photographs, within a minute: better than its input on photographs it never saw."""
    settings = Training(steps=250, batch=8, patch=64, learning_rate=2e-3, validate_every=250, ema=0.98)
    learned = recipe(training=settings, losses=Losses(), store=Store(crop=96, crops_per_photo=24))
    learned = dataclasses.replace(learned, student=recipes.preset("video-call").student)
    train = targets.build(
        tmp_path / "t", data.embedded_photos("train"), learned.degradation, learned.store, None
    )
    val = targets.build(tmp_path / "v", data.embedded_photos("val"), learned.degradation, learned.store, None)
    untrained = student.build(dataclasses.replace(learned.student))
    torch.nn.init.zeros_(untrained.layers[-1].weight)
    nothing = distill.validate(untrained, val, tmp_path, 0)
    result = distill.train(learned, train, val, tmp_path / "run")
    assert result.history[-1]["val_psnr"] > nothing + 0.15


def test_learning_rate_warms_up_and_comes_down() -> None:
    settings = Training(steps=100, warmup=0.1, learning_rate=1.0)
    rates = [distill.learning_rate(step, settings) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == pytest.approx(1.0) and rates[-1] < 0.02
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)


def test_batches_stay_aligned(tmp_path: Path) -> None:
    """Input, HR and target of an upscaling batch show the same place, flipped and turned alike."""
    upscale = recipes.preset("real-esrgan", "quick")
    shape = dataclasses.replace(
        upscale,
        degradation=recipes.Downscale(scale=4),
        losses=Losses(),
        store=Store(crop=128, crops_per_photo=4),
        training=dataclasses.replace(upscale.training, patch=16, batch=8),
    )
    made = targets.build(tmp_path / "s", data.embedded_photos("train"), shape.degradation, shape.store, None)
    for step in range(3):
        inputs, hr, target = distill.draw_batch(made, shape.training, step, "rgb")
        assert inputs.shape == (8, 3, 16, 16) and hr.shape == (8, 3, 64, 64) and target is None
        assert (torch.nn.functional.avg_pool2d(hr, 4) - inputs).abs().mean() < 0.03


def test_the_structure_term_is_one_minus_the_literatures_ssim() -> None:
    hr = data.read_image(data.embedded_photos("train")[0])[:96, :120]
    noisy = np.clip(hr + np.random.default_rng(0).normal(0, 12, hr.shape), 0, 255).astype(np.uint8)
    asked = structural_similarity(
        noisy,
        hr,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=2,
        data_range=255,
    )
    ours = losses.ssim(data.to_tensor(noisy), data.to_tensor(hr))
    assert ours.item() == pytest.approx(asked, abs=1e-4)
    out = data.to_tensor(noisy).requires_grad_()
    term = losses.distillation_loss(out, data.to_tensor(hr), None, Losses(hr=0.0, structure=0.5), None)[
        "loss"
    ]
    assert term.item() == pytest.approx(0.5 * (1 - asked), abs=1e-4)
    term.backward()
    better = (out - 0.02 * out.grad / out.grad.abs().max()).detach()
    assert losses.ssim(better, data.to_tensor(hr)) > ours  # against the gradient it is uphill
    assert losses.ssim(data.to_tensor(hr), data.to_tensor(hr)).item() == pytest.approx(1, abs=1e-4)
    with pytest.raises(KdsharpError, match="larger patches"):
        losses.ssim(torch.rand(1, 1, 8, 8), torch.rand(1, 1, 8, 8))


def test_a_network_that_died_is_noticed(
    store: targets.TargetStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Narrow ReLU networks can close for good and then give back their input: hours of training for nothing."""
    start = learner.starting_network

    def dead(chosen: Recipe) -> torch.nn.Module:
        network = start(chosen)
        torch.nn.init.constant_(network.layers[2].bias, -1e3)
        return network

    monkeypatch.setattr(learner, "starting_network", dead)
    with pytest.raises(KdsharpError, match="has died by step 6"):
        distill.train(recipe(), store, store, tmp_path / "run")


def test_loss_terms_add_up_and_missing_parts_are_explained() -> None:
    out, hr, target = torch.rand(3, 1, 3, 16, 16)
    terms = losses.distillation_loss(out, hr, target, Losses(hr=0.5, teacher=2.0), None)
    assert terms["hr"].item() == pytest.approx(0.5 * (out - hr).abs().mean().item())
    assert terms["loss"].item() == pytest.approx(
        0.5 * (out - hr).abs().mean() + 2 * (out - target).abs().mean()
    )
    with pytest.raises(KdsharpError, match="VGG"):
        losses.distillation_loss(out, hr, target, Losses(perceptual=1.0), None)
    with pytest.raises(KdsharpError, match="teacher's network"):
        losses.distillation_loss(out, hr, target, Losses(features=1.0), None)
    with pytest.raises(KdsharpError, match="targets"):
        losses.distillation_loss(out, hr, None, Losses(teacher=1.0), None)
    with pytest.raises(KdsharpError, match="weights are 0"):
        losses.distillation_loss(out, hr, None, Losses(hr=0.0), None)


@pytest.mark.heavy
def test_perceptual_distance_grows_with_blur(assets: Path, picture: np.ndarray) -> None:
    measure = perceptual.Perceptual(assets / "weights" / "vgg19-caffe-conv1_1-conv3_4.safetensors")
    sharp = data.to_tensor(picture[:128, :128])
    blurred = [torch.nn.functional.avg_pool2d(sharp, k, 1, k // 2) for k in (3, 7)]
    distances = [measure(image, sharp).item() for image in (sharp, *blurred)]
    assert distances[0] == 0 < distances[1] < distances[2]
    assert measure(student.to_luma(sharp), student.to_luma(blurred[0])).item() > 0


def test_vgg_file_of_another_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "vgg.safetensors").write_text("no")
    with pytest.raises(KdsharpError, match=r"vgg\.safetensors"):
        perceptual.Perceptual(tmp_path / "vgg.safetensors")


def test_feature_distance_is_0_for_the_teacher_itself_and_trains_the_adapter() -> None:
    options = {"scale": 1, "unshuffle": 4, "channels": 8, "body": 1, "colour": "luma"}
    guide = student.build(Network("student", options))
    network = student.build(Network("student", options))
    network.load_state_dict(guide.state_dict())
    match = features.FeatureMatch(network, guide)
    with torch.no_grad():
        match.adapter.weight.copy_(torch.eye(8)[..., None, None])
        match.adapter.bias.zero_()
    frames = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    network(frames)
    assert match(frames).item() == pytest.approx(0, abs=1e-6)
    with torch.no_grad():
        match.adapter.weight.mul_(2)
    network(frames)
    distance = match(frames)
    assert distance.item() == pytest.approx(1, abs=1e-5), (
        "twice the features: the distance is their mean size"
    )
    distance.backward()
    assert match.adapter.weight.grad.abs().sum() > 0 and network.layers[0].weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in guide.parameters()), "the teacher must not learn"


@pytest.mark.parametrize("guide", [None, torch.nn.Conv2d(1, 1, 3)])
def test_features_need_a_teacher_that_shows_them(guide: torch.nn.Module | None) -> None:
    network = student.build(Network("student", {"colour": "luma"}))
    with pytest.raises(KdsharpError, match=r"losses\.features"):
        features.FeatureMatch(network, guide)


@pytest.mark.parametrize("halves", [True, False])
def test_a_resumed_run_keeps_the_precision_that_it_began_in(
    tmp_path: Path, store: targets.TargetStore, monkeypatch: pytest.MonkeyPatch, halves: bool
) -> None:
    """Taken up on a processor that would have chosen the other one, it ends with the same weights."""
    allowed = recipe(training=dataclasses.replace(SETTINGS, half_on_cpu=True))
    monkeypatch.setattr(precision, "bfloat16_pays", lambda: halves)
    whole = distill.train(allowed, store, store, tmp_path / "whole")
    distill.train(allowed, store, store, tmp_path / "parts", watch=lambda step, _: step == 5)
    monkeypatch.setattr(precision, "bfloat16_pays", lambda: not halves)
    assert torch.equal(weights(distill.train(allowed, store, store, tmp_path / "parts")), weights(whole))
    other = distill.train(allowed, store, store, tmp_path / "other")
    assert not torch.equal(weights(other), weights(whole)), "the precision makes no difference"
    single = distill.train(recipe(), store, store, tmp_path / "single")
    assert torch.equal(weights(other if halves else whole), weights(single))


def test_float16_with_a_scaled_loss_is_resumed_as_it_was(
    tmp_path: Path, store: targets.TargetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a T4 computes in: the scale of the loss belongs to the checkpoint."""
    monkeypatch.setattr(precision, "precision_for", lambda *_: torch.float16)
    halved = recipe(training=dataclasses.replace(SETTINGS, half_on_cpu=True))
    whole = distill.train(halved, store, store, tmp_path / "whole")
    distill.train(halved, store, store, tmp_path / "parts", watch=lambda step, _: step == 5)
    kept = torch.load(tmp_path / "parts" / "last.pt", weights_only=True)
    assert kept["scaler"]["scale"] > 1
    assert torch.equal(weights(distill.train(halved, store, store, tmp_path / "parts")), weights(whole))
    single = distill.train(recipe(), store, store, tmp_path / "single")
    assert whole.history[-1]["val_psnr"] == pytest.approx(single.history[-1]["val_psnr"], abs=0.2)
