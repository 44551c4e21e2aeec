"""A frame that needs no help is left alone."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from kdsharp import data, recipes, student
from kdsharp.deploy.engines.base import find_engine
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Network

pytest.importorskip("onnx")
from kdsharp.deploy.export import to_onnx

FULL = 0.3


def made(restraint: float = FULL, unshuffle: int = 2) -> torch.nn.Module:
    torch.manual_seed(0)
    options = {
        "scale": 1,
        "unshuffle": unshuffle,
        "channels": 8,
        "body": 1,
        "colour": "luma",
        "restraint": restraint,
    }
    return student.build(Network("student", options)).eval()


def share(network: torch.nn.Module, planes: torch.Tensor) -> float:
    """How much a network changes, as a share of the steps between neighbours; by numpy, without folding."""
    change = (network(planes) - planes)[0, 0].detach().numpy()
    rows = planes[0, 0].numpy()
    return np.abs(change).mean() / np.abs(rows[:, 1::2] - rows[:, ::2]).mean()


def weakened(share_wanted: float) -> tuple[torch.nn.Module, torch.nn.Module, torch.Tensor]:
    """A network with restraint, one without, of the same weights: they would change so large a share of a picture."""
    photo = data.read_image(data.embedded_photos("val")[0])[:256, :320]
    planes = student.to_luma(data.to_tensor(photo))
    free, held = made(0.0), made()
    for _ in range(3):  # the change is nearly in proportion to the last layer
        factor = share_wanted / share(free, planes)
        free.last.weight.data.mul_(factor)
    held.load_state_dict(free.state_dict())
    return held, free, planes


def test_little_to_change_is_nothing_to_change() -> None:
    held, free, planes = weakened(FULL / 2)
    assert torch.equal(held(planes), planes) and not torch.equal(free(planes), planes)


def test_much_to_change_is_changed_in_full() -> None:
    held, free, planes = weakened(FULL * 1.2)
    assert torch.equal(held(planes), free(planes))


def test_between_them_it_grows() -> None:
    held, free, planes = weakened(FULL * 5 / 6)
    halved = (held(planes) - planes) / (free(planes) - planes)
    assert halved.median().item() == pytest.approx(0.5, abs=0.15)


def test_learning_knows_no_restraint() -> None:
    held, free, planes = weakened(FULL / 2)
    assert torch.equal(held.train()(planes), free(planes))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4)])
def test_flat_and_tiny_pictures_stay_pictures(size: tuple[int, int]) -> None:
    planes = torch.full((1, 1, *size), 0.5)
    result = made()(planes)
    assert result.shape == planes.shape and result.isfinite().all()


def test_pictures_of_a_batch_are_judged_one_by_one() -> None:
    held, _, planes = weakened(FULL / 2)
    soft = torch.nn.functional.avg_pool2d(planes, 9, 1, 4)  # whose steps are small: the share is large
    both = held(torch.cat([planes, soft]))
    assert torch.equal(both[:1], planes)
    assert torch.allclose(both[1:], held(soft), atol=1e-6) and not torch.equal(both[1:], soft)


def test_a_file_answers_with_restraint_and_without(tmp_path: Path) -> None:
    """For programs that are not ours: `output` is the network's own answer, whatever runs it."""
    held, free, planes = weakened(FULL / 2)
    session = onnxruntime.InferenceSession(to_onnx(held, tmp_path / "held.onnx"))
    output, unrestrained = session.run(["output", "unrestrained"], {"input": planes.numpy()})
    assert np.array_equal(output, planes.numpy())
    assert np.abs(unrestrained - free(planes).detach().numpy()).max() < 1e-5
    assert session.get_modelmeta().custom_metadata_map["restraint"] == str(FULL)


@pytest.mark.parametrize("wanted", [0.5, 5 / 6, 1.2])
@pytest.mark.parametrize("engine", ["torch", "onnx", "openvino"])
def test_engines_are_as_restrained_as_the_network(engine: str, wanted: float, tmp_path: Path) -> None:
    held, _, planes = weakened(FULL * wanted)
    kind = find_engine(engine)
    if not kind.at_hand("cpu"):
        pytest.skip(f"{engine} is not installed")
    ready = kind.start(held if kind.wants == "network" else to_onnx(held, tmp_path / "held.onnx"), "cpu")
    plane = np.rint(planes.numpy()[0, 0] * 255).astype(np.uint8)
    planes = torch.from_numpy(plane / np.float32(255))[None, None]
    expected = held(planes).detach().numpy()
    near = 5e-3 if kind.precision("cpu") == "bfloat16" else 1e-5
    assert np.abs(ready(planes.numpy()) - expected).max() < near
    assert np.abs(ready.luma(plane) - 255 * expected[0, 0].clip(0, 1)).max() < 255 * near + 1.1
    if wanted == 0.5:
        assert np.array_equal(ready.luma(plane), plane)
        assert not np.array_equal(ready.unrestrained().luma(plane), plane)
    assert held.restraint is not None, "the network that was given stays as it is"


def test_it_needs_a_fold_and_no_enlargement_and_keeps_the_weights_names() -> None:
    with pytest.raises(KdsharpError, match="fold by 2"):
        made(unshuffle=1)
    with pytest.raises(KdsharpError, match="enlarged"):
        student.build(Network("student", {"scale": 2, "unshuffle": 2, "restraint": FULL}))
    assert made().state_dict().keys() == made(0.0).state_dict().keys()
    assert recipes.FAMILIES["student"]["restraint"] == 0.0
