"""Recipes and the command line as a user meets them."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from kdsharp import checkpoints, data, recipes, runtime, sharpen, student, targets
from kdsharp.__main__ import main
from kdsharp.errors import KdsharpError


@pytest.mark.parametrize("profile", recipes.PROFILES)
@pytest.mark.parametrize("name", recipes.PRESETS)
def test_recipes_survive_json_and_build(name: str, profile: str) -> None:
    recipe = recipes.preset(name, profile)
    assert recipes.from_dict(json.loads(json.dumps(recipes.to_dict(recipe)))) == recipe
    assert student.build(recipe.student).scale == recipe.scale


@pytest.mark.parametrize(("name", "profile"), [("esrgan-9000", "quick"), ("video-call", "hasty")])
def test_unknown_presets_and_profiles_list_the_known_ones(name: str, profile: str) -> None:
    with pytest.raises(KdsharpError, match="choose one of"):
        recipes.preset(name, profile)


def test_override_changes_one_value_and_refuses_unknown_ones() -> None:
    base = recipes.preset("video-call")
    changed = recipes.override(base, ["training.steps=7", "degradation.shrink=[2, 2]", "losses.perceptual=0"])
    assert (changed.training.steps, changed.degradation.shrink, changed.losses.perceptual) == (7, (2, 2), 0)
    for wrong in ("training.stepz=7", "steps", "training.steps=many", "name.x=1"):
        with pytest.raises(KdsharpError):
            recipes.override(base, [wrong])


@pytest.mark.parametrize(
    "command",
    [
        "",
        "course",
        "download",
        "targets",
        "train",
        "evaluate",
        "ablate",
        "speed",
        "export",
        "sharpen",
        "call",
    ],
)
def test_help_reads(command: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*command.split(), "--help"])
    assert stopped.value.code == 0 and "usage: kdsharp" in capsys.readouterr().out


def test_a_published_network_teaches_by_its_name(tmp_path: Path) -> None:
    """Also where the preset has no teacher of its own."""
    settings = [
        "training.steps=1",
        "training.batch=2",
        "training.patch=32",
        "store.crop=48",
        "losses.teacher=1",
    ]
    settings += ["training.validate_every=1", "store.crops_per_photo=2"]
    photos = data.embedded_photos("train")[0].parent
    command = [
        "train",
        "call-m",
        "--photos",
        str(photos),
        "--holdout",
        "1",
        "--folder",
        str(tmp_path / "run"),
    ]
    assert main([*command, "--teacher", "call-s", "--set", *settings]) == 0
    store = targets.open_store(tmp_path / "run" / "targets")
    taught = sharpen.load_student("call-s", "cpu")
    for target, frame in zip(store.target[:4], store.input[:4], strict=True):
        assert np.abs(target.astype(int) - taught(frame)).max() <= 3  # bfloat16, and the luma of bytes
    assert checkpoints.recipe_of(tmp_path / "run" / "student.safetensors").teacher == "call-s"


def test_train_evaluate_speed_sharpen(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """The whole chain from the command line on two photographs, tiny."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in data.embedded_photos("train")[:2]:
        data.write_image(photos / f"{path.stem}.png", data.read_image(path)[:160, :160])
    run = tmp_path / "run"
    settings = ["training.steps=4", "training.batch=2", "training.patch=32", "training.validate_every=4",
                "store.crop=64", "store.crops_per_photo=2", "losses.teacher=0", "degradation.shrink=[2,2]"]  # fmt: skip
    trained = ["train", "video-call", "--profile", "quick", "--photos", str(photos), "--holdout", "1"]
    assert main([*trained, "--folder", str(run), "--set", *settings]) == 0
    model = str(run / "student.safetensors")
    assert checkpoints.load(model)[1].training.steps == 4
    table = tmp_path / "rows.json"
    assert main(["evaluate", "--student", model, "--photos", str(photos), "--json", str(table)]) == 0
    rows = json.loads(table.read_text())
    assert [row["method"] for row in rows] == ["input (nothing)", "unsharp mask", "student"]
    assert main(["sharpen", str(photos), str(tmp_path / "out"), "--student", model]) == 0
    assert len(list((tmp_path / "out").glob("*.png"))) == 2
    assert main(["sharpen", str(photos / "chelsea.png"), str(tmp_path / "one.jpg"), "--student", model]) == 0
    assert data.read_image(tmp_path / "one.jpg").shape == (160, 160, 3)
    assert "student" in capsys.readouterr().out


@pytest.mark.heavy
def test_quick_speed_writes_a_json_of_fixed_shape(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Others plot from this file: its keys and types stay."""
    table = tmp_path / "speed.json"
    assert main(["speed", "--quick", "--engines", "onnx", "--json", str(table)]) == 0
    measured = json.loads(table.read_text())
    assert set(measured) == {"hardware", "ceilings", "rows", "footprints"}
    assert {"processor", "cores", "threads", "torch", "onnxruntime"} <= set(measured["hardware"])
    assert {"float32", "copy"} <= set(measured["ceilings"])
    kinds = {
        "network": str,
        "engine": str,
        "device": str,
        "what": str,
        "output": str,
        "ms": float,
        "p95_ms": float,
    }
    kinds |= {"fps": float, "multiply_adds": float | None, "share": float | None}
    for row in measured["rows"]:
        assert set(row) == set(kinds) and all(isinstance(row[key], kind) for key, kind in kinds.items()), row
        assert row["output"] == "1920x1080" and row["p95_ms"] >= row["ms"]
    found = {(row["network"], row["what"]) for row in measured["rows"]}
    assert {
        ("call-s", "end to end"),
        ("realesr-animevideov3", "network"),
        ("bicubic x2", "end to end"),
    } <= found
    (footprint,) = measured["footprints"]
    assert set(footprint) == {"network", "engine", "cold_s", "memory_mb", "torch"}
    assert "G multiply-adds/s" in capsys.readouterr().out


def test_export_writes_a_file_that_runs(tmp_path: Path) -> None:
    for flags in ([], ["--int8"]):
        path = tmp_path / f"call{len(flags)}.onnx"
        assert main(["export", "call-s", str(path), *flags]) == 0
        assert runtime.OnnxNetwork(path).source == checkpoints.digest(checkpoints.find("call-s"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["sharpen", "missing.png", "out.png"],
        ["sharpen", "photo.png", "out.gif"],
        ["evaluate", "--photos", "missing-folder"],
        ["evaluate", "--student", "nobody"],
        ["download", "esrgan-9000"],
        ["train", "video-call", "--set", "training.stepz=3"],
    ],
)
def test_mistakes_get_one_sentence_and_status_2(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    data.write_image(tmp_path / "photo.png", np.zeros((8, 8, 3), np.uint8))
    before = sorted(tmp_path.iterdir())
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("kdsharp: ") and error.count("\n") == 1 and "Traceback" not in error
    assert sorted(tmp_path.iterdir()) == before
    logging.getLogger().handlers.clear()
