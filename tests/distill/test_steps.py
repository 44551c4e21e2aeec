"""A compiled step is the same step, a GPU takes the faster one, and a processor never compiles."""

import dataclasses
import time
from pathlib import Path

import pytest
import torch

from kdsharp import data, distill, student
from kdsharp.distill import learner, steps, targets
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Losses, Recipe, Store, Training

SETTINGS = Training(steps=8, batch=2, patch=32, validate_every=8, warmup=0.1, learning_rate=2e-3)


@pytest.fixture
def recipe(small_call: Recipe) -> Recipe:
    """A student of luma with the terms that a call's have: L1 and SSIM, whose window a step does not make anew."""
    return dataclasses.replace(
        small_call,
        losses=Losses(hr=1.0, structure=0.5),
        training=SETTINGS,
        store=Store(crop=48, crops_per_photo=4, group=2),
    )


def batch() -> distill.batches.Batch:
    random = torch.Generator().manual_seed(0)
    return *(torch.rand(2, 1, 32, 32, generator=random) for _ in range(2)), None


def objective(recipe: Recipe) -> tuple[steps.Objective, learner.Learner]:
    made = learner.begin(recipe, "cpu", torch.float32, None)
    return steps.objective(made.trained, torch.float32, recipe.losses, None), made


@pytest.mark.heavy
def test_a_compiled_step_leads_to_the_same_weights(tmp_path: Path, recipe: Recipe) -> None:
    """Within rounding, after eight steps that each follow from the one before; a processor records no graph."""
    photos = data.embedded_photos("train")[:1]
    store = targets.build(tmp_path / "store", photos, recipe.degradation, recipe.store, None)
    made = {
        way: distill.train(recipe, store, store, tmp_path / way, way=way).network.state_dict()
        for way in ("eager", "graph")
    }
    begun = student.build(recipe.student).state_dict()
    for name, value in made["eager"].items():
        torch.testing.assert_close(made["graph"][name], value, rtol=1e-3, atol=2e-6)
    assert any((made["eager"][name] - value).abs().max() > 1e-3 for name, value in begun.items())


@pytest.mark.parametrize("faster", ["eager", "graph"])
def test_a_gpu_takes_the_faster_way(
    faster: str, recipe: Recipe, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A function that sleeps is the slower one. Measuring changes no weight, and leaves no gradient."""
    compute, made = objective(recipe)

    def slow(*given: torch.Tensor) -> steps.Terms:
        time.sleep(0.01)
        return compute(*given)

    quick = lambda *given: compute(*given)  # noqa: E731
    plain, recorded = (quick, slow) if faster == "eager" else (slow, quick)
    monkeypatch.setattr(steps, "prepared", lambda _compute, _way: recorded)
    before = [weight.clone() for weight in made.network.parameters()]
    with caplog.at_level("INFO"):
        assert steps.fastest(plain, made.trained, batch, "cuda") is quick
    assert f"{faster} is taken" in caplog.text
    assert all(map(torch.equal, before, made.network.parameters()))
    assert all(weight.grad is None for weight in made.network.parameters())


def test_a_processor_never_compiles(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    compute, made = objective(recipe)
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("compiled"))
    assert steps.fastest(compute, made.trained, lambda: pytest.fail("a batch was drawn"), "cpu") is compute


def test_where_nothing_can_be_compiled_the_step_stays_plain(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    compute, made = objective(recipe)

    def broken(*_given: torch.Tensor) -> steps.Terms:
        raise RuntimeError("no compiler\nat all")

    monkeypatch.setattr(torch, "compile", lambda *_, **__: broken)
    assert steps.fastest(compute, made.trained, batch, "cuda") is compute
    assert "stays plain: no compiler" in caplog.text and "at all" not in caplog.text
    assert all(weight.grad is None for weight in made.network.parameters())


def test_an_unknown_way_is_named(recipe: Recipe) -> None:
    with pytest.raises(KdsharpError, match=r"no way 'magic'.*eager, compile, graph"):
        steps.prepared(objective(recipe)[0], "magic")


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU at hand")
@pytest.mark.parametrize("way", [way for way in steps.WAYS if way != "eager"])
def test_a_step_on_a_gpu_is_the_same_in_every_way(way: str, recipe: Recipe) -> None:
    """Loss and gradients of three batches, in single precision, against the plain step."""
    made = learner.begin(recipe, "cuda", torch.float32, None)
    plain = steps.objective(made.trained, torch.float32, recipe.losses, None)
    other = steps.prepared(plain, way)
    for seed in range(3):
        random = torch.Generator().manual_seed(seed)
        given = *(torch.rand(2, 1, 32, 32, generator=random).cuda() for _ in range(2)), None
        found = {}
        for name, compute in (("plain", plain), ("other", other)):
            made.trained.zero_grad(set_to_none=True)
            loss = compute(*given)["loss"]
            loss.backward()
            found[name] = [
                loss.detach().clone(),
                *(weight.grad.clone() for weight in made.network.parameters()),
            ]
        for one, two in zip(found["plain"], found["other"], strict=True):
            torch.testing.assert_close(two, one, rtol=1e-2, atol=1e-5)
