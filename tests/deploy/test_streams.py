"""A stream that computes only what changed: every frame as by itself, to the bit, and less work where less moves."""

import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from kdsharp import recipes, student
from kdsharp.deploy import export, quantise, sharpen, tiles
from kdsharp.deploy.engines.base import Engine, find_engine
from kdsharp.recipes import Network

pytest.importorskip("openvino")

SIZES = {(1, 2): (330, 416), (1, 4): (360, 400), (1.5, 2): (301, 312), (3, 1): (240, 328)}
STUDENTS = [
    pytest.param(engine, scale, unshuffle, id=f"{engine}-{scale}-{unshuffle}")
    for engine in ("openvino", "openvino-int8")
    for scale, unshuffle in SIZES
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Network], Engine]:
    """Engines of untrained students; a student is exported once."""
    folder = tmp_path_factory.mktemp("exports")

    def engine_of(name: str, network: Network) -> Engine:
        stem = hashlib.sha256(repr(network).encode()).hexdigest()
        path, small = folder / f"{stem}.onnx", folder / f"{stem}.int8.onnx"
        if not path.exists():
            torch.manual_seed(0)
            export.to_onnx(student.build(network).eval(), path)
        if name.endswith("int8") and not small.exists():
            planes = quantise.calibration_planes(recipes.preset("call-s").degradation, "luma")
            quantise.to_int8(path, small, itertools.islice(planes, 2))
        return find_engine(name).start(small if name.endswith("int8") else path, "cpu")

    return engine_of


