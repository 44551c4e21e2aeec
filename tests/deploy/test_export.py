"""An exported student gives PyTorch's pictures at every size, says what it is, and appears whole or not at all."""

import copy
import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from kdsharp import recipes, student
from kdsharp.deploy import export
from kdsharp.deploy.engines.onnx import OnnxNetwork
from kdsharp.errors import KdsharpError


def network_of(preset: str) -> torch.nn.Module:
    """A preset's student whose last layer matters, so that a wrong layout would show."""
    torch.manual_seed(0)
    return student.build(recipes.preset(preset).student).eval()


@pytest.fixture(scope="module", params=[*recipes.presets("quick"), "call-x1.5", "call-x3"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple:
    """(network, path of its ONNX file) of each preset."""
    network = network_of(request.param)
    return network, export.to_onnx(network, tmp_path_factory.mktemp("onnx") / "student.onnx")


@pytest.mark.parametrize("size", [(64, 96), (45, 67), (3, 130)])
def test_one_file_serves_every_size(exported: tuple, size: tuple[int, int]) -> None:
    network, path = exported
    ready = OnnxNetwork(path)
    planes = np.random.default_rng(0).random((1, student.CHANNELS[network.colour], *size), dtype=np.float32)
    kept = planes.copy()
    output = ready(planes)
    assert output.shape == (*planes.shape[:2], *(recipes.enlarged(side, network.scale) for side in size))
    assert output.dtype == np.float32 and np.array_equal(planes, kept)
    with torch.inference_mode():
        expected = network(torch.from_numpy(planes)).numpy()
    assert np.abs(output - expected).max() <= 0.01 / 255
    assert np.abs(expected - expected.mean()).max() > 0.1  # not a constant picture that anything would match


def test_parity_notices_other_weights(exported: tuple) -> None:
    network, path = exported
    other = copy.deepcopy(network)
    with torch.no_grad():
        list(other.parameters())[-1].add_(0.1)
    assert export.largest_difference(network, OnnxNetwork(path), 32, 32) < 0.01
    assert export.largest_difference(other, OnnxNetwork(path), 32, 32) > 1


def test_the_file_says_what_it_is(exported: tuple) -> None:
    network, path = exported
    model = onnx.load(path)
    facts = {item.key: item.value for item in model.metadata_props}
    assert facts == {
        "scale": str(network.scale),
        "colour": network.colour,
        "range": "0..1",
        "multiple": str(network.multiple),
        "source": "",
        **({} if (far := student.reach(network)) is None else {"reach": str(far)}),
    }
    assert [item.version for item in model.opset_import if item.domain in ("", "ai.onnx")] == [export.OPSET]
    assert [item.name for item in model.graph.input] == ["input"]
    assert [item.name for item in model.graph.output] == ["output"]
    _, channels, *sides = model.graph.input[0].type.tensor_type.shape.dim
    assert channels.dim_value == student.CHANNELS[network.colour]
    assert all(side.dim_param and not side.dim_value for side in sides)  # H and W are free
    ready = OnnxNetwork(path)
    assert (ready.scale, ready.colour, ready.multiple) == (network.scale, network.colour, network.multiple)


def test_the_file_tells_nothing_about_this_machine(exported: tuple) -> None:
    content = exported[1].read_bytes()
    package = Path(export.__file__).resolve().parent
    assert str(package).encode() not in content and b".py" not in content


def test_the_network_stays_as_it_was(tmp_path: Path) -> None:
    network = network_of("video-call").double().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    export.to_onnx(network, tmp_path / "s.onnx")
    assert network.training
    assert all(value.dtype == torch.float64 for value in network.state_dict().values())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert export.largest_difference(network.float(), OnnxNetwork(tmp_path / "s.onnx"), 20, 30) < 0.01


def test_exporting_is_quiet(
    tmp_path: Path,
    capfd: pytest.CaptureFixture,
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which PyTorch says what differs from version to version, so this one says something for certain."""
    original, logger = torch.onnx.export, logging.getLogger("torch.onnx")

    def noisy(*arguments: object, **options: object) -> object:
        warnings.warn("old-fashioned", FutureWarning, stacklevel=2)
        logger.warning("a package is not installed")
        return original(*arguments, **options)

    monkeypatch.setattr(torch.onnx, "export", noisy)
    export.to_onnx(network_of("video-call"), tmp_path / "s.onnx")
    captured = capfd.readouterr()
    heard = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert captured.out == captured.err == "" and not heard and not recwarn.list
    logger.warning("the reader's own use of PyTorch is not silenced")
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


def test_a_failed_export_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.onnx"
    path.write_bytes(b"old")

    def refuse(_model: onnx.ModelProto) -> None:
        raise onnx.checker.ValidationError("no")

    monkeypatch.setattr(onnx.checker, "check_model", refuse)
    with pytest.raises(onnx.checker.ValidationError):
        export.to_onnx(network_of("video-call"), path)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_threads_are_all_at_hand_unless_given(exported: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    _, path = exported
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    sessions = {threads: OnnxNetwork(path, threads=threads).session for threads in (None, 1)}
    assert sessions[None].get_session_options().intra_op_num_threads == 3
    assert sessions[1].get_session_options().intra_op_num_threads == 1


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    for name, content in (("damaged.onnx", b"no"), ("empty.onnx", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(KdsharpError, match=name):
            OnnxNetwork(tmp_path / name)
    with pytest.raises(KdsharpError, match="missing"):
        OnnxNetwork(tmp_path / "none.onnx")
    shape = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])],
        "identity",
        [shape("x", onnx.TensorProto.FLOAT, [1, 1, 4, 4])],
        [shape("y", onnx.TensorProto.FLOAT, [1, 1, 4, 4])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, tmp_path / "foreign.onnx")
    with pytest.raises(KdsharpError, match="no student of this course"):
        OnnxNetwork(tmp_path / "foreign.onnx")
