"""The picture of a fidelity and a perceptual network: what it claims, and as it is published."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import characters
from kdsharp.disk import files

FIGURES = Path(__file__).resolve().parents[2] / "figures"


def steepness(picture: np.ndarray) -> float:
    """The mean step from a pixel to its neighbour."""
    return float(np.abs(np.diff(picture.astype(int), axis=1)).mean())


def test_the_perceptual_network_is_crisper_and_further_from_the_original(tmp_path: Path) -> None:
    pictures, rows = characters.scores()
    scores = {row["method"]: row for row in rows}
    assert list(scores) == ["received", "call-s", "call-s-perceptual"]
    assert scores["call-s"]["psnr_y"] > scores["received"]["psnr_y"] > scores["call-s-perceptual"]["psnr_y"]
    received, fidelity, perceptual, original = (steepness(picture) for picture in pictures.values())
    assert received < fidelity < 0.9 * perceptual and perceptual < original
    published = files.read_json(FIGURES / "characters.json")["rows"]
    assert [row["psnr_y"] for row in published] == [
        pytest.approx(row["psnr_y"], abs=0.02) for row in scores.values()
    ]
    assert characters.write(tmp_path).stat().st_size > 100_000
