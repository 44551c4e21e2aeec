"""The map of harm: its frames are made as libraries make them, and what harms is found."""

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from benchmarks import harm, results
from kdsharp import data, evaluate
from kdsharp.errors import KdsharpError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two small photographs; one is no multiple of the factors."""
    photo = data.read_image(data.embedded_photos("val")[0])
    (tmp_path / "photos").mkdir()
    data.write_image(tmp_path / "photos" / "one.png", photo[:96, 150:246])
    data.write_image(tmp_path / "photos" / "two.png", photo[100:180, 150:250])
    return tmp_path / "photos"


def through_pillows_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    coded = io.BytesIO()
    Image.fromarray(image).save(coded, "JPEG", quality=quality)
    return np.asarray(Image.open(coded))


@pytest.fixture(scope="module")
def hr() -> np.ndarray:
    return np.ascontiguousarray(data.read_image(data.embedded_photos("val")[0])[:144, 150:342])


@pytest.fixture(scope="module")
def frames(hr: np.ndarray) -> dict[harm.Cell, np.ndarray]:
    return dict(harm.frames(hr, 0))


def test_frames_are_those_of_opencv_and_pillow(hr: np.ndarray, frames: dict[harm.Cell, np.ndarray]) -> None:
    """Shrunk and blurred by OpenCV, coded and enlarged by Pillow: far closer to ours than to the original."""
    assert len(frames) == 15 + 4 * 5 * 4 * 3 and all(frame.shape == hr.shape for frame in frames.values())
    small = through_pillows_jpeg(cv2.resize(hr, (128, 96), interpolation=cv2.INTER_AREA), 70)
    blurred = cv2.GaussianBlur(hr, (7, 7), 0.5, borderType=cv2.BORDER_REFLECT_101)
    expected = {
        harm.Cell(1.5, 70, "bicubic", "sent as it is"): np.asarray(
            Image.fromarray(small).resize((192, 144), Image.Resampling.BICUBIC)
        ),
        harm.Cell(1, 90, "none", "faintly blurred before"): through_pillows_jpeg(blurred, 90),
    }
    for cell, other in expected.items():
        assert evaluate.psnr(frames[cell], other) > evaluate.psnr(other, hr) + 4
        assert abs(evaluate.psnr(frames[cell], hr) - evaluate.psnr(other, hr)) < 0.25


def test_each_setting_of_a_cell_costs_something(hr: np.ndarray, frames: dict[harm.Cell, np.ndarray]) -> None:
    cost = {cell: evaluate.psnr(frame, hr) for cell, frame in frames.items()}
    mild = harm.Cell(1.5, 90, "lanczos", "sent as it is")
    conditions = [{"condition": condition} for condition in harm.CONDITIONS if condition != mild.condition]
    for worse in ({"factor": 3.0}, {"jpeg": 30}, {"receiver": "bilinear"}, *conditions):
        assert cost[mild._replace(**worse)] < cost[mild] - 0.02, worse


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """A map that is soon measured; how many cells it has."""
    monkeypatch.setattr(harm, "FACTORS", (1.0, 2.0))
    monkeypatch.setattr(harm, "QUALITIES", (70,))
    return 3 + 4 * 3


def test_doing_nothing_gains_nothing_and_harm_is_found(photos: Path, few: int) -> None:
    paths = data.list_photos(photos)
    networks = {"nothing": lambda frame: frame, "blur": lambda frame: cv2.GaussianBlur(frame, (5, 5), 1.0)}
    rows = harm.run(paths, networks, side=96)
    assert len(rows) == 2 * few
    nothing, blur = (([row for row in rows if row["network"] == name]) for name in networks)
    assert all(row["gain_db"] == row["worst_db"] == 0 for row in nothing)
    assert harm.verdict(nothing, -0.05) == ""
    found = harm.harmful(rows, -0.05)
    assert found and {row["network"] for row in found} == {"blur"} and found[0]["gain_db"] < -3
    assert found[0] == min(blur, key=lambda row: row["gain_db"]) and found[0]["factor"] == 1
    sentence = harm.verdict(rows, -0.05)
    assert f"blur in {len(found)} of {few} kinds of calls" in sentence and "\n" not in sentence
    assert "nothing" not in sentence
    one = next(row for row in blur if (row["factor"], row["jpeg"], row["receiver"]) == (2, 70, "bilinear"))
    gains = []
    for number, path in enumerate(paths):
        hr = data.crop_to_multiple(data.centre(data.read_image(path), 96), 12)
        frame = dict(harm.frames(hr, number))[harm.Cell(2, 70, "bilinear", one["condition"])]
        gains.append(evaluate.psnr(networks["blur"](frame), hr) - evaluate.psnr(frame, hr))
    assert one["gain_db"] == pytest.approx(np.mean(gains), abs=1e-3)


def test_the_command_writes_draws_and_fails_where_a_network_harms(
    photos: Path, tmp_path: Path, few: int, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "harm.json"
    given = ["--photos", str(photos), "--side", "48", "--json", str(path)]
    with pytest.raises(
        SystemExit, match=f"Worse than 40 dB: call-s in {few} of {few}"
    ):  # the limit is a number of dB
        harm.main([*given, "--students", "call-s", "--check", "40"])
    assert "call-s" in capsys.readouterr().out and path.with_suffix(".png").stat().st_size > 10_000
    harm.main([*given, "--students", "call-m", "--check", "-1000"])  # and what was measured stays
    written = json.loads(path.read_text())
    assert {row["network"] for row in written["rows"]} == set(written["networks"]) == {"call-s", "call-m"}
    assert written["side"] == 48 and {"kdsharp", "torch"} <= written["versions"].keys()
    harm.main(
        [*given[:-1], str(path), "--students", "call-s-perceptual", "--check", "40"]
    )  # which is not judged


def test_networks_that_are_judged_are_those_for_calls_that_want_to_be_right() -> None:
    names = harm.callers()
    assert {"call-s", "call-m"} <= set(names)
    assert not [name for name in names if "perceptual" in name or name.startswith(("x", "blur", "teacher"))]


def test_without_photographs_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KDSHARP_ASSETS", raising=False)
    with pytest.raises(SystemExit, match="real photographs"):
        harm.main(["--students", "call-s"])
    with pytest.raises(KdsharpError, match="no photograph"):
        harm.run([], {}, 512)


def test_the_figure_has_a_number_in_every_cell() -> None:
    rows = [
        {"network": "n", "factor": factor, "jpeg": jpeg, "receiver": receiver, "condition": condition, "gain_db": -0.4}
        for condition in ("one", "other")
        for jpeg in (30, 90)
        for factor, receiver in ((1.0, "none"), (2.0, "bilinear"), (2.0, "lanczos"))
    ]  # fmt: skip
    figure = results.harm_figure(rows)
    texts = [text.get_text() for axis in figure.axes for text in axis.texts]
    assert texts.count("-0.40") == len(rows) and texts.count("bilinear") == 2
