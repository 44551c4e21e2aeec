"""The blind test: its order, its keys, what is kept of it, and the opinions at its end."""

import json
from pathlib import Path

import numpy as np
import pytest

from kdsharp import data, evaluate
from kdsharp.course import panels
from kdsharp.course.panels import votes
from kdsharp.course.panels.preference import PreferencePanel
from kdsharp.errors import KdsharpError


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return data.read_image(data.embedded_photos("val")[0])[:96, :96]


@pytest.fixture
def crops(photo: np.ndarray) -> dict[str, list[np.ndarray]]:
    return {"student": [photo, photo], "unsharp": [255 - photo, photo // 2], "input": [photo // 3, photo]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results" / "answers.jsonl"


def judge(panel: PreferencePanel, pairs: int) -> None:
    """The right one is sharper, and the left one a bit more natural."""
    for _ in range(pairs):
        panel.answer_buttons[5].click()
        panel.answer_buttons[2].click()


def written(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_it_asks_every_pair_once_and_hides_the_names(crops: dict, path: Path) -> None:
    panel = panels.preference_panel(crops, path, seed=1)
    seen = set()
    for place in range(1, 7):
        assert f"Pair {place} of 6." in panel.text.value and not any(
            name in panel.text.value for name in crops
        )
        seen.add(panel.picture.value)
        judge(panel, 1)
    assert "All pairs are judged" in panel.text.value and panel.answer_buttons[0].disabled
    assert all(name in panel.text.value for name in crops)
    rows = written(path)
    assert len({(row["scene"], frozenset((row["left"], row["right"]))) for row in rows}) == 6
    assert all((row["sharper"], row["natural"]) == (2, -1) for row in rows) and len(seen) > 3
    judge(panel, 1)  # after the last pair the buttons do nothing
    assert len(written(path)) == 6


def test_a_pair_is_stored_with_its_second_answer(crops: dict, path: Path) -> None:
    panel = panels.preference_panel(crops, path)
    assert "sharper" in panel.text.value
    panel.answer(7)
    assert "natural" in panel.text.value and not path.exists()
    panel.answer(1)
    assert (written(path)[0]["sharper"], written(path)[0]["natural"]) == (3, -3)


def test_undo_goes_back_answer_by_answer_and_out_of_the_file(crops: dict, path: Path) -> None:
    panel = panels.preference_panel(crops, path)
    assert panel.undo_button.disabled
    first = panel.picture.value
    judge(panel, 1)
    second = panel.picture.value
    panel.answer(4)
    for picture, question, stored in ((second, "sharper", 1), (first, "natural", 0), (first, "sharper", 0)):
        panel.undo_button.click()
        assert panel.picture.value == picture and question in panel.text.value
        assert len(written(path)) == stored
    assert panel.undo_button.disabled
    judge(panel, 6)
    panel.undo()
    assert (
        "Pair 6 of 6" in panel.text.value and len(written(path)) == 5 and not panel.answer_buttons[0].disabled
    )


def test_a_cell_that_is_run_again_goes_on_where_it_was(crops: dict, path: Path) -> None:
    judge(panels.preference_panel(crops, path, seed=1), 4)
    again = panels.preference_panel(crops, path, seed=2)
    assert "Pair 5 of 6" in again.text.value
    judge(again, 2)
    assert len({(row["scene"], frozenset((row["left"], row["right"]))) for row in written(path)}) == 6
    over = panels.preference_panel(crops, path)
    assert "All pairs are judged" in over.text.value
    over.again_button.click()
    assert "Pair 1 of 6" in over.text.value
    judge(over, 6)
    assert len(written(path)) == 12 and {row["answers"] for row in panels.opinions(path)} == {8}


def test_answers_about_a_student_of_before_do_not_count(crops: dict, path: Path) -> None:
    judge(panels.preference_panel(crops, path), 6)
    trained = crops | {"student": [crop // 4 for crop in crops["student"]]}
    panel = panels.preference_panel(trained, path)
    assert "Pair 1 of 6" in panel.text.value
    judge(panel, 1)
    assert sum(row["answers"] for row in panels.opinions(path)) == 4  # of two methods, two questions each
    assert len(written(path)) == 7  # and yet nothing is lost


def test_a_line_that_was_torn_does_not_take_the_next_one_with_it(crops: dict, path: Path) -> None:
    judge(panels.preference_panel(crops, path), 1)
    with open(path, "a") as handle:
        handle.write('{"scene": 0, "left": "inp')  # the machine died here
    panel = panels.preference_panel(crops, path)
    assert "Pair 2 of 6" in panel.text.value
    judge(panel, 1)
    assert len(votes.read(path)) == 2


def test_at_the_end_opinions_stand_beside_the_rulers(crops: dict, path: Path, photo: np.ndarray) -> None:
    originals = [photo // 2 + 60, photo // 2 + 60]
    panel = panels.preference_panel(crops, path, originals=originals)
    judge(panel, 6)
    for scenes in crops.values():
        psnr = np.mean([evaluate.psnr(*pair) for pair in zip(scenes, originals, strict=True)])
        assert f">{psnr:.2f}<" in panel.text.value
    assert ("JOD" in panel.text.value) is evaluate.perception_at_hand()
    assert "PSNR" not in panels.preference_panel(crops, path).text.value


def test_it_wants_methods_and_scenes(crops: dict, path: Path, photo: np.ndarray) -> None:
    for wrong in ({"a": [photo]}, {"a": [photo], "b": []}, {"a": [], "b": []}):
        with pytest.raises(KdsharpError, match="two or more methods with the same number of scenes"):
            panels.preference_panel(wrong, path)
    with pytest.raises(KdsharpError, match="the same number of scenes"):
        panels.preference_panel(crops, path, originals=[photo])


def test_order_and_sides_are_random() -> None:
    draws = [votes.draw_trials(["a", "b"], 20, seed) for seed in range(20)]
    assert len({tuple(draw) for draw in draws}) == 20
    share = np.mean([left == "a" for draw in draws for _, left, _ in draw])
    assert 0.4 < share < 0.6


def test_opinion_score_and_interval_agree_with_a_textbook_case(tmp_path: Path) -> None:
    """Ten answers with mean 1 and standard deviation 1.0541: half width 2.262 * 1.0541 / sqrt(10) = 0.754."""
    path = tmp_path / "answers.jsonl"
    for number, value in enumerate([0, 2, 0, 2, 0, 2, 0, 2, 0, 2]):
        sides = {"left": "input", "right": "student"} if number % 2 else {"left": "student", "right": "input"}
        signed = value if sides["right"] == "student" else -value
        with open(path, "a") as handle:
            handle.write(json.dumps({"scene": 0, **sides, "sharper": signed, "natural": 0}) + "\n")
    with open(path, "a") as handle:
        handle.write('{"scene": 0, "left": "inp')  # the machine died here
    rows = {(row["method"], row["question"]): row for row in panels.opinions(path)}
    ours = rows["student", "sharper"]
    assert ours["answers"] == 10 and ours["mean"] == pytest.approx(1)
    assert (ours["high"] - ours["low"]) / 2 == pytest.approx(0.754, abs=0.001)
    assert rows["input", "sharper"]["mean"] == pytest.approx(-1)


def test_no_answers_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(KdsharpError, match="judge at least one pair"):
        panels.opinions(tmp_path / "none.jsonl")
