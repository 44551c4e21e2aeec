"""What steps buy: every point is a training of its own."""

import dataclasses
from pathlib import Path

import pytest

from benchmarks import length
from kdsharp import data, recipes
from kdsharp.disk import files
from kdsharp.distill.pipeline import Photos
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Losses, Store


def tiny() -> recipes.Recipe:
    known = recipes.preset("x2-s")
    network = dataclasses.replace(known.student, options=known.student.options | {"channels": 8, "body": 0})
    training = dataclasses.replace(known.training, batch=2, patch=16)
    return dataclasses.replace(
        known, student=network, training=training, teacher=None, losses=Losses(), store=Store(48, 2, 2)
    )


def test_lengths_and_optimizers_are_trained_and_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = data.read_image(data.embedded_photos("val")[0])
    for name in length.SETS:
        data.write_image(tmp_path / "benchmarks" / name / "one.png", photo[:64, 100:180])
    photos = Photos(data.embedded_photos("train")[:1], data.embedded_photos("val")[:1])
    monkeypatch.delenv("KDSHARP_ASSETS", raising=False)
    with pytest.raises(KdsharpError, match="KDSHARP_ASSETS"):
        length.run(tiny(), photos, tmp_path / "runs", [2], "cpu")
    monkeypatch.setenv("KDSHARP_ASSETS", str(tmp_path))
    rows = length.run(tiny(), photos, tmp_path / "runs", [2, 40], "cpu")
    assert [(row["steps"], row["optimizer"]) for row in rows] == [
        (steps, optimizer) for steps in (2, 40) for optimizer in ("adamw", "soap")
    ]
    assert rows[0]["pixels"] == 2 * 2 * 16**2
    assert len({round(row["Set5"], 6) for row in rows}) == 4, "two trainings are the same"
    assert rows[3]["Set5"] > rows[1]["Set5"], "more steps of SOAP learn nothing more"
    drawn = length.figure(rows)
    assert [len(axis.lines) for axis in drawn.axes] == [2, 2]
    history = files.read_json(tmp_path / "runs" / "soap-40" / "history.json")
    assert [row["step"] for row in history] == [40]
