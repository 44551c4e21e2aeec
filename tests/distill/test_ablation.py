"""The ablation trains what it says, reports what was measured, and does nothing twice."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from kdsharp import data, evaluate, recipes, student
from kdsharp.apps.cli import main
from kdsharp.deploy import sharpen
from kdsharp.disk import checkpoints, files
from kdsharp.distill import ablation, learner, training
from kdsharp.distill.pipeline import Photos
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Losses, registry
from kdsharp.recipes.degradations import VideoCall


@pytest.fixture
def recipe() -> recipes.Recipe:
    settings = ["training.steps=3", "training.batch=2", "training.patch=32", "training.validate_every=3"]
    return recipes.override(
        recipes.preset("video-call", "quick"), [*settings, "store.crop=64", "store.crops_per_photo=4"]
    )


@pytest.mark.heavy
def test_rows_are_means_over_seeds_and_finished_runs_are_not_repeated(
    recipe: recipes.Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, held_out = data.embedded_photos("train")[:1], data.embedded_photos("val")[:1]
    known = checkpoints.find(recipes.published_for("video-call"))
    chosen = [
        ablation.Variant("plain", Losses(hr=1.0)),
        ablation.Variant("taught", Losses(hr=0.5, teacher=0.5, features=0.1), str(known)),
    ]
    rows = ablation.run(recipe, chosen, [0, 1], Photos(photos, held_out), tmp_path)
    assert [row["measured"] for row in rows[::2]] == ["mild", "medium", "severe", "clean"]
    scores: dict[str, list[float]] = {"plain": [], "taught": []}
    for name in scores:
        for seed in (0, 1):
            (trained,) = tmp_path.glob(f"{name}-{seed}-*/student.safetensors")
            own = sharpen.load_student(trained)
            assert own.recipe.losses.teacher == 0.5 * (name == "taught") and own.recipe.training.seed == seed
            measured = evaluate.evaluate_student(own, held_out, recipes.fixed_call(2, 70))
            scores[name].append(measured[-1]["psnr_y"])
    plain, taught = (row for row in rows if row["measured"] == "medium")
    for row, found in zip((plain, taught), scores.values(), strict=True):
        assert row["psnr_y"] == pytest.approx(np.mean(found))
        assert row["psnr_y_sd"] == pytest.approx(np.std(found, ddof=1))
        assert row["gain_db"] == pytest.approx(np.mean(found) - measured[0]["psnr_y"])
    gains = np.subtract(scores["taught"], scores["plain"])  # seed by seed
    assert taught["worth_db_each"] == pytest.approx(gains)
    assert taught["worth_db"] == pytest.approx(gains.mean())
    assert taught["worth_db_sd"] == pytest.approx(gains.std(ddof=1))
    assert plain["worth_db_each"] == [0, 0] and plain["target_seconds"] == plain["teacher_gmacs"] == 0
    assert taught["target_seconds"] > 0 and taught["training_seconds"] > 0
    network = student.load_network(known)[0]
    assert taught["teacher_gmacs"] == pytest.approx(
        student.multiply_adds(network, 512, 512) / 512**2 / 1e3, abs=0.1
    )
    table = ablation.format_table(rows)
    assert "plain" in table and f"{taught['worth_db']:+.3f} ± {taught['worth_db_sd']:.3f} dB" in table

    trained = []
    monkeypatch.setattr(training, "draw_batch", lambda *_: trained.append(1))
    assert ablation.run(recipe, chosen, [0, 1], Photos(photos, held_out), tmp_path) == rows and not trained


@pytest.mark.heavy
@pytest.mark.parametrize("name", [*recipes.SYSTEMS, "self-teacher"])
def test_every_preset_is_measured_on_its_own_damage(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own teacher is trained first where that is a preset; the rows are those of `kdsharp evaluate --preset`."""
    tiny = ["training.steps=2", "training.batch=2", "training.patch=16", "training.validate_every=1"]
    tiny += ["store.crop=64", "store.crops_per_photo=2", "losses.perceptual=0"]
    for preset in recipes.presets("quick"):
        row = registry.ROWS[preset]
        short = dataclasses.replace(row, recipe=recipes.override(row.recipe, tiny))
        monkeypatch.setitem(registry.ROWS, preset, short)
    picture = data.read_image(data.embedded_photos("val")[0])
    photos = [data.write_image(tmp_path / f"{n}.png", picture[40 * n : 40 * n + 96, :100]) for n in range(4)]
    recipe = recipes.preset(name)
    trains_first = recipes.trains_teacher(recipe)
    teacher = recipe.teacher if trains_first else "teacher-x4"
    chosen = [
        ablation.Variant("plain", Losses(hr=1.0)),
        ablation.Variant("taught", Losses(hr=0.5, teacher=0.5), teacher),
    ]
    rows = ablation.run(recipe, chosen, [0], Photos(photos[:2], photos[2:]), tmp_path / "runs")
    is_call = isinstance(recipe.degradation, VideoCall)
    row = next(row for row in rows if row["variant"] == "taught" and row["measured"] in ("medium", "photos"))
    assert len(rows) == (8 if is_call else 2)
    (trained,) = (tmp_path / "runs").glob("taught-0-*/student.safetensors")
    damage = recipes.fixed_call(2, 70) if is_call else recipe.degradation
    measured = evaluate.evaluate_student(sharpen.load_student(trained), photos[2:], damage)
    assert row["psnr_y"] == pytest.approx(measured[2]["psnr_y"])
    assert row["gain_db"] == pytest.approx(measured[2]["psnr_y"] - measured[0]["psnr_y"])
    assert bool(list((tmp_path / "runs").glob("teacher-*"))) == trains_first


