"""Tiles: no seam on real and random networks, folding networks kept in phase, memory that runs out survived."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from kdsharp import data, student, teacher
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Network
from kdsharp.teacher import tiling

GENERAL = "weights/realesr-general-x4v3-fp16.pth"


@pytest.fixture
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    options = {"scale": 4, "channels": 16, "blocks": 3}
    return student.build(Network("residual", options)).eval().requires_grad_(False)


@pytest.mark.parametrize(("height", "width"), [(90, 131), (33, 200), (64, 65), (48, 48), (7, 3)])
def test_tiled_equals_whole(network: torch.nn.Module, height: int, width: int) -> None:
    images = torch.rand(2, 3, height, width)
    tiled = tiling.run_tiled(network, images, 4, tile=48)
    assert (tiled - network(images)).abs().max() * 255 < 0.01


def test_without_context_the_seams_are_seen(network: torch.nn.Module) -> None:
    """The check above would be worth nothing if it passed for tiles that know nothing of each other."""
    images = torch.rand(1, 3, 90, 131)
    blind = tiling.run_tiled(network, images, 4, tile=48, context=0, blend=0)
    assert (blind - network(images)).abs().max() * 255 > 2


@pytest.mark.heavy
@pytest.mark.parametrize("tile", [64, 101])
def test_official_network_tiled_equals_whole(assets: Path, tile: int) -> None:
    """1/255 away from the border of the picture, 2/255 everywhere."""
    photo = data.read_image(sorted((assets / "photos" / "val").glob("*.png"))[0])
    images = data.to_tensor(photo[300:460, 500:680])
    whole = teacher.load_teacher(assets / GENERAL, tile=1000)(images)
    tiled = teacher.load_teacher(assets / GENERAL, tile=tile)(images)
    difference = (whole - tiled).abs() * 255
    assert difference.max() <= 2 and difference[..., 64:-64, 64:-64].max() <= 1


@pytest.mark.parametrize("tile", [32, 45, 50, 90])
@pytest.mark.parametrize("multiple", [2, 8])
def test_networks_that_fold_their_input_stay_in_phase(tile: int, multiple: int) -> None:
    torch.manual_seed(0)
    weight = torch.randn(3 * multiple**2, 3 * multiple**2, 3, 3) / (5 * multiple)

    def folding(images: torch.Tensor) -> torch.Tensor:
        height, width = images.shape[-2:]
        padded = F.pad(images, (0, -width % multiple, 0, -height % multiple), "replicate")
        result = F.conv2d(F.pixel_unshuffle(padded, multiple), weight, padding=1)
        return F.pixel_shuffle(result, multiple)[..., :height, :width]

    images = torch.rand(1, 3, 121, 135)
    tiled = tiling.run_tiled(folding, images, 1, tile=tile, multiple=multiple)
    assert torch.allclose(tiled, folding(images), atol=1e-4)


def test_only_a_tile_with_its_context_is_run_at_a_time() -> None:
    seen: list[tuple[int, int]] = []

    def spy(tile: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(tile.shape[-2:]))
        return tile

    images = torch.rand(1, 3, 200, 300)
    result = tiling.run_tiled(spy, images, 1, tile=64, context=10)
    assert torch.allclose(result, images, atol=1e-6)
    assert max(max(size) for size in seen) == 64 + 20
    assert seen[0] == (74, 74)  # nothing is made up beyond the picture's border


def test_progress_shows_for_many_tiles_only(capsys: pytest.CaptureFixture[str]) -> None:
    tiling.run_tiled(lambda tile: tile, torch.rand(1, 3, 100, 100), 1, tile=64)
    assert "tiles" not in capsys.readouterr().err
    tiling.run_tiled(lambda tile: tile, torch.rand(1, 3, 200, 200), 1, tile=64)
    assert "tiles" in capsys.readouterr().err


def limited(
    fits: Callable[[torch.Tensor], bool], error: Exception, calls: list[torch.Size]
) -> Callable[[torch.Tensor], torch.Tensor]:
    """A x1 network that raises `error` for what does not fit, and otherwise returns its input."""

    def run(tile: torch.Tensor) -> torch.Tensor:
        calls.append(tile.shape)
        if not fits(tile):
            raise error
        return tile

    return run


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory."),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["cuda", "linux", "windows", "cublas"])
def test_out_of_memory_halves_the_tile(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    images, calls = torch.rand(1, 3, 300, 300), []
    network = limited(lambda tile: max(tile.shape[-2:]) <= 120, error, calls)
    assert torch.allclose(tiling.run_tiled(network, images, 1, tile=256), images, atol=1e-6)
    assert max(calls[0][-2:]) > 120 and max(calls[-1][-2:]) <= 120
    assert "tiles of 64 pixels" in caplog.text


def test_out_of_memory_in_a_batch_runs_its_pictures_one_by_one() -> None:
    images, calls = torch.rand(4, 3, 32, 40), []
    network = limited(lambda tile: len(tile) == 1, OUT_OF_MEMORY[0], calls)
    assert torch.equal(tiling.run_tiled(network, images, 1), images)
    assert [len(shape) and shape[0] for shape in calls] == [4, 1, 1, 1, 1]


def test_no_memory_at_all_is_one_sentence() -> None:
    calls: list[torch.Size] = []
    with pytest.raises(KdsharpError, match="32 pixels fits in memory"):
        tiling.run_tiled(limited(lambda _: False, OUT_OF_MEMORY[0], calls), torch.rand(1, 3, 300, 300), 1)
    assert len(calls) == 4  # 256, 128, 64, 32


def test_other_errors_stay_themselves() -> None:
    network = limited(lambda _: False, RuntimeError("a real bug"), [])
    with pytest.raises(RuntimeError, match="a real bug"):
        tiling.run_tiled(network, torch.rand(1, 3, 40, 40), 1)


@pytest.mark.parametrize("settings", [{"tile": 0}, {"tile": -64}, {"tile": 31}, {"context": -1}])
def test_impossible_tiles_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(KdsharpError, match="at least 32"):
        tiling.run_tiled(lambda tile: tile, torch.rand(1, 3, 40, 40), 1, **settings)


@pytest.mark.parametrize(("height", "width"), [(90, 131), (33, 200), (48, 48)])
def test_tiles_of_a_network_of_three_halves_leave_no_seam(height: int, width: int) -> None:
    torch.manual_seed(0)
    options = {"scale": 1.5, "unshuffle": 2, "channels": 8, "body": 1}
    network = student.build(Network("student", options)).eval().requires_grad_(False)
    images = torch.rand(1, 3, height, width)
    tiled = tiling.run_tiled(network, images, 1.5, tile=48, multiple=network.multiple)
    assert (tiled - network(images)).abs().max() * 255 < 0.01
