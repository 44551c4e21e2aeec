"""Teachers: official layouts load, downloads are verified, overflow is mended, bad files are named."""

import itertools
import pathlib
from pathlib import Path

import numpy as np
import pytest
import torch
from spandrel.architectures.Compact import Compact

from kdsharp import evaluate, recipes, student, teacher
from kdsharp.disk import checkpoints, files
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Network
from kdsharp.student import load_network


@pytest.fixture
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return (
        student.build(Network("residual", {"scale": 4, "channels": 16, "blocks": 3}))
        .eval()
        .requires_grad_(False)
    )


@pytest.fixture
def compact_file(tmp_path: Path) -> Path:
    """A small network laid out as realesr-general-x4v3 is: `params`, SRVGGNetCompact x4."""
    torch.manual_seed(0)
    path = tmp_path / "compact.pth"
    torch.save({"params": Compact(num_feat=8, num_conv=2, upscale=4).state_dict()}, path)
    return path


class Fault:
    """A x1 network whose half-precision output is `value`, and whose single-precision output is its input."""

    def __init__(self, value: float) -> None:
        self.value = value
        self.calls: list[bool] = []

    def __call__(self, tile: torch.Tensor) -> torch.Tensor:
        self.calls.append(torch.is_autocast_enabled("cpu"))
        return torch.full_like(tile, self.value) if self.calls[-1] else tile


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_half_precision_that_overflows_is_done_again(value: float) -> None:
    fault = Fault(value)
    images = torch.rand(1, 3, 40, 40)
    result = teacher.Teacher("fault", 1, fault, half=True)(images)
    assert torch.equal(result, images) and fault.calls == [True, False]


def test_only_the_tile_that_overflowed_is_done_again() -> None:
    def fault(tile: torch.Tensor) -> torch.Tensor:
        calls.append(torch.is_autocast_enabled("cpu"))
        return tile * float("inf") if calls == [True] else tile

    calls: list[bool] = []
    images = torch.rand(1, 3, 60, 60)
    result = teacher.Teacher("fault", 1, fault, tile=48, half=True)(images)
    assert torch.allclose(result, images, atol=1e-6) and calls == [True, False, True, True, True]


