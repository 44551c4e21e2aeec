"""The score card names the method that is planted best; the share of the way is 0 for nothing, 1 for the teacher."""

import logging
from pathlib import Path

import numpy as np
import pytest

from kdsharp import data, evaluate, recipes
from kdsharp.errors import KdsharpError

PLAIN = ("PSNR-Y", "SSIM-Y")
CALL = {"medium": recipes.fixed_call()}


@pytest.fixture(scope="module")
def photos() -> list[Path]:
    return data.embedded_photos("val")[:2]


@pytest.fixture(scope="module")
def originals(photos: list[Path]) -> list[np.ndarray]:
    return [evaluate.degraded_photo(photo, recipes.fixed_call(), 0, 96)[0] for photo in photos]


def oracle(originals: list[np.ndarray], error: int):
    """A method that answers with the original, all pixels off by `error`."""

    def method(frame: np.ndarray) -> np.ndarray:
        nearest = min(originals, key=lambda hr: np.abs(hr.astype(int) - frame).mean())
        return np.clip(nearest.astype(int) + error, 0, 255).astype(np.uint8)

    return method


def test_the_planted_best_wins_every_row(photos: list[Path], originals: list[np.ndarray]) -> None:
    methods = {"good": oracle(originals, 2), "best": oracle(originals, 1), "bad": lambda frame: 255 - frame}
    rows = evaluate.score_card(methods, photos, measures=PLAIN, max_side=96)
    assert [(row["severity"], row["measure"]) for row in rows] == [
        (severity, measure) for severity in ("mild", "medium", "severe") for measure in PLAIN
    ]
    columns = {"severity", "measure", "doing nothing", "best unsharp mask", *methods, "winner"}
    assert all(row.keys() == columns for row in rows)
    psnrs = [row for row in rows if row["measure"] == "PSNR-Y"]
    assert all(row["winner"] == ["best"] for row in psnrs)
    assert all(row["bad"] < row["doing nothing"] <= row["best unsharp mask"] < row["good"] for row in psnrs)
    nothing = [row["doing nothing"] for row in psnrs]
    assert nothing[0] > nothing[1] > nothing[2]


def test_its_numbers_are_those_of_the_measures(photos: list[Path]) -> None:
    pairs = [evaluate.degraded_photo(photo, CALL["medium"], k, 96)[:2] for k, photo in enumerate(photos)]
    row = evaluate.score_card({}, photos, CALL, ("PSNR-Y",), 96)[0]
    assert row["doing nothing"] == pytest.approx(np.mean([evaluate.psnr(given, hr) for hr, given in pairs]))


def test_alike_as_printed_is_a_tie(photos: list[Path], originals: list[np.ndarray]) -> None:
    def almost(frame: np.ndarray) -> np.ndarray:
        picture = oracle(originals, 8)(frame)
        picture[0, 0] -= 2  # one pixel of 9216 is nearer
        return picture

    methods = {"exact": oracle(originals, 8), "almost": almost, "worse": oracle(originals, 9)}
    (row,) = evaluate.score_card(methods, photos, CALL, ("PSNR-Y",), 96)
    assert row["exact"] != row["almost"] and row["winner"] == ["exact", "almost"]


def test_nobody_beats_doing_nothing_on_a_clean_frame(photos: list[Path]) -> None:
    clean = {"clean": recipes.fixed_call(1.0, 100)}
    rows = evaluate.score_card({"bad": lambda frame: frame // 2}, photos, clean, PLAIN, 96)
    assert all(row["winner"] == ["doing nothing"] for row in rows)


def test_what_cannot_be_measured_is_said(photos: list[Path]) -> None:
    with pytest.raises(KdsharpError, match="no photograph"):
        evaluate.score_card({}, [])
    with pytest.raises(KdsharpError, match="'winner'"):
        evaluate.score_card({"winner": lambda frame: frame}, photos)
    with pytest.raises(KdsharpError, match="'sharpness'"):
        evaluate.score_card({}, photos, measures=("sharpness",))


def test_without_the_extra_its_measures_are_left_out_and_that_is_said_once(
    photos: list[Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("kdsharp.evaluate.perception.find_spec", lambda name: None)
    with caplog.at_level(logging.WARNING):
        rows = evaluate.score_card({}, photos[:1], max_side=64)
    assert {row["measure"] for row in rows} == set(PLAIN)
    assert len([record for record in caplog.records if "JOD" in record.getMessage()]) == 1


def test_the_share_of_the_way_is_0_for_nothing_and_1_for_the_teacher(originals: list[np.ndarray]) -> None:
    given, target = originals[0] // 2, originals[0]
    halfway = (given.astype(float) + target) / 2
    assert evaluate.share_of_the_way(given, given, target) == 0
    assert evaluate.share_of_the_way(target, given, target) == 1
    assert evaluate.share_of_the_way(halfway, given, target) == pytest.approx(0.5)
    assert evaluate.share_of_the_way(given // 2, given, target) < 0
    with pytest.raises(KdsharpError, match="no way"):
        evaluate.share_of_the_way(given, target, target)
    with pytest.raises(KdsharpError, match="one size"):
        evaluate.share_of_the_way(given[1:], given, target)
