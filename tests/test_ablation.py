"""The ablation trains what it says, reports what was measured, and does nothing twice."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from kdsharp import ablation, checkpoints, data, distill, evaluate, files, recipes, sharpen, zoo
from kdsharp.__main__ import main
from kdsharp.recipes import Losses


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
    own = sharpen.checkpoints.find(recipes.PUBLISHED["video-call"])
    chosen = [
        ablation.Variant("plain", Losses(hr=1.0)),
        ablation.Variant("taught", Losses(hr=0.5, teacher=0.5, features=0.1), str(own)),
    ]
    rows = ablation.run(recipe, chosen, [0, 1], photos, held_out, tmp_path)
    scores = []
    for seed in (0, 1):
        (trained,) = tmp_path.glob(f"plain-{seed}-*/student.safetensors")
        student = sharpen.load_student(trained)
        assert student.recipe.losses == Losses(hr=1.0) and student.recipe.training.seed == seed
        measured = evaluate.evaluate_student(student, recipe, held_out, evaluate.fixed_call(2, 70))
        scores.append(measured[-1]["psnr_y"])
    assert rows[0]["psnr_y"] == pytest.approx(np.mean(scores))
    assert rows[0]["psnr_y_sd"] == pytest.approx(np.std(scores, ddof=1))
    assert rows[0]["gain_db"] == pytest.approx(np.mean(scores) - measured[0]["psnr_y"])
    assert "plain" in ablation.format_table(rows) and "taught" in ablation.format_table(rows)

    trained = []
    monkeypatch.setattr(distill, "draw_batch", lambda *_: trained.append(1))
    assert ablation.run(recipe, chosen, [0, 1], photos, held_out, tmp_path) == rows and not trained


def test_variants_share_everything_but_losses_and_teacher() -> None:
    chosen = ablation.variants("realesr-general-x4v3", "call-ceiling")
    assert chosen[0].losses == Losses(hr=1.0) and chosen[0].teacher is None
    for variant in chosen:
        uses = variant.losses.teacher or variant.losses.perceptual or variant.losses.features
        assert bool(uses) == (variant.teacher is not None), variant.name
        assert variant.losses.hr + variant.losses.teacher == pytest.approx(1), (
            "else it is another learning rate"
        )
    assert len({variant.name for variant in chosen}) == len(chosen)
    assert len({dataclasses.astuple(variant) for variant in chosen if variant.teacher}) == len(chosen) - 2


def test_start_takes_the_weights_of_a_network_of_the_same_shape(
    recipe: recipes.Recipe, tmp_path: Path
) -> None:
    from kdsharp import student
    from kdsharp.errors import KdsharpError

    network = student.build(recipe.student)
    earlier = checkpoints.save(tmp_path / "earlier.safetensors", network, recipe)
    begun = distill._begin(dataclasses.replace(recipe, start=str(earlier)))
    assert all(
        np.array_equal(a, b)
        for a, b in zip(begun.state_dict().values(), network.state_dict().values(), strict=True)
    )
    wider = recipes.override(recipe, ["student.options.channels=48"])
    with pytest.raises(KdsharpError, match="another shape"):
        distill._begin(dataclasses.replace(wider, start=str(earlier)))


@pytest.mark.heavy
def test_ablate_measures_a_network_that_had_no_teacher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`kdsharp ablate call-s` without photographs of one's own: the default teacher, and its variants only."""
    asked = {}

    def run(recipe, chosen, seeds, photos, held_out, *_rest) -> list[dict]:
        asked.update(teachers={variant.teacher for variant in chosen}, photos=photos, held_out=held_out)
        return [
            {
                "variant": "plain",
                "psnr_y": 1.0,
                "psnr_y_sd": 0.0,
                "ssim_y": 1.0,
                "ssim_y_sd": 0.0,
                "gain_db": 0.0,
            }
        ]

    monkeypatch.setattr(ablation, "run", run)
    folder = data.embedded_photos("val")[0].parent
    arguments = [
        "ablate",
        "call-s",
        "--profile",
        "quick",
        "--validation",
        str(folder),
        "--json",
        str(tmp_path / "r.json"),
    ]
    assert main(arguments) == 0
    assert asked["teachers"] == {None, zoo.PERCEPTUAL_TEACHER}
    assert asked["photos"] == data.embedded_photos("train") and asked["held_out"]
    assert list(files.read_json(tmp_path / "r.json")) == ["ablation"]
