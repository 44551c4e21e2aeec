"""The upstream engine: it agrees with ours, its faults reach the caller, and its absence is one sentence."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact
from spandrel.architectures.SPAN import SPAN

from kdsharp import data, teacher
from kdsharp.errors import KdsharpError
from kdsharp.teacher import reference


@pytest.fixture
def upstream() -> tuple[type, type, type]:
    """(RealESRGANer, RRDBNet, SRVGGNetCompact); skips where the extra is not installed."""
    try:
        return reference.import_upstream()
    except KdsharpError as error:
        pytest.skip(str(error))


@pytest.fixture
def compact_file(tmp_path: Path) -> Path:
    """A small network laid out as realesr-animevideov3 is: `params`, SRVGGNetCompact."""
    torch.manual_seed(0)
    network = Compact(num_feat=8, num_conv=2, upscale=4)
    torch.save({"params": network.state_dict()}, tmp_path / "compact.pth")
    return tmp_path / "compact.pth"


def differences(path: Path, image: np.ndarray, **settings: int) -> np.ndarray:
    """|ours - upstream's| over a picture, in 1/255."""
    ours = teacher.load_teacher(path).on_picture(image)
    theirs = teacher.load_teacher(path, engine="realesrgan", **settings).on_picture(image)
    assert ours.shape == theirs.shape
    return np.abs(ours.astype(int) - theirs)


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["realesr-general-x4v3-fp16", "realesr-animevideov3"])
def test_both_engines_agree_on_official_weights(
    upstream: tuple[type, type, type], assets: Path, name: str
) -> None:
    image = data.read_image(assets / "benchmarks" / "Set5" / "img_003.png")[:96, :112]
    path = assets / "weights" / f"{name}.pth"
    assert differences(path, image).max() <= 1
    swapped = teacher.load_teacher(path).on_picture(image[..., ::-1].copy())[..., ::-1]
    assert np.abs(swapped.astype(int) - teacher.load_teacher(path).on_picture(image)).max() > 1


@pytest.mark.parametrize("scale", [2, 4])
def test_both_engines_agree_on_rrdbnet(
    upstream: tuple[type, type, type], tmp_path: Path, picture: np.ndarray, scale: int
) -> None:
    """The family of RealESRGAN_x4plus and its anime_6B; the x2 network of that family folds its input."""
    torch.manual_seed(0)
    network = upstream[1](3, 3, scale=scale, num_feat=8, num_block=2, num_grow_ch=32)
    path = tmp_path / "rrdb.pth"
    torch.save({"params_ema": network.state_dict()}, path)
    assert teacher.load_teacher(path).scale == scale
    assert differences(path, picture[:48, :60]).max() <= 1
    assert differences(path, picture[:92, :104], tile=40).max() <= 1


def test_tiles_of_the_upstream_engine_leave_no_seam(
    upstream: tuple[type, type, type], compact_file: Path, picture: np.ndarray
) -> None:
    assert differences(compact_file, picture[:90, :110], tile=48).max() <= 1


def test_a_runtime_error_inside_upstream_is_not_swallowed(
    upstream: tuple[type, type, type], compact_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Upstream's tiling would print it and leave a hole in the picture."""
    guide = teacher.load_teacher(compact_file, engine="realesrgan", tile=32)

    def fail(_images: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("a real bug")

    monkeypatch.setattr(guide.network, "forward", fail)
    with pytest.raises(RuntimeError, match="a real bug"):
        guide(torch.rand(1, 3, 80, 80))


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_damaged_weights_are_named(
    upstream: tuple[type, type, type], compact_file: Path, value: float
) -> None:
    guide = teacher.load_teacher(compact_file, engine="realesrgan")
    with torch.no_grad():
        list(guide.network.parameters())[-1].fill_(value)
    with pytest.raises(KdsharpError, match=r"compact.*not finite"):
        guide(torch.rand(1, 3, 20, 20))


def test_half_precision_that_overflows_goes_on_in_single(
    upstream: tuple[type, type, type],
    compact_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    guide = teacher.load_teacher(compact_file, engine="realesrgan")
    images = torch.rand(1, 3, 20, 20)
    expected = guide(images)
    engine, finite = guide.run.engine, guide.run._finite
    monkeypatch.setattr(guide.run, "_finite", lambda image: None if engine.half else finite(image))
    engine.half = True
    assert torch.equal(guide(images), expected)
    assert engine.half is False and "single precision" in caplog.text


@pytest.mark.parametrize("kind", ["bare", "span", "safetensors"])
def test_other_layouts_are_refused(
    upstream: tuple[type, type, type], compact_file: Path, tmp_path: Path, kind: str
) -> None:
    weights = torch.load(compact_file, weights_only=True)["params"]
    path = tmp_path / ("other.safetensors" if kind == "safetensors" else "other.pth")
    if kind == "safetensors":
        save_file(weights, path)
    elif kind == "bare":
        torch.save(weights, path)
    else:
        torch.save({"params": SPAN(num_in_ch=3, num_out_ch=3, feature_channels=8).state_dict()}, path)
    with pytest.raises(KdsharpError, match=r"other.*use engine 'kdsharp'"):
        teacher.load_teacher(path, engine="realesrgan")


def test_our_own_teacher_is_not_run_by_another_engine_in_silence() -> None:
    with pytest.raises(KdsharpError, match=r"'teacher-x4'.*use engine 'kdsharp'"):
        teacher.load_teacher("teacher-x4", engine="realesrgan")


@pytest.mark.parametrize("missing", ["basicsr", "realesrgan"])
def test_missing_extra_is_one_sentence(
    compact_file: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(KdsharpError, match=r"pip install 'kdsharp\[reference\]', on Python 3.12") as error:
        teacher.load_teacher(compact_file, engine="realesrgan")
    assert "\n" not in str(error.value)
