"""Any teacher by file: several families, random weights of their official layouts; Restormer at full size."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from spandrel.architectures.Compact import Compact
from spandrel.architectures.DRUNet import DRUNet
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.NAFNet import NAFNet
from spandrel.architectures.SCUNet import SCUNet
from spandrel.architectures.SPAN import SPAN
from spandrel.architectures.SwinIR import SwinIR

from kdsharp import teacher
from kdsharp.errors import KdsharpError
from kdsharp.teacher.official import RESTORMER

NETWORKS = {
    "ESRGAN": (4, lambda: ESRGAN(num_blocks=2, num_filters=16, scale=4)),
    "Compact": (2, lambda: Compact(num_feat=16, num_conv=4, upscale=2)),
    "SPAN": (4, lambda: SPAN(num_in_ch=3, num_out_ch=3, feature_channels=16, upscale=4)),
    "SwinIR": (
        2,
        lambda: SwinIR(
            depths=[2, 2], embed_dim=24, num_heads=[2, 2], window_size=8, upscale=2, upsampler="pixelshuffle"
        ),
    ),
    "NAFNet": (1, lambda: NAFNet(width=8, middle_blk_num=1, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1])),
    "SCUNet": (1, lambda: SCUNet(in_nc=3, config=[2] * 7, dim=64)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_many_families_teach(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    scale, make = NETWORKS[name]
    network = make().eval()
    path = tmp_path / "any.pth"
    torch.save({"params": network.state_dict()}, path)
    guide = teacher.load_teacher(path)
    assert guide.scale == scale and type(guide.network).__name__ == type(network).__name__
    small = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = network(small).clamp(0, 1)
    assert torch.allclose(guide(small), expected, atol=1e-4)
    assert teacher.target_for(guide, small, (96, 96)).shape == (2, 3, 96, 96)
    assert guide(torch.rand(1, 3, 37, 51)).shape == (1, 3, 37 * scale, 51 * scale)


def test_a_network_that_wants_a_noise_map_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "drunet.pth"
    torch.save(DRUNet(in_nc=4, out_nc=3, nc=[8, 8, 8, 8], nb=1).state_dict(), path)
    with pytest.raises(KdsharpError):
        teacher.load_teacher(path)


@pytest.fixture(scope="module")
def restormer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of exactly the official layout: `params` with 494 tensors, 26,126,644 values, about 104.7 MB."""
    restormer = pytest.importorskip("spandrel_extra_arches.architectures.Restormer")
    torch.manual_seed(0)
    network = restormer.Restormer(LayerNorm_type="WithBias")
    path = tmp_path_factory.mktemp("restormer") / "motion_deblurring.pth"
    torch.save({"params": network.state_dict()}, path)
    return path


@pytest.fixture
def official(restormer_file: Path, own_root: Path) -> Path:
    """The same, where the download would lie."""
    path = own_root / "data" / "weights" / "restormer-motion-deblurring.pth"
    path.parent.mkdir(parents=True)
    path.hardlink_to(restormer_file)
    return path


@pytest.mark.heavy
def test_restormer_of_the_official_size_teaches(restormer_file: Path, official: Path) -> None:
    assert abs(restormer_file.stat().st_size - 104.7e6) < 0.5e6
    guide = teacher.load_teacher("restormer-motion-deblurring", tile=64)
    assert (guide.scale, guide.multiple) == (1, 8)
    state = guide.network.state_dict()
    assert {"tensors": len(state), "parameters": sum(v.numel() for v in state.values())} == RESTORMER
    images = torch.rand(
        1, 3, 100, 130, generator=torch.Generator().manual_seed(1)
    )  # no multiples of 8, tiled
    result = guide(images)
    assert result.shape == images.shape and torch.isfinite(result).all()


@pytest.mark.heavy
def test_restormer_is_fetched_checked_and_used(
    restormer_file: Path, own_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "restormer-defocus-deblurring"
    known = teacher.OfficialFile(restormer_file.as_uri(), None, None)
    monkeypatch.setitem(teacher.OFFICIAL, name, known)
    assert teacher.load_teacher(name).scale == 1
    kept = own_root / "data" / "weights" / f"{name}.pth"
    assert kept.read_bytes() == restormer_file.read_bytes()
    kept.unlink()
    other = tmp_path / "small.pth"
    torch.save({"params": Compact(num_feat=8, num_conv=2, upscale=4).state_dict()}, other)
    monkeypatch.setitem(teacher.OFFICIAL, name, teacher.OfficialFile(other.as_uri(), None, None))
    with pytest.raises(KdsharpError, match=r"not about 104\.7 MB"):
        teacher.load_teacher(name)


@pytest.mark.heavy
@pytest.mark.parametrize("fault", ["key missing", "another shape", "another network", "cut short"])
def test_a_file_that_is_not_the_official_restormer_is_refused(official: Path, fault: str) -> None:
    state = torch.load(official, weights_only=True)["params"]
    official.unlink()
    if fault == "key missing":
        state.pop("output.weight")
    elif fault == "another shape":
        state["output.weight"] = state["output.weight"][..., :1, :1]
    elif fault == "another network":
        state = Compact(num_feat=8, num_conv=2, upscale=4).state_dict()
    torch.save({"params": state}, official)
    if fault == "cut short":
        official.write_bytes(official.read_bytes()[:-1_000_000])
    with pytest.raises(KdsharpError, match="restormer-motion-deblurring"):
        teacher.load_teacher("restormer-motion-deblurring")
    assert official.exists()


@pytest.mark.heavy
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_restormers_memory_is_that_of_a_tile(restormer_file: Path) -> None:
    """Of 128 pixels, 176 with their surroundings: a frame of 288x256 stays below 3 GB, as one of any size would."""
    script = (
        "import sys, torch; from pathlib import Path; from kdsharp import teacher\n"
        "guide = teacher.load_teacher(sys.argv[1], tile=128, half=False)\n"
        "assert guide(torch.rand(1, 3, 256, 288)).shape == (1, 3, 256, 288)\n"
        "print(next(line for line in Path('/proc/self/status').open() if line.startswith('VmHWM')).split()[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(restormer_file)], capture_output=True, text=True, check=True
    )
    assert 1024 * int(done.stdout.split()[-1]) < 3e9
