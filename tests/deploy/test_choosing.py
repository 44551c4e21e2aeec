"""`load_student("call")`: the best network for calls that keeps up, measured once."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest

import kdsharp
from kdsharp.deploy import choosing, sharpen
from kdsharp.errors import KdsharpError


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch, own_root: Path) -> dict[str, float]:
    """Milliseconds a frame that each network takes on a machine made up; those that were asked for are counted."""
    times = {"call-m": 100.0, "call-s": 24.0, "call-xs": 12.0, "call-x1.5": 30.0, "call-x3": 90.0}
    asked: dict[str, float] = {}

    def milliseconds(student: sharpen.Sharpener, size: tuple[int, int]) -> float:
        name = student.recipe.name
        asked[name] = asked.get(name, 0) + 1
        return times[name] * size[0] * size[1] / (1080 * 1920)

    monkeypatch.setattr(choosing, "_milliseconds", milliseconds)
    return asked


@pytest.mark.parametrize(
    ("size", "rate", "expected"),
    [
        ((1080, 1920), 30, "call-s"),  # 33 ms, of which 27 may be spent
        ((1080, 1920), 60, "call-xs"),
        ((1080, 1920), 5, "call-m"),
        ((360, 640), 30, "call-m"),
        ((2160, 3840), 60, "call-xs"),  # none keeps up: the fastest
    ],
)
@pytest.mark.usefixtures("timed")
def test_the_best_that_keeps_up(size: tuple[int, int], rate: float, expected: str) -> None:
    assert kdsharp.load_student("call", engine="onnx", size=size, rate=rate).recipe.name == expected


@pytest.mark.parametrize(
    ("size", "shown", "expected"),
    [
        ((720, 1280), (1080, 1920), "call-x1.5"),
        ((361, 641), (542, 962), "call-x1.5"),  # odd sides, rounded as everywhere
        ((360, 640), (1080, 1920), "call-x3"),
        ((1080, 1920), (1080, 1920), "call-s"),
    ],
)
@pytest.mark.usefixtures("timed")
def test_from_the_small_frame(size: tuple[int, int], shown: tuple[int, int], expected: str) -> None:
    ready = kdsharp.load_student("call", engine="onnx", size=size, shown=shown)
    assert ready.recipe.name == expected
    if expected != "call-s":
        assert ready(np.zeros((*size, 3), np.uint8)).shape == (*shown, 3)


def test_a_size_that_no_network_leads_to(own_root: Path) -> None:
    with pytest.raises(KdsharpError, match=r"1280x720 of 640x360: they enlarge by 1, 1\.5, 3"):
        kdsharp.load_student("call", engine="onnx", size=(360, 640), shown=(720, 1280))


def test_the_choice_is_told_and_kept(timed: dict, own_root: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        first = kdsharp.load_student("call", engine="onnx")
    assert "call: call-s, 24 ms a frame of 1920x1080 here; 30 frames a second leave 33" in caplog.text
    assert timed == {"call-m": 1, "call-s": 1}
    again = kdsharp.load_student("call", engine="onnx")
    assert again.recipe == first.recipe and timed == {"call-m": 1, "call-s": 1}
    place = own_root / "build" / "call.json"
    assert "call-s onnx" in next(iter(json.loads(place.read_text()).values()))
    place.write_text("not JSON")
    assert kdsharp.load_student("call", engine="onnx").recipe == first.recipe and timed["call-s"] == 2


@pytest.mark.usefixtures("timed")
def test_a_folder_that_cannot_be_written_costs_the_memory_only(own_root: Path) -> None:
    (own_root / "build").write_text("a file where the folder should be")
    assert kdsharp.load_student("call", engine="onnx").recipe.name == "call-s"


@pytest.mark.parametrize(("size", "rate"), [((0, 100), 30), ((100, 100), 0), ((100, 100), float("nan"))])
def test_impossible_wishes_are_refused(size: tuple[int, int], rate: float, own_root: Path) -> None:
    with pytest.raises(KdsharpError, match="frames a second"):
        kdsharp.load_student("call", engine="onnx", size=size, rate=rate)


def test_on_this_machine(own_root: Path) -> None:
    ready = kdsharp.load_student("call", size=(180, 320), rate=1)
    assert ready.recipe.name == "call-m"
    image = np.random.default_rng(0).integers(0, 256, (180, 320, 3), np.uint8)
    assert np.array_equal(ready(image), kdsharp.load_student("call-m", engine=ready.engine)(image))