def test_spandrel_does_not_hide_an_overflow(
    compact_file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It clips what a network gives, so an infinity would come out as white."""
    guide = teacher.load_teacher(compact_file, half=True)
    forward, images = guide.network.forward, torch.rand(1, 3, 20, 20)

    def overflowing(tile: torch.Tensor) -> torch.Tensor:
        return forward(tile) + (float("inf") if torch.is_autocast_enabled("cpu") else 0)

    monkeypatch.setattr(guide.network, "forward", overflowing)
    assert torch.equal(guide(images), teacher.load_teacher(compact_file)(images))
    assert "single precision" in caplog.text


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_damaged_weights_are_named(compact_file: Path, value: float) -> None:
    guide = teacher.load_teacher(compact_file)
    with torch.no_grad():
        list(guide.network.parameters())[-1].fill_(value)
    with pytest.raises(KdsharpError, match="'compact' gives values that are not finite"):
        guide(torch.rand(1, 3, 20, 20))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_half_precision_on_a_gpu_is_close_to_single() -> None:
    images = torch.rand(1, 3, 100, 120)
    half, single = teacher.load_teacher("teacher-x4", "cuda", tile=64), teacher.load_teacher("teacher-x4")
    assert half.half and not single.half
    assert (half(images) - single(images)).abs().max() * 255 <= 2


def rrdbnet_weights(blocks: int, features: int = 64, growth: int = 32) -> dict[str, torch.Tensor]:
    """Random weights under the keys and shapes of Real-ESRGAN's RRDBNet (x4) files."""
    shapes = {"conv_first": (features, 3), "conv_last": (3, features)}
    shapes |= {name: (features, features) for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr")}
    for block, dense, conv in itertools.product(range(blocks), (1, 2, 3), (1, 2, 3, 4, 5)):
        outputs = features if conv == 5 else growth
        shapes[f"body.{block}.rdb{dense}.conv{conv}"] = (outputs, features + (conv - 1) * growth)
    weights = {}
    for name, (outputs, inputs) in shapes.items():
        weights[f"{name}.weight"] = torch.randn(outputs, inputs, 3, 3) * (0.5 / (9 * inputs) ** 0.5)
        weights[f"{name}.bias"] = torch.randn(outputs) * 0.01
    return weights


def test_official_layout_loads_by_path(tmp_path: Path) -> None:
    """A file laid out as RealESRGAN_x4plus_anime_6B: `params_ema`, 6 blocks of 64 features, 17.9 MB."""
    torch.manual_seed(0)
    weights = rrdbnet_weights(blocks=6)
    path = tmp_path / "RealESRGAN_x4plus_anime_6B.pth"
    torch.save({"params_ema": weights}, path)
    official = teacher.OFFICIAL["RealESRGAN_x4plus_anime_6B"].size
    assert official is not None and abs(path.stat().st_size - official) < 0.01 * official
    loaded = teacher.load_teacher(path)
    assert (loaded.name, loaded.scale) == ("RealESRGAN_x4plus_anime_6B", 4)
    assert student.parameters(loaded.network) == sum(value.numel() for value in weights.values())
    ours, theirs = (
        [float(value.double().sum()) for value in values]
        for values in (loaded.network.state_dict().values(), weights.values())
    )
    assert sorted(ours) == pytest.approx(sorted(theirs))
    first = torch.rand(1, 3, 16, 20)
    assert loaded(first).shape == (1, 3, 64, 80)


@pytest.mark.parametrize(("scale", "height", "width"), [(1, 33, 41), (2, 33, 41), (4, 40, 35)])
def test_every_scale_and_odd_sizes(tmp_path: Path, scale: int, height: int, width: int) -> None:
    path = tmp_path / "any.pth"
    torch.save({"params": Compact(num_feat=8, num_conv=1, upscale=scale).state_dict()}, path)
    guide = teacher.load_teacher(path, tile=32)
    assert guide.scale == scale
    result = guide(torch.rand(2, 3, height, width))
    assert result.shape == (2, 3, height * scale, width * scale)
    assert result.min() >= 0 and result.max() <= 1
    assert guide.on_picture(np.zeros((height, width, 3), np.uint8)).dtype == np.uint8


def test_official_names_are_downloaded_verified_and_kept(
    compact_file: Path, own_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KDSHARP_ASSETS", raising=False)
    name, size = "realesr-animevideov3", compact_file.stat().st_size
    known = teacher.OfficialFile(compact_file.as_uri(), size, files.sha256(compact_file))
    monkeypatch.setitem(teacher.OFFICIAL, name, known)
    assert name not in teacher.at_hand()
    assert teacher.load_teacher(name).scale == 4
    kept = own_root / "data" / "weights" / f"{name}.pth"
    assert kept.read_bytes() == compact_file.read_bytes() and name in teacher.at_hand()
    kept.write_bytes(b"x" * size)  # a file that lies there already is verified, too
    with pytest.raises(KdsharpError, match="sha256"):
        teacher.load_teacher(name)
    kept.unlink()
    monkeypatch.setitem(teacher.OFFICIAL, name, teacher.OfficialFile(known.url, size, "0" * 64))
    with pytest.raises(KdsharpError, match="thrown away"):
        teacher.load_teacher(name)
    assert {path.suffix for path in kept.parent.iterdir()} <= {".lock"}


def test_official_files_are_pinned() -> None:
    assert len(teacher.OFFICIAL) == 9
    for name, known in teacher.OFFICIAL.items():
        if name.startswith("span"):  # of a package only: see test_packed.py
            assert known.url is None and known.packed
            continue
        assert known.url.startswith("https://github.com/") and (known.size or 1) > 0
        if name.startswith("restormer-"):  # no checksum is published: see test_architectures.py
            assert known.url.endswith("_deblurring.pth") and known.sha256 is None
        else:
            assert known.url.endswith(f"/{name}.pth") and len(known.sha256) == 64


def test_copies_among_the_assets_are_used_and_said(
    compact_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    weights = tmp_path / "assets" / "weights"
    weights.mkdir(parents=True)
    (weights / "realesr-general-x4v3-fp16.pth").write_bytes(compact_file.read_bytes())
    monkeypatch.setenv("KDSHARP_ASSETS", str(weights.parent))
    assert teacher.at_hand() == ["realesr-general-x4v3", "teacher-x4"]
    with caplog.at_level("INFO"):
        guide = teacher.load_teacher("realesr-general-x4v3")
    assert guide.name == "realesr-general-x4v3" and str(weights) in caplog.text


class Payload:
    """What a hostile file would run."""

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return pathlib.Path.touch, (pathlib.Path("was-here"),)


def test_code_in_a_file_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"params": Payload()}, tmp_path / "hostile.pth")
    with pytest.raises(KdsharpError, match=r"hostile\.pth"):
        teacher.load_teacher(tmp_path / "hostile.pth")
    torch.jit.script(torch.nn.ReLU()).save(tmp_path / "program.pt")
    with pytest.raises(KdsharpError, match=r"program.pt may hold a program"):
        teacher.load_teacher(tmp_path / "program.pt")
    assert not (tmp_path / "was-here").exists()


@pytest.mark.parametrize(
    "name", ["text.pth", "empty.pth", "cut.pth", "missing.pth", "text.safetensors", "text.bin"]
)
def test_bad_files_are_named(tmp_path: Path, compact_file: Path, name: str) -> None:
    path = tmp_path / name
    if name != "missing.pth":
        whole = compact_file.read_bytes()
        kinds = {"text": b"no network", "empty": b"", "cut": whole[: len(whole) // 2]}
        path.write_bytes(kinds[path.stem])
    with pytest.raises(KdsharpError, match=name) as error:
        teacher.load_teacher(path)
    assert "\n" not in str(error.value)


def test_networks_of_others_for_grey_pictures_are_refused(tmp_path: Path) -> None:
    """A luma network of ours can teach, because we know what to do with chroma; what another's grey means we do not."""
    path = tmp_path / "grey.pth"
    torch.save(Compact(num_in_ch=1, num_out_ch=1, num_feat=8, num_conv=1).state_dict(), path)
    with pytest.raises(KdsharpError, match=r"grey.*RGB"):
        teacher.load_teacher(path)


@pytest.mark.parametrize("device", ["cuda:99", "toaster"])
def test_devices_that_are_not_there_are_named(device: str) -> None:
    with pytest.raises(KdsharpError, match=device):
        teacher.load_teacher("teacher-x4", device)


@pytest.mark.parametrize("shape", [(3, 20, 20), (1, 1, 20, 20)])
def test_tensors_of_another_shape_are_refused(network: torch.nn.Module, shape: tuple[int, ...]) -> None:
    with pytest.raises(KdsharpError, match="batch"):
        teacher.Teacher("own", 4, network)(torch.rand(shape))


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(KdsharpError, match="realesr-general-x4v3"):
        teacher.load_teacher("real-esrgan-9000")
    with pytest.raises(KdsharpError, match="engine"):
        teacher.load_teacher("teacher-x4", engine="magic")


def test_target_has_the_size_of_the_frame(network: torch.nn.Module) -> None:
    guide = teacher.Teacher("own", 4, network)
    assert teacher.target_for(guide, torch.rand(2, 3, 30, 40), (75, 100)).shape == (2, 3, 75, 100)


def test_a_sharpening_student_can_teach(tmp_path: Path) -> None:
    """A luma network of ours as teacher: it gets the enlarged frame, in tiles, and chroma stays as it is."""
    recipe = recipes.preset("video-call", "quick")
    network = student.build(recipe.student)
    guide = teacher.load_teacher(checkpoints.save(tmp_path / "own.safetensors", network, recipe), tile=64)
    assert guide.scale == 1 and student.parameters(guide.network) == student.parameters(network)
    small = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    frame = torch.nn.functional.interpolate(small, size=(96, 128), mode="bilinear")
    target = teacher.target_for(guide, small, (96, 128))
    network.eval()
    with torch.no_grad():
        assert torch.allclose(target, student.apply_to_rgb(network, frame), atol=1e-4)
    assert (target - frame).abs().max() > 0.01


@pytest.mark.heavy
def test_published_teacher_beats_bicubic(assets: Path) -> None:
    """The issue's bar: 0.7 dB on Y over the published bicubic x4 row of Set14 (26.00 dB)."""
    own = teacher.load_teacher("teacher-x4")
    network, _ = load_network("teacher-x4")
    assert student.parameters(network) <= 2_000_000
    gained, _ = evaluate.network_benchmark(own.on_picture, assets / "benchmarks" / "Set14", 4)
    shrunk, _ = evaluate.network_benchmark(
        lambda small: evaluate.bicubic_upscale(small, 4), assets / "benchmarks" / "Set14", 4
    )
    assert gained > shrunk + 0.7
    assert recipes.published_for("self-teacher") == "teacher-x4"
