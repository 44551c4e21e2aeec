"""The brief's test in five categories: drawn frames that can be repeated, and means that are means."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import scenes, survey
from kdsharp import data, evaluate, recipes
from kdsharp.degradation import degrade
from kdsharp.errors import KdsharpError


@pytest.mark.parametrize(
    ("kind", "number"), [(kind, n) for kind, count in survey.DRAWN.items() for n in range(count)]
)
def test_drawn_frames_are_full_hd_sharp_and_repeatable(kind: str, number: int) -> None:
    frame = scenes.draw(kind, number)
    assert frame.shape == (1080, 1920, 3) and frame.dtype == np.uint8
    assert np.array_equal(frame, scenes.draw(kind, number))
    steps = np.abs(np.diff(evaluate.luma(frame), axis=1))
    assert np.mean(steps > 60) > 0.002, "hardly an edge in it: nothing to sharpen"


def test_drawn_frames_differ_and_unknown_kinds_are_named() -> None:
    assert not np.array_equal(scenes.draw("text", 0), scenes.draw("text", 4))
    with pytest.raises(KdsharpError, match="text, graphics"):
        scenes.draw("cats", 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    photo = data.read_image(data.embedded_photos("val")[0])
    for category, top in (("people", 0), ("people", 200), ("text", 100)):
        (tmp_path / category).mkdir(exist_ok=True)
        data.write_image(tmp_path / category / f"{top}.png", photo[top : top + 100, 100:203])
    return tmp_path


def test_survey_measures_what_evaluate_measures(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "DRAWN", {})
    monkeypatch.setattr(survey, "CALLS", {"medium": (2, 70)})
    rows = survey.run(folder, {"black": np.zeros_like})
    found = {(row["method"], row["category"]): row for row in rows}
    assert {name for name, _ in found} == {"nothing", "unsharp mask", "black"}
    expected = []
    for category, name in (("people", "0.png"), ("people", "200.png"), ("text", "100.png")):
        hr = data.crop_to_multiple(data.read_image(folder / category / name), 4)
        received = degrade(
            data.to_tensor(hr), recipes.fixed_call(2, 70), torch.Generator().manual_seed(0)
        ).input
        expected.append(evaluate.ssim(data.to_image(received), hr))
    assert found["nothing", "people"]["ssim_y"] == pytest.approx(np.mean(expected[:2]))
    assert found["nothing", "all"]["ssim_y"] == pytest.approx(np.mean(expected))
    assert found["nothing", "all"]["frames"] == 3
    assert found["black", "all"]["ssim_y"] < 0.2 < found["nothing", "all"]["ssim_y"]


def test_a_folder_without_categories_is_one_sentence(tmp_path: Path) -> None:
    for wrong in (tmp_path, tmp_path / "missing"):
        with pytest.raises(KdsharpError, match="subfolder"):
            survey.run(wrong, {})


def test_more_than_a_hundred_frames(assets: Path) -> None:
    count = sum(len(data.list_photos(inner)) for inner in (assets / "photos" / "test").iterdir())
    assert count + sum(survey.DRAWN.values()) > 100
