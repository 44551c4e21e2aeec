"""The report on small photographs, the recipes of the published networks, and the tables made from both."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import report, results, survey
from kdsharp import data, evaluate, recipes, student
from kdsharp.course import figures
from kdsharp.disk import checkpoints, files
from kdsharp.errors import KdsharpError
from kdsharp.student import load_network


class Enlarger:
    """By 3/2, by the nearest neighbour: a student that learnt nothing."""

    scale = 1.5

    def __call__(self, small: np.ndarray) -> np.ndarray:
        size = (small.shape[1] * 3 // 2, small.shape[0] * 3 // 2)
        return np.array(Image.fromarray(small).resize(size, Image.Resampling.NEAREST))


@pytest.fixture
def small_assets(tmp_path: Path) -> Path:
    """Two small photographs laid out as the real assets are."""
    photo = data.read_image(data.embedded_photos("val")[0])
    for folder in (
        "photos/val",
        "photos/test/people",
        "benchmarks/Set5",
        "benchmarks/Set14",
        "benchmarks/BSD100",
    ):
        (tmp_path / folder).mkdir(parents=True)
        data.write_image(tmp_path / folder / "one.png", photo[:120, 150:270])
        data.write_image(tmp_path / folder / "two.png", photo[100:220, 150:270])
    return tmp_path


def test_calls_are_what_evaluate_measures(small_assets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "CALLS", {"medium": (2.0, 70.0)})
    rows = report.calls(small_assets)
    photos = data.list_photos(small_assets / "photos" / "val")
    name = recipes.published_for("video-call")
    ready = report.load_student(name, "cpu", "onnx")
    expected = evaluate.evaluate_student(ready, photos, recipes.fixed_call(2, 70))
    found = {row["method"]: row for row in rows}
    assert found["nothing"]["psnr_y"] == pytest.approx(expected[0]["psnr_y"])
    assert found[name]["psnr_y"] == pytest.approx(expected[-1]["psnr_y"])
    assert found[name]["gain_db"] == pytest.approx(expected[-1]["psnr_y"] - expected[0]["psnr_y"])
    assert found["nothing"]["psnr_y"] < found["bicubic"]["psnr_y"], "bicubic is no better than bilinear"
    masks = [row for key, row in found.items() if key.startswith("bicubic + best unsharp")]
    assert len(masks) == 1 and masks[0]["psnr_y"] >= found["bicubic"]["psnr_y"]
    unsharp = next(row for key, row in found.items() if key.startswith("best unsharp"))
    assert unsharp["psnr_y"] >= expected[1]["psnr_y"], "the best unsharp mask loses to the plain one"


@pytest.mark.skipif(not evaluate.perception_at_hand(), reason="needs the extra `perception`")
def test_what_is_seen_is_of_the_method_and_its_original(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = data.read_image(data.embedded_photos("val")[0])[:120, 150:270]
    soft = evaluate.unsharp(photo, 2.0, -0.9)
    found = report.seen(lambda frame: frame, [(photo, soft), (photo, photo // 2)])
    assert found["jod"] == pytest.approx((evaluate.jod(soft, photo) + evaluate.jod(photo // 2, photo)) / 2)
    assert found["ssimulacra2"] < report.seen(lambda frame: frame, [(photo, soft)])["ssimulacra2"]
    monkeypatch.setattr(evaluate, "perception_at_hand", lambda: False)
    assert report.seen(lambda frame: frame, [(photo, soft)]) == {}


def test_report_writes_section_by_section_and_keeps_the_others(
    small_assets: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("KDSHARP_ASSETS", str(small_assets))
    path = small_assets / "results.json"
    files.write_json(path, {"ablation": [{"variant": "kept"}]})
    report.main(["clean", "--json", str(path)])
    written = files.read_json(path)
    assert written["ablation"] == [{"variant": "kept"}]
    assert all(row["psnr_y"] > 25 for row in written["clean"]), "a sharp frame is spoiled"
    assert "clean" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="claims"):
        report.main(["claims", "--json", str(path)])
    monkeypatch.delenv("KDSHARP_ASSETS")
    with pytest.raises(SystemExit, match="KDSHARP_ASSETS"):
        report.main(["--json", str(path)])
    assert files.read_json(path) == written, "a refused report changed the results"


def test_unknown_sections_are_named(tmp_path: Path) -> None:
    with pytest.raises(KdsharpError, match="calls, small_frame, teachers, clean"):
        list(report.run(tmp_path, ["clean", "claims"]))


@pytest.mark.parametrize("name", sorted({*recipes.presets()} - {*recipes.presets("quick")}))
def test_recipes_of_published_networks_are_whole(name: str) -> None:
    recipe = recipes.preset(name)
    assert recipes.from_dict(recipes.to_dict(recipe)) == recipe
    network = student.build(recipe.student)
    assert network.scale == recipe.scale == (1 if recipe.task == "sharpen" else recipe.scale)
    weights = recipe.losses
    assert bool(weights.teacher or weights.perceptual or weights.features) == (recipe.teacher is not None)
    if recipe.start:
        assert recipes.preset(recipe.start).student == recipe.student
    if any(path.stem == name for path in checkpoints.published()):
        assert load_network(name)[1] == recipe, "another recipe made the published file"


def test_results_become_tables() -> None:
    rows = [
        {"call": "mild", "method": "nothing", "psnr_y": 33.217, "ssim_y": 0.93562, "gain_db": 0.0},
        {
            "call": "mild",
            "method": "call-s",
            "psnr_y": 34.5,
            "ssim_y": 0.95,
            "gain_db": 1.283,
            "share_of_ceiling": 0.61,
        },
    ]
    lines = results.table(rows).splitlines()
    assert lines[0] == "| call | method | PSNR-Y | SSIM-Y | gain, dB | share of ceiling |"
    assert lines[2] == "| mild | nothing | 33.22 | 0.9356 | 0.00 |  |"
    assert lines[3].endswith("| 1.28 | 0.61 |")
    in_categories = [
        {
            "call": "mild",
            "method": "nothing",
            "category": category,
            "frames": count,
            "ssim_y": value,
            "psnr_y": 30.0,
        }
        for category, count, value in (("people", 2, 0.91234), ("text", 1, 0.8), ("all", 3, 0.9))
    ]
    table = results.category_table(in_categories)
    assert "| people (2) | text (1) | all (3) |" in table and "| 0.9123 | 0.8000 | 0.9000 |" in table
    text = results.markdown({"calls": rows, "categories": in_categories})
    assert "## Calls, fidelity" in text and "five categories" in text and "Flicker" not in text
    measured = [
        {"student": "x2-s", "measured": "Set5", "variant": name, "seeds": 3, "steps": 9, "psnr_y_sd": 0.1}
        | {"gain_db": 1.0, "worth_db": 0.2, "worth_db_sd": 0.1, "training_seconds": 9, "target_seconds": 1}
        for name in ("plain", "taught")
    ]
    for figure in (
        figures.ablation(measured),
        results.categories_figure(in_categories),
        results.perception_figure(
            [row | {"call": "medium", "jod": 8.0, "psnr_y_middle": 31.0} for row in rows]
        ),
    ):
        figure.canvas.draw()
        assert np.asarray(figure.canvas.buffer_rgba()).std() > 5


def test_the_small_frame_is_measured_beside_what_enlarges_it(
    small_assets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network of 3/2 stands in the rows of 3/2 alone; the classic rows are what the measures say of Pillow's."""
    stand_in = Enlarger()
    monkeypatch.setattr(report, "FROM_SMALL", ("call-x1.5",))
    published = report._published
    monkeypatch.setattr(
        report,
        "_published",
        lambda names: {"call-x1.5": stand_in} if names == ("call-x1.5",) else published(names),
    )
    monkeypatch.setattr(survey, "CALLS", {"mild": (1.5, 85.0), "severe": (3.0, 50.0)})
    monkeypatch.setattr(evaluate, "perception_at_hand", lambda: False)
    rows = report.small_frame(small_assets)
    mild, severe = ([row for row in rows if row["call"] == call] for call in ("mild", "severe"))
    assert [row["method"].split(" (")[0] for row in mild] == [
        *("bilinear", "bilinear + best unsharp", "call-s", "bicubic", "bicubic + best unsharp", "call-x1.5"),
    ]
    assert [row["method"] for row in severe][-1].startswith("bicubic + best unsharp")
    scores = {row["method"].split(" (")[0]: row["psnr_y"] for row in mild}
    photos = data.list_photos(small_assets / "photos" / "val")
    cuts = [
        evaluate.degraded_photo(path, recipes.fixed_small_frame(1.5, 85), k) for k, path in enumerate(photos)
    ]
    for method, way in (
        ("bilinear", Image.BILINEAR),
        ("bicubic", Image.BICUBIC),
        ("call-x1.5", Image.NEAREST),
    ):
        pictures = [Image.fromarray(small).resize(hr.shape[1::-1], way) for hr, _, small in cuts]
        pairs = zip(pictures, cuts, strict=True)
        expected = np.mean([evaluate.psnr(np.array(picture), hr) for picture, (hr, _, _) in pairs])
        assert scores[method] == pytest.approx(expected, abs=0.05)
    assert scores["bicubic + best unsharp"] >= scores["bicubic"] > scores["call-x1.5"]
    assert mild[0]["gain_db"] == 0 and mild[3]["gain_db"] == pytest.approx(
        scores["bicubic"] - scores["bilinear"]
    )
    text = results.markdown({"small_frame": rows})
    assert "## Calls, from the small frame" in text and "| mild | call-x1.5 |" in text
