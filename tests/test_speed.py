"""Speed: what is timed, in which order, and that the table claims no more than was measured."""

import json
import statistics
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from kdsharp import baselines, checkpoints, footprint, recipes, roofline, speed, student, teacher
from kdsharp.errors import KdsharpError

KEYS = {"network", "engine", "device", "what", "output", "ms", "p95_ms", "fps", "multiply_adds", "share"}


@pytest.fixture
def call(tmp_path: Path) -> str:
    """An untrained student of the video call: its speed is that of a trained one."""
    recipe = recipes.preset("video-call")
    return str(checkpoints.save(tmp_path / "call.safetensors", student.build(recipe.student), recipe))


@pytest.fixture
def upscaler(tmp_path: Path) -> str:
    recipe = recipes.preset("real-esrgan")
    return str(checkpoints.save(tmp_path / "x4.safetensors", student.build(recipe.student), recipe))


def test_rows_have_their_schema(call: str, upscaler: str) -> None:
    rows = speed.measure([call, upscaler], repeats=2, size=(64, 96))
    on_cpu = [(row["network"], row["engine"], row["what"]) for row in rows if row["device"] == "cpu"]
    assert sorted(on_cpu) == sorted(
        (name, engine, what)
        for name in (call, upscaler)
        for engine in ("torch", "onnx")
        for what in ("end to end", "network")
    )
    for row in rows:
        assert set(row) == KEYS and row["output"] == "96x64"
        assert row["ms"] > 0 and row["fps"] == pytest.approx(1000 / row["ms"], rel=0.05)
    assert json.loads(json.dumps(rows)) == rows


