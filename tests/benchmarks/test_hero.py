"""The picture at the top of the README can be made again, and its published numbers are what comes out."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import hero
from kdsharp import evaluate
from kdsharp.disk import files

ROOT = Path(__file__).resolve().parents[2]


def test_the_published_hero_is_what_the_tool_makes(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert hero.main(["--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    made, published = (files.read_json(folder / "hero.json") for folder in (tmp_path, ROOT / "figures"))
    assert {key: made[key] for key in made if key != "rows"} == {
        key: published[key] for key in published if key != "rows"
    }
    for row, other in zip(made["rows"], published["rows"], strict=True):
        assert row["method"] == other["method"] and row["method"] in printed
        assert row["psnr_y"] == pytest.approx(other["psnr_y"], abs=0.02)
        assert row["ssim_y"] == pytest.approx(other["ssim_y"], abs=0.0005)


def test_the_picture_is_light_and_wide_enough() -> None:
    path = ROOT / "figures" / "hero.png"
    assert path.stat().st_size < 600_000
    with Image.open(path) as opened:
        assert 1500 <= opened.width <= 1700
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "(figures/hero.png)" in text and "python -m benchmarks.hero" in text


def test_numbers_and_pictures_belong_together() -> None:
    pictures, rows = hero.scores()
    assert list(pictures)[-1] == "original" and set(rows) == set(pictures) - {"original"}
    for name, row in rows.items():
        assert row["psnr_y"] == evaluate.psnr(pictures[name], pictures["original"])
    top, left, side = hero.SQUARE
    assert pictures["original"][top : top + side, left : left + side].shape == (side, side, 3)
    assert np.ptp([row["psnr_y"] for row in rows.values()]) > 0.5
