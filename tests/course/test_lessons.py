"""What several notebooks need beside the face gives what the wings give."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kdsharp
from kdsharp import course, data, recipes
from kdsharp.course import lessons
from kdsharp.disk import parallel
from kdsharp.recipes import Downscale


def test_a_photograph_can_be_divided_by_every_scale(tmp_path: Path) -> None:
    Image.fromarray(np.arange(45 * 61 * 3, dtype=np.uint8).reshape(45, 61, 3)).save(tmp_path / "odd.png")
    assert course.photograph(tmp_path / "odd.png").shape == (40, 56, 3)
    assert course.photograph(side=64).shape == (64, 64, 3)
    assert np.array_equal(course.photograph(), data.read_image(data.embedded_photos("val")[0]))


def test_a_square_of_a_photograph_stays_inside_it() -> None:
    whole = course.photograph()
    assert np.array_equal(course.photograph(side=64, at=(100, 200)), whole[68:132, 168:232])
    assert np.array_equal(course.photograph(side=64, at=(5, 9999)), whole[:64, -64:])


def test_teachers_that_no_source_gives_are_left_out(
    own_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("KDSHARP_ASSETS", "")
    monkeypatch.setattr(lessons, "choose", lambda name: ("teacher-x4", f"No source gives {name}."))
    assert not course.load_teachers(["RealESRGAN_x4plus"])
    assert capsys.readouterr().out.endswith("No source gives RealESRGAN_x4plus.\n")
    monkeypatch.undo()
    loaded = course.load_teachers(["teacher-x4", "call-s"])
    assert [(name, teacher.name) for name, teacher in loaded.items()] == [(name, name) for name in loaded]
    assert list(loaded) == ["teacher-x4", "call-s"] and not capsys.readouterr().out


def test_one_degradation_for_students_that_sharpen_and_that_enlarge() -> None:
    assert course.fixed_degradation(1, 3, 50) == recipes.fixed_call(3, 50)
    assert course.fixed_degradation(4) == Downscale(scale=4)


def test_the_last_stage_is_what_the_face_says_is_received() -> None:
    picture, call = course.photograph()[:64, :64], recipes.fixed_call(2, 70)
    stages = course.degraded(picture, call, seed=3)
    assert np.array_equal(data.to_image(stages.input), kdsharp.degrade(picture, call, seed=3)[1])


def test_without_a_student_a_small_picture_is_enlarged() -> None:
    picture = course.photograph()[:32, :48]
    assert course.enlarged(picture, 1) is picture
    ours = course.enlarged(picture, 2).astype(float)
    pillow = np.asarray(Image.fromarray(picture).resize((96, 64), Image.Resampling.BICUBIC)).astype(float)
    assert np.abs(ours - pillow)[8:-8, 8:-8].max() <= 1  # the border is another matter


def test_without_several_gpus_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    assert not course.on_all_gpus(asked.append) and not asked
    monkeypatch.setattr(parallel, "in_notebook", lambda work: work() or True)
    monkeypatch.setattr(parallel, "device", lambda wanted: f"{wanted}:1")
    assert course.on_all_gpus(asked.append) and asked == ["cuda:1"]


def test_a_recipe_changed_by_hand_has_a_folder_of_its_own(capsys: pytest.CaptureFixture) -> None:
    here = course.begin("medium")
    recipe = kdsharp.preset("video-call", "medium")
    folders = {here.folder("mine", kdsharp.override(recipe, [f"training.seed={seed}"])) for seed in (1, 2)}
    assert len(folders | {here.folder("mine")}) == 3
    assert all(folder.name.startswith("mine-") and folder.name.endswith("-medium") for folder in folders)


def test_what_was_recorded_names_the_published_students() -> None:
    rows = course.recorded()["calls"]
    assert {"call-s", "call-m"} <= {row["method"] for row in rows}


def test_calls_in_codecs_are_recorded_and_go_into_a_wheel() -> None:
    recorded = course.recorded("calls")
    means = {row["method"]: row for row in recorded["means"]}
    gains = [row["gain_db"] for row in recorded["rows"] if row["method"] == "call-s"]
    assert len(gains) == means["call-s"]["calls"] >= 12
    assert means["call-s"]["gain_db"] == pytest.approx(np.mean(gains))
    assert all(means["call-s"][key] > 0 for key in ("H.264", "VP8", "VP9", "AV1", "people", "text"))
    project = Path(__file__).resolve().parents[2] / "pyproject.toml"
    assert '"figures/calls.json" = "kdsharp/calls.json"' in project.read_text()