def test_output_has_the_size_that_is_claimed(
    call: str, upscaler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The input of an upscaler is smaller by its scale, so that all students make the same 1920x1080."""
    from kdsharp import sharpen

    seen = set()
    original = sharpen.Sharpener.__call__

    def spy(self: sharpen.Sharpener, image: np.ndarray) -> np.ndarray:
        result = original(self, image)
        seen.add((self.scale, image.shape[:2], result.shape[:2]))
        return result

    monkeypatch.setattr(sharpen.Sharpener, "__call__", spy)
    speed.measure([call, upscaler], ["torch"], repeats=1, size=(108, 192))
    assert seen == {(1, (108, 192), (108, 192)), (4, (27, 48), (108, 192))}


def test_teacher_gets_the_small_frame_and_says_so(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from kdsharp.teacher import Teacher

    sizes = []

    def enlarge(planes: torch.Tensor) -> torch.Tensor:
        sizes.append(tuple(planes.shape[-2:]))
        return planes.repeat_interleave(4, 2).repeat_interleave(4, 3)

    monkeypatch.setattr(speed, "load_teacher", lambda name, device: Teacher(name, 4, enlarge))
    rows = speed.measure([call], ["torch"], repeats=1, size=(64, 96), teacher="plain")
    assert set(sizes) == {(32, 48)}
    assert rows[-1]["network"] == "plain (on 48x32)" and rows[-1]["what"] == "end to end"


def test_jobs_take_turns_and_the_median_is_quoted() -> None:
    calls = []
    pauses = {"a": iter([0, 0.03, 0.01, 0.01]), "b": iter([0, 0, 0, 0])}

    def job(name: str) -> None:
        calls.append(name)
        time.sleep(next(pauses[name]))

    times = speed._in_turns({name: lambda name=name: job(name) for name in "ab"}, repeats=3, warmup=1)
    assert "".join(calls) == "abababab"
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    assert 9 < medians["a"] < 25 and medians["b"] < 9  # the one slow moment does not show
    assert speed.percentile(times["a"], 95) > 25  # but here


def test_slow_jobs_are_repeated_three_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "ENOUGH_MS", 20)
    calls = {"slow": 0, "fast": 0}

    def job(name: str) -> None:
        calls[name] += 1
        time.sleep(0.01 if name == "slow" else 0)

    times = speed._in_turns({name: partial(job, name) for name in calls}, repeats=9, warmup=2)
    assert [len(taken) for taken in times.values()] == [speed.FEWEST, 9]
    assert calls == {"slow": 1 + speed.FEWEST, "fast": 2 + 9}  # one warm-up was enough for the slow one


def test_percentiles_are_numpys_nearest_ranks() -> None:
    values = np.random.default_rng(0).random(37).tolist()
    for percent in (5, 50, 95, 100):
        assert speed.percentile(values, percent) == np.percentile(values, percent, method="inverted_cdf")


def test_work_and_its_share_of_the_ceiling(call: str) -> None:
    rows = speed.measure(
        [call], ["onnx"], repeats=2, size=(64, 96), rivals=["FSRCNN x4"], ceilings={"float32": 50.0}
    )
    rows = {(row["network"], row["what"]): row for row in rows}
    network, _ = checkpoints.load(call)
    alone = rows[call, "network"]
    assert alone["multiply_adds"] == pytest.approx(student.multiply_adds(network, 64, 96) / 1e9, abs=1e-3)
    assert alone["share"] == pytest.approx(
        alone["multiply_adds"] / alone["ms"] * 1000 / 50, rel=0.2, abs=2e-3
    )
    assert rows[call, "end to end"]["share"] is None and rows["FSRCNN x4", "network"]["share"] is not None


def test_ceilings_are_what_a_matrix_product_and_a_copy_reach() -> None:
    found = roofline.ceilings(repeats=2)
    assert {"float32", "copy"} <= found.keys() and all(1 < value < 1e6 for value in found.values())
    square = np.random.default_rng(0).random((1024, 1024), dtype=np.float32)
    start = time.perf_counter()
    square @ square  # NumPy's product is another library's: the ceiling must not lie far below it
    assert found["float32"] > 0.3 * 1024**3 / (time.perf_counter() - start) / 1e9


@pytest.mark.heavy
@pytest.mark.parametrize("engine", ["onnx", "openvino", "openvino-int8"])
def test_a_runtime_starts_fast_and_small(engine: str) -> None:
    """The project's bars: a first picture within 2 seconds, and less than 600 MB for a 1080p frame."""
    if engine.startswith("openvino"):
        pytest.importorskip("openvino")
    found = footprint.measure("call-s", engine)
    assert not found["torch"] and found["memory_mb"] < 600
    assert found["cold_s"] < 4  # 2 on a quiet machine
    with pytest.raises(KdsharpError, match="no network 'nobody'"):
        footprint.measure("nobody", engine)


def test_warmup_is_not_timed() -> None:
    pauses = iter([0.2, 0.2, 0])
    assert speed.time_call(lambda: time.sleep(next(pauses)), repeats=1, warmup=2) < 100


def test_network_alone_computes_what_the_student_computes(call: str) -> None:
    from kdsharp import sharpen

    ready = sharpen.load_student(call, "cpu")
    planes = np.random.default_rng(0).random((1, 1, 32, 48), dtype=np.float32)
    outputs = []
    handle = ready.run.network.register_forward_hook(lambda _m, _i, output: outputs.append(output.clone()))
    speed._network_alone(ready, planes, planes)()
    handle.remove()
    assert np.array_equal(outputs[0].numpy(), ready.run(planes))


@pytest.mark.parametrize("name", baselines.RIVALS)
def test_rivals_are_as_large_as_published(name: str) -> None:
    """FSRCNN's paper counts 12,464 weights of convolutions; Real-ESRGAN's released files hold 4 bytes a parameter."""
    network = baselines.build(name)
    if name.startswith("FSRCNN"):
        assert sum(weight.numel() for weight in network.parameters() if weight.ndim == 4) == 12_464
    elif name in teacher.OFFICIAL:
        assert student.parameters(network) * 4 == pytest.approx(teacher.OFFICIAL[name].size, rel=0.01)
    planes = torch.rand(1, 1 if network.colour == "luma" else 3, 8, 12)
    assert network(planes).shape[-2:] == (8 * network.scale, 12 * network.scale)


def test_rivals_are_timed_in_the_same_run(call: str) -> None:
    rows = speed.measure([call], repeats=1, size=(64, 96), rivals=["classic", "FSRCNN x4"])
    found = {(row["network"], row["engine"], row["what"]) for row in rows if row["device"] == "cpu"}
    assert {("FSRCNN x4", "torch", "network"), ("FSRCNN x4", "onnx", "network")} <= found
    assert {("bicubic x2", "opencv", "end to end"), ("unsharp mask", "opencv", "end to end")} <= found
    with pytest.raises(KdsharpError, match="no rival 'SRCNN'"):
        speed.measure([call], repeats=1, size=(64, 96), rivals=["SRCNN"])


def test_wrong_requests_are_explained(call: str) -> None:
    with pytest.raises(KdsharpError, match="at least 1"):
        speed.time_call(lambda: None, repeats=0)
    with pytest.raises(KdsharpError, match="no engine 'tpu'"):
        speed.measure([call], ["tpu"], repeats=1, size=(64, 96))
    with pytest.raises(KdsharpError, match="no network 'nobody'"):
        speed.measure(["nobody"], repeats=1, size=(64, 96))


def test_table_names_hardware_and_size() -> None:
    facts = speed.hardware()
    assert {"processor", "cores", "threads", "torch", "onnxruntime"} <= facts.keys()
    assert facts["threads"] == torch.get_num_threads() and json.dumps(facts)
    row = {"network": "call", "engine": "onnx", "device": "cpu", "what": "network", "ms": 20.0, "fps": 50.0}
    row |= {"p95_ms": 21.0, "multiply_adds": 4.2, "share": 0.5}
    table = speed.format_table([row | {"output": "1920x1080"}])
    assert "output 1920x1080, one frame at a time" in table and str(facts["processor"]) in table
    assert "1920x1080" not in speed.format_table([row | {"output": "96x64"}])
    assert "no rows" in speed.format_table([])


@pytest.mark.heavy
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_gpu_is_timed_in_half_precision(call: str) -> None:
    rows = speed.measure([call], ["torch"], repeats=5)
    by_kind = {row["what"]: row["ms"] for row in rows if row["device"] == "cuda"}
    assert by_kind["network"] < by_kind["end to end"]
    assert "gpu" in speed.hardware()
