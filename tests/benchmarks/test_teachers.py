"""The picture of two official networks and one face: made anew where they are at hand, and checked as published."""

from pathlib import Path

import pytest
from PIL import Image

from benchmarks import teachers
from kdsharp import evaluate
from kdsharp.disk import files
from kdsharp.teacher import official

FIGURES = Path(__file__).resolve().parents[2] / "figures"
NAMES = ["received", teachers.FOR_PHOTOGRAPHS, teachers.FOR_DRAWINGS]


def test_the_tool_writes_what_it_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """With two of our own networks in the place of the official ones, which take long and a download."""
    monkeypatch.setattr(teachers, "FOR_PHOTOGRAPHS", "teacher-x4")
    monkeypatch.setattr(teachers, "FOR_DRAWINGS", "call-s")
    assert teachers.main(["--out", str(tmp_path)]) == 0
    assert "call-s" in capsys.readouterr().out
    pictures, _ = teachers.scores()
    rows = files.read_json(tmp_path / "teachers.json")["rows"]
    assert [row["method"] for row in rows] == list(pictures)[:-1] == ["received", "teacher-x4", "call-s"]
    for row in rows:
        assert row["psnr_y"] == pytest.approx(
            evaluate.psnr(pictures[row["method"]], pictures["original"]), abs=0.01
        )
    assert rows[1]["source"] == "published network of this course"
    with Image.open(tmp_path / "teachers.png") as opened:
        assert opened.width > 1000


def test_without_a_source_the_tool_says_so_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teachers, "FOR_PHOTOGRAPHS", "no-such-teacher")
    with pytest.raises(SystemExit, match="There is no teacher 'no-such-teacher'"):
        teachers.main(["--out", str(tmp_path)])
    assert not list(tmp_path.iterdir())


def test_what_is_published_names_the_official_networks() -> None:
    rows = files.read_json(FIGURES / "teachers.json")["rows"]
    assert [row["method"] for row in rows] == NAMES
    assert all("source" in row and row["source"] for row in rows[1:])
    with Image.open(FIGURES / "teachers.png") as opened:
        assert opened.width > 1000
    assert "`python -m benchmarks.teachers`" in (FIGURES / "README.md").read_text(encoding="utf-8")


@pytest.mark.heavy
@pytest.mark.skipif(
    not all(official.local_file(name) for name in NAMES[1:]), reason="the official networks are not here"
)
def test_the_published_numbers_are_what_comes_out() -> None:
    published = {row["method"]: row for row in files.read_json(FIGURES / "teachers.json")["rows"]}
    for row in teachers.scores()[1]:
        assert row["psnr_y"] == pytest.approx(published[row["method"]]["psnr_y"], abs=0.05)
