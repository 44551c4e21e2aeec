"""Networks, checkpoints and the callable student."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F

import kdsharp
from kdsharp import data, recipes, student
from kdsharp.disk import checkpoints
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Network
from kdsharp.student import load_network

SHAPES = [(1, 4, "luma"), (1, 4, "rgb"), (2, 1, "rgb"), (4, 1, "rgb"), (2, 2, "rgb"), (4, 2, "luma")]


def make(scale: float, unshuffle: int, colour: str) -> torch.nn.Module:
    torch.manual_seed(0)
    options = {"scale": scale, "unshuffle": unshuffle, "channels": 8, "body": 1, "colour": colour}
    return student.build(Network("student", options)).eval()


@pytest.mark.parametrize(("scale", "unshuffle", "colour"), SHAPES)
def test_a_student_whose_last_layer_is_zero_changes_nothing(scale: int, unshuffle: int, colour: str) -> None:
    network = make(scale, unshuffle, colour)
    torch.nn.init.zeros_(network.layers[-1].weight)
    planes = torch.rand(2, student.CHANNELS[colour], 21, 30)  # no multiple of anything
    assert torch.equal(network(planes), F.interpolate(planes, scale_factor=scale, mode="nearest"))


@pytest.mark.parametrize("unshuffle", [1, 2, 4])
def test_unshuffle_widens_the_receptive_field(unshuffle: int) -> None:
    network = make(1, unshuffle, "luma")
    torch.manual_seed(0)
    for layer in network.layers[::2]:
        torch.nn.init.constant_(layer.weight, 0.01)
    planes = torch.rand(1, 1, 64, 64, requires_grad=True)
    network(planes)[0, 0, 32, 32].backward()
    reach = planes.grad[0, 0].abs().sum(1).nonzero()
    assert len(reach) == 2 * 3 * unshuffle + unshuffle  # three 3x3 convolutions on the folded picture


def test_counts_are_those_worked_out_by_hand() -> None:
    network = make(1, 4, "luma")  # 16 -> 8 -> 8 -> 16 planes on a sixteenth of the pixels
    weights = 9 * (16 * 8 + 8 * 8 + 8 * 16)
    assert student.parameters(network) == weights + 8 + 8 + 16
    assert student.multiply_adds(network, 64, 48) == weights * 16 * 12


def test_wrong_options_are_explained() -> None:
    with pytest.raises(KdsharpError, match=r"no option 'depth': choose among .*channels"):
        Network("student", {"depth": 3})
    with pytest.raises(KdsharpError, match=r"family is 'transformer': give one of student"):
        Network("transformer")
    with pytest.raises(KdsharpError, match="luma"):
        make(1, 4, "cmyk")


def test_luma_correction_is_added_to_all_three_planes() -> None:
    network = make(1, 4, "luma")
    rgb = torch.rand(1, 3, 16, 16) * 0.5 + 0.25
    added = student.apply_to_rgb(network, rgb) - rgb
    assert torch.allclose(added[:, 0], added[:, 1], atol=1e-6) and added.abs().max() > 0


def test_checkpoint_round_trip(saved: Path) -> None:
    torch.manual_seed(0)
    expected = student.build(recipes.preset("video-call").student).state_dict()
    network, recipe = load_network(saved)
    assert recipe == recipes.preset("video-call") and checkpoints.results(saved) == {"steps": 7}
    assert all(torch.equal(expected[key], value) for key, value in network.state_dict().items())


def test_files_that_are_no_student_are_named(tmp_path: Path, saved: Path) -> None:
    (tmp_path / "text.safetensors").write_text("no")
    with pytest.raises(KdsharpError, match=r"text\.safetensors"):
        kdsharp.load_student(tmp_path / "text.safetensors")
    with pytest.raises(KdsharpError, match="no network 'nobody'"):
        kdsharp.load_student("nobody")
    with pytest.raises(KdsharpError, match="engine"):
        kdsharp.load_student(saved, engine="abacus")
    cut = saved.read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(cut[: len(cut) // 2])
    with pytest.raises(KdsharpError, match=r"cut\.safetensors"):
        kdsharp.load_student(tmp_path / "cut.safetensors")


def test_wrong_pictures_are_refused(saved: Path) -> None:
    ready = kdsharp.load_student(saved, device="cpu")
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(KdsharpError, match="uint8 RGB"):
            ready(wrong)


def test_published_students_load_and_have_cards() -> None:
    from kdsharp.disk import files

    for preset in filter(recipes.published_for, recipes.presets()):
        name = recipes.published_for(preset)
        network, recipe = load_network(name)
        assert recipe.name in (preset, name) and recipe.student.options["scale"] == network.scale
    for path in checkpoints.published():
        assert path.with_suffix(".md").read_text(encoding="utf-8").startswith(f"# {path.stem}\n"), (
            "it has no card"
        )
    assert sum(path.stat().st_size for path in files.checkpoints_dir().glob("*.safetensors")) < 10_000_000


@pytest.mark.heavy
def test_published_call_student_beats_doing_nothing(assets: Path) -> None:
    """The issue's bar on photos/val at shrink 2, JPEG 70, bilinear: 0.5 dB on Y."""
    from kdsharp import evaluate

    ready = kdsharp.load_student("call-s", device="cpu")
    photos = data.list_photos(assets / "photos" / "val")
    rows = evaluate.evaluate_student(ready, photos, recipes.fixed_call(2, 70), max_side=768)
    by_name = {row["method"]: row for row in rows}
    assert by_name["student"]["psnr_y"] > by_name["input (nothing)"]["psnr_y"] + 0.5
    assert by_name["student"]["ssim_y"] > by_name["input (nothing)"]["ssim_y"]