def clip(height: int, width: int, count: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Frames that differ by a pixel at an edge, by a few rectangles, by everything, or by nothing."""
    rng = np.random.default_rng(seed)
    frame = rng.integers(0, 256, (height, width), np.uint8)
    for number in range(count):
        yield frame.copy()
        if number % 5 == 4:
            continue
        if number == count // 2:
            frame = rng.integers(0, 256, frame.shape, np.uint8)
        for _ in range(number % 3 + 1):
            top, left = rng.integers(0, height), rng.integers(0, width)
            side = int(rng.choice([1, 9, 40]))
            part = frame[top : top + side, left : left + side]
            part[:] = rng.integers(0, 256, part.shape, np.uint8)
        corner = (number % 2 and -1, number % 4 and -1)
        frame[corner] ^= 1


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles are taken whenever they can be: which is faster depends on the machine."""
    monkeypatch.setattr(tiles.Memory, "_measured", lambda *_: (1.0, 0.0, 0.0, 0.0, 0.0))


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize(("engine", "scale", "unshuffle"), STUDENTS)
def test_every_frame_is_as_by_itself(engine: str, scale: float, unshuffle: int, made: Callable) -> None:
    options = {"scale": scale, "unshuffle": unshuffle, "channels": 8, "body": 2, "colour": "luma"}
    options |= {"restraint": 0.3} if scale == 1 else {}
    whole = made(engine, Network("student", options))
    stream, kept = whole.remembering(), []
    for frame in clip(*SIZES[scale, unshuffle], count=12):
        answer = stream.luma(frame)
        assert np.array_equal(answer, whole.luma(frame)) and (scale == 1 or not answer.flags.writeable)
        kept.append((answer, answer.copy()))
    assert stream._memory._costs == () or stream._memory.share < 0.8
    assert all(
        np.array_equal(answer, then) for answer, then in kept
    )  # no later frame writes into an earlier one


@pytest.mark.usefixtures("always")
def test_colours_and_residual_blocks(made: Callable) -> None:
    options = {"scale": 1, "unshuffle": 4, "channels": 8, "blocks": 2, "colour": "rgb"}
    whole = made("openvino", Network("residual", options))
    stream = whole.remembering()
    for frame in clip(300, 320, count=6):
        image = np.stack([frame, frame[::-1], frame], axis=-1)
        assert np.array_equal(stream.frame(image), whole.frame(image))
    assert stream._memory._costs == () or stream._memory.share < 0.9


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("engine", ["openvino", "openvino-int8"])
@pytest.mark.parametrize("name", ["call-xs", "call-s", "call-m"])
def test_networks_for_calls_have_tiles(name: str, engine: str) -> None:
    whole = sharpen.load_student(name, "cpu", engine).run
    stream = whole.remembering()
    for frame in clip(540, 960, count=8):
        assert np.array_equal(stream.luma(frame), whole.luma(frame))
    assert stream._memory.share < 0.8


@pytest.mark.usefixtures("always")
def test_windows_that_round_otherwise_are_noticed(made: Callable) -> None:
    options = {"scale": 1, "unshuffle": 2, "channels": 8, "body": 1, "colour": "luma"}
    whole = made("openvino", Network("student", options))
    stream = whole.remembering()
    work = stream._memory.work

    def otherwise(windows: np.ndarray) -> np.ndarray:
        answers = work.bare(windows)
        answers[3, 0, 20, 20] ^= 1
        return answers

    stream._memory.work = replace(work, bare=otherwise)
    for frame in clip(240, 320, count=6):
        assert np.array_equal(stream.luma(frame), whole.luma(frame))
    assert stream._memory._costs == ()


@pytest.mark.parametrize("options", [{"attention": True}, {"branches": 2}])
def test_a_student_that_sees_the_whole_picture_has_no_tiles(options: dict, made: Callable) -> None:
    """Attention weighs by a mean over the picture; several dilations are told by how far they reach."""
    network = Network("student", {"channels": 8, "body": 1, "colour": "luma"} | options)
    whole = made("openvino", network)
    stream = whole.remembering()
    if "attention" in options:
        assert stream is whole
    else:
        assert stream._memory.work.halo == 4 * 4  # folded by 4: head and tail reach one, the body two


def test_how_far_a_student_reaches_is_how_far_a_pixel_acts(made: Callable) -> None:
    options = {"scale": 1, "unshuffle": 2, "channels": 8, "body": 3, "colour": "luma"}
    whole = made("openvino", Network("student", options))
    halo = whole.remembering()._memory.work.halo
    frame = np.random.default_rng(0).random((1, 1, 100, 100), dtype=np.float32)
    other = frame.copy()
    other[..., 50:52, 50:52] = 1 - other[..., 50:52, 50:52]
    rows = np.nonzero((whole(frame) != whole(other)).any(axis=(0, 1, 3)))[0]
    assert (rows.min(), rows.max()) == (50 - halo, 51 + halo) and halo == 10


@pytest.mark.parametrize("size", [(80, 400), (400, 301), (33, 47)])
def test_frames_that_cannot_be_tiled_are_computed_whole(size: tuple[int, int], made: Callable) -> None:
    options = {"scale": 1, "unshuffle": 2, "channels": 8, "body": 1, "colour": "luma"}
    whole = made("openvino", Network("student", options))
    stream = whole.remembering()
    for frame in clip(*size, count=6):
        assert np.array_equal(stream.luma(frame), whole.luma(frame))


def test_another_size_begins_anew_and_nothing_new_costs_nothing() -> None:
    ready = sharpen.load_student("call-xs", "cpu", "openvino-int8")
    stream = ready.remembering()
    for size in ((300, 320), (256, 400), (300, 320)):
        image = np.repeat(next(clip(*size, count=1))[..., None], 3, axis=-1)
        for _ in range(4):
            assert np.array_equal(stream(image), ready(image))
        assert stream.run._memory.share < 0.5  # the first frame only


def test_a_pan_rests_and_is_told_when_it_stops() -> None:
    ready = sharpen.load_student("call-xs", "cpu", "openvino-int8")
    wide = np.random.default_rng(0).integers(0, 256, (240, 480), np.uint8)
    frames = [np.ascontiguousarray(wide[:, at : at + 320]) for at in [*range(9), *[9] * 6]]
    stream = ready.remembering()
    assert all(np.array_equal(stream.luma(frame), ready.luma(frame)) for frame in frames)
    assert stream.run._memory.share < 0.9