@pytest.mark.parametrize(
    ("losses", "vgg", "said"),
    [
        (Losses(features=0.1), None, "Feature distillation needs a teacher of this course"),
        (Losses(perceptual=0.1), "no.safetensors", "no.safetensors"),
    ],
)
def test_what_cannot_be_trained_is_said_before_anything_is(
    recipe: recipes.Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    losses: Losses,
    vgg: str,
    said: str,
) -> None:
    monkeypatch.setattr("kdsharp.distill.training.train", lambda *_, **__: pytest.fail("it was trained"))
    chosen = [ablation.Variant("plain", Losses()), ablation.Variant("last", losses)]
    photos = data.embedded_photos("train")[:1]
    with pytest.raises(KdsharpError, match=said):
        ablation.run(recipe, chosen, [0], Photos(photos, data.embedded_photos("val")[:1]), tmp_path, vgg)
    tiny = data.write_image(tmp_path / "tiny.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(KdsharpError, match="SSIM needs 11 pixels"):
        ablation.run(recipe, chosen[:1], [0], Photos(photos, [tiny]), tmp_path)


@pytest.mark.heavy
def test_two_teachers_of_one_name_do_not_share(recipe: recipes.Recipe, tmp_path: Path) -> None:
    """Each variant learns from its own teacher, and so do those of another run in the same folder."""
    photos = Photos(data.embedded_photos("train")[:1], data.embedded_photos("val")[:1])
    network, seeds = recipes.Network("residual", {"scale": 1, "channels": 4, "blocks": 1}), (0, 1)
    paths = []
    for seed in seeds:
        torch.manual_seed(seed)
        teaching = dataclasses.replace(recipe, student=network)
        path = tmp_path / str(seed) / "student.safetensors"
        paths.append(checkpoints.save(path, student.build(network), teaching))
    losses = Losses(hr=0.0, teacher=1.0)
    both = [ablation.Variant("taught", losses, str(path)) for path in paths]
    together = ablation.run(recipe, both, [0], photos, tmp_path / "both")
    alone = [ablation.run(recipe, [one], [0], photos, tmp_path / "alone")[0] for one in both]
    assert [row["psnr_y"] for row in together[:2]] == [row["psnr_y"] for row in alone]
    assert together[0]["psnr_y"] != together[1]["psnr_y"]


@pytest.mark.heavy
def test_upscalers_are_measured_on_benchmarks_as_the_literature_does(tmp_path: Path) -> None:
    """The rows are those of `evaluate.network_benchmark`, and the gain is over bicubic."""
    picture = data.read_image(data.embedded_photos("val")[0])
    for number in range(2):
        data.write_image(tmp_path / "Set2" / f"{number}.png", picture[90 * number :, 100:][:83, :101])
    tiny = ["training.steps=2", "training.batch=2", "training.patch=16", "training.validate_every=1"]
    tiny += ["store.crop=64", "store.crops_per_photo=2"]
    recipe = recipes.override(recipes.preset("x2-s", "full"), tiny)
    photos = Photos(data.embedded_photos("train")[:1], data.embedded_photos("val")[:1])
    chosen = [ablation.Variant("plain", Losses(hr=1.0))]
    rows = ablation.run(recipe, chosen, [0], photos, tmp_path / "runs", benchmarks=[tmp_path / "Set2"])
    assert [row["measured"] for row in rows] == ["Set2", "photos"]
    (trained,) = (tmp_path / "runs").glob("plain-0-*/student.safetensors")
    wanted = evaluate.network_benchmark(sharpen.load_student(trained), tmp_path / "Set2", 2)
    assert (rows[0]["psnr_y"], rows[0]["ssim_y"]) == pytest.approx(wanted)
    bicubic = evaluate.network_benchmark(
        lambda small: evaluate.bicubic_upscale(small, 2), tmp_path / "Set2", 2
    )
    assert rows[0]["gain_db"] == pytest.approx(wanted[0] - bicubic[0])


@pytest.mark.parametrize("plain", [False, True])
def test_variants_share_everything_but_losses_and_teacher(plain: bool) -> None:
    chosen = ablation.variants("realesr-general-x4v3", "call-ceiling", plain)
    assert chosen[0].losses == Losses(hr=1.0) and chosen[0].teacher is None
    for variant in chosen:
        uses = variant.losses.teacher or variant.losses.perceptual or variant.losses.features
        assert bool(uses) == (variant.teacher is not None), variant.name
        assert variant.losses.hr + variant.losses.teacher == pytest.approx(1), (
            "else it is another learning rate"
        )
    assert {variant.teacher for variant in chosen} == {None, "realesr-general-x4v3", "call-ceiling"}
    assert len({variant.name for variant in chosen}) == len(chosen)
    assert len({repr(dataclasses.replace(variant, name="")) for variant in chosen}) == len(chosen)


def test_start_takes_the_weights_of_a_network_of_the_same_shape(
    recipe: recipes.Recipe, tmp_path: Path
) -> None:
    network = student.build(recipe.student)
    earlier = checkpoints.save(tmp_path / "earlier.safetensors", network, recipe)
    begun = learner.starting_network(dataclasses.replace(recipe, start=str(earlier)))
    assert all(
        np.array_equal(a, b)
        for a, b in zip(begun.state_dict().values(), network.state_dict().values(), strict=True)
    )
    wider = recipes.override(recipe, ["student.options.channels=48"])
    with pytest.raises(KdsharpError, match="another shape"):
        learner.starting_network(dataclasses.replace(wider, start=str(earlier)))


def test_a_deeper_residual_network_begins_as_the_shallower_one(
    recipe: recipes.Recipe, tmp_path: Path
) -> None:
    options = {"scale": 1, "channels": 8, "blocks": 2, "unshuffle": 2, "colour": "luma"}
    shallow = dataclasses.replace(recipe, student=recipes.Network("residual", options))
    network = student.build(shallow.student)
    earlier = str(checkpoints.save(tmp_path / "earlier.safetensors", network, shallow))
    deeper = dataclasses.replace(recipes.override(shallow, ["student.options.blocks=5"]), start=earlier)
    begun, frame = learner.starting_network(deeper), torch.rand(1, 1, 24, 32)
    assert len(begun.blocks) == 5 and torch.equal(begun(frame), network(frame))
    begun(frame).square().mean().backward()
    assert begun.blocks[4][-1].weight.grad.any(), "the new blocks learn"
    shallower = recipes.override(deeper, ["student.options.blocks=1"])
    with pytest.raises(KdsharpError, match="another shape"):
        learner.starting_network(shallower)


@pytest.mark.parametrize(
    ("asked", "teachers"),
    [
        (["call-s"], {None, recipes.FIDELITY_TEACHER}),
        (["blur-s"], {None, recipes.PERCEPTUAL_TEACHER}),
        (["x2-s"], {None, "spanx2_ch48"}),
        (["call-s", "--fidelity-teacher", "call-m"], {None, "call-m"}),
        (
            ["call-s", "--teacher", "teacher-x4", "--fidelity-teacher", "call-m"],
            {None, "teacher-x4", "call-m"},
        ),
    ],
)
def test_ablate_asks_for_the_recipes_own_teacher_or_those_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str], teachers: set[str | None]
) -> None:
    """A network that had none is shown with the default one; rows of other students stay in the file."""
    got = {}

    def run(recipe, chosen, seeds, photos, *_rest) -> list[dict]:
        got.update(teachers={variant.teacher for variant in chosen}, photos=photos)
        measured = {"psnr_y": 1.0, "psnr_y_sd": 0.0, "ssim_y": 1.0, "ssim_y_sd": 0.0, "gain_db": 0.0}
        return [{"student": recipe.name, "measured": "photos", "variant": "plain"} | measured]

    monkeypatch.setattr(ablation, "run", run)
    photos = [
        data.write_image(tmp_path / "photos" / f"{n}.png", np.zeros((200, 200, 3), np.uint8)) for n in "12"
    ]
    folder, path = str(tmp_path / "photos"), tmp_path / "r.json"
    earlier = [{"student": asked[0], "variant": "old"}, {"student": "another", "variant": "kept"}]
    files.write_json(path, {"calls": [1], "ablation": earlier})
    assert main(["ablate", *asked, "--photos", folder, "--validation", folder, "--json", str(path)]) == 0
    assert got == {"teachers": teachers, "photos": Photos(photos, photos)}
    written = files.read_json(path)
    assert written["calls"] == [1]
    assert [row["variant"] for row in written["ablation"]] == ["kept", "plain"]