@pytest.mark.parametrize("scale", [2, 4])
def test_a_luma_upscaler_sets_luma_and_enlarges_chroma(
    scale: int, tmp_path: Path, picture: np.ndarray
) -> None:
    """The result's luma is the network's own, and its chroma is that of plain bicubic enlargement."""
    recipe = dataclasses.replace(
        recipes.preset("real-esrgan"),
        degradation=recipes.Downscale(scale),
        student=recipes.Network(
            "student", {"scale": scale, "unshuffle": 1, "channels": 8, "body": 1, "colour": "luma"}
        ),
    )
    torch.manual_seed(0)
    network = student.build(recipe.student).eval()
    ready = kdsharp.load_student(
        checkpoints.save(tmp_path / "luma.safetensors", network, recipe), device="cpu"
    )
    small = np.ascontiguousarray(picture[40:104, 60:140] // 4 + 96)  # grey enough for nothing to be clipped
    large = ready(small)
    assert large.shape == (64 * scale, 80 * scale, 3)
    tensor = data.to_tensor(small)
    with torch.no_grad():
        wanted = network(student.to_luma(tensor))
        in_tensors = student.apply_to_rgb(network, tensor)
    assert (student.to_luma(data.to_tensor(large)) - wanted).abs().max() < 2 / 255
    assert (student.to_luma(in_tensors) - wanted).abs().max() < 1e-5
    bicubic = cv2.cvtColor(
        cv2.resize(small, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), cv2.COLOR_RGB2YCrCb
    )
    chroma = cv2.cvtColor(large, cv2.COLOR_RGB2YCrCb)[..., 1:].astype(int) - bicubic[..., 1:]
    assert np.abs(chroma).max() <= 2


def three_of_two(values: np.ndarray) -> np.ndarray:
    """Along the first axis: each pair becomes its first, the mean of both, its second."""
    result = np.empty((len(values) // 2 * 3, *values.shape[1:]), values.dtype)
    for pair in range(len(values) // 2):
        first, second = values[2 * pair], values[2 * pair + 1]
        result[3 * pair : 3 * pair + 3] = first, (first + second) / 2, second
    return result


@pytest.mark.parametrize("colour", ["luma", "rgb"])
@pytest.mark.parametrize("unshuffle", [2, 4])
@pytest.mark.parametrize("size", [(24, 32), (21, 30), (23, 31), (1, 1)])
def test_three_halves_of_a_network_that_is_zero_interpolate_each_pair(
    size: tuple[int, int], unshuffle: int, colour: str
) -> None:
    """Odd sides are continued by one pixel, and 1.5 times an odd side is rounded up."""
    network = make(1.5, unshuffle, colour)
    torch.nn.init.zeros_(network.layers[-1].weight)
    planes = torch.rand(2, student.CHANNELS[colour], *size)
    padding = ((0, 0), (0, 0), (0, size[0] % 2), (0, size[1] % 2))
    even = np.pad(planes.numpy(), padding, mode="edge").transpose(2, 3, 0, 1)
    expected = three_of_two(three_of_two(even).swapaxes(0, 1)).transpose(2, 3, 1, 0)
    expected = expected[..., : (3 * size[0] + 1) // 2, : (3 * size[1] + 1) // 2]
    np.testing.assert_allclose(network(planes).detach().numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(("unshuffle", "shuffle"), [(2, 3), (4, 6)])
def test_what_is_folded_by_two_and_shuffled_by_three_lies_where_it_belongs(
    unshuffle: int, shuffle: int
) -> None:
    """Folding and unfolding counted pixel by pixel; between them the network's own convolutions."""
    network = make(shuffle / unshuffle, unshuffle, "luma")
    planes = torch.rand(1, 1, 3 * unshuffle, 5 * unshuffle)
    folded = np.empty((1, unshuffle**2, 3, 5), np.float32)
    for phase in range(unshuffle**2):
        down, across = divmod(phase, unshuffle)
        folded[0, phase] = planes.numpy()[0, 0, down::unshuffle, across::unshuffle]
    correction = network.correction(torch.from_numpy(folded)).detach().numpy()
    placed = np.empty((3 * shuffle, 5 * shuffle), np.float32)
    for row in range(placed.shape[0]):
        for column in range(placed.shape[1]):
            phase = row % shuffle * shuffle + column % shuffle
            placed[row, column] = correction[0, phase, row // shuffle, column // shuffle]
    without = make(shuffle / unshuffle, unshuffle, "luma")
    torch.nn.init.zeros_(without.layers[-1].weight)
    with torch.no_grad():
        added = (network(planes) - without(planes)).numpy()[0, 0]
    np.testing.assert_allclose(added, placed, atol=1e-6)
    assert np.abs(placed).std() > 0.01


def test_chroma_is_enlarged_by_three_halves_too() -> None:
    network = make(1.5, 2, "luma")
    torch.nn.init.zeros_(network.layers[-1].weight)
    flat = torch.tensor([0.2, 0.5, 0.7])[None, :, None, None].expand(1, 3, 21, 30)
    result = student.apply_to_rgb(network, flat)
    assert result.shape == (1, 3, 32, 45)
    torch.testing.assert_close(result, flat[..., :1, :1].expand_as(result))


@pytest.mark.parametrize(
    ("options", "exact"),
    [
        ({"scale": 1, "unshuffle": 2, "body": 3}, True),
        ({"scale": 1.5, "unshuffle": 2, "body": 1}, True),
        ({"scale": 3, "unshuffle": 1, "body": 2}, True),
        ({"scale": 1, "unshuffle": 4, "body": 2, "branches": 2, "restraint": 0.3}, False),
    ],
)
def test_an_answer_looks_no_further_than_its_reach(options: dict, exact: bool) -> None:
    network = student.build(Network("student", {"channels": 4, "colour": "luma"} | options))
    for parameter in network.parameters():  # positive, so that no ReLU hides anything
        torch.nn.init.uniform_(parameter, 0.1, 0.2)
    multiple, far = network.multiple, student.reach(network)
    picture = torch.rand(1, 1, 25 * multiple, 25 * multiple, requires_grad=True)
    at = 12 * multiple  # the first of a folded pixel
    network(picture)[0, 0, round(at * network.scale), round(at * network.scale)].backward()
    rows = picture.grad[0, 0].abs().sum(dim=1).nonzero()
    assert (rows.min() == at - far) if exact else (rows.min() >= at - far)
    assert rows.max() <= at + multiple - 1 + far


@pytest.mark.parametrize(
    "network",
    [
        Network("student", {"attention": True}),
        Network("encoder-decoder", {"channels": 8, "levels": 2, "blocks": 1}),
    ],
)
def test_some_look_at_the_whole_picture(network: Network) -> None:
    assert student.reach(student.build(network)) is None
