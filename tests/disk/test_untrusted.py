"""Files from strangers, damaged in many ways: an error or a right result, never code, escape or a crash.

KDSHARP_FUZZ=20 draws twenty times as many of them, as before a release.
"""

import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from spandrel.architectures.Compact import Compact

from kdsharp import data, recipes, teacher
from kdsharp.disk import checkpoints, downloads, files
from kdsharp.distill import runs
from kdsharp.errors import KdsharpError
from kdsharp.student import load_network

FIXTURE = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
TIMES = int(os.environ.get("KDSHARP_FUZZ", "1"))
thorough = settings(max_examples=50 * TIMES, deadline=None, suppress_health_check=FIXTURE)
few = settings(max_examples=20 * TIMES, deadline=None, suppress_health_check=FIXTURE)

EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=0, max_size=6)
CUT = st.one_of(st.none(), st.floats(0, 1))


def damage(content: bytes, edits: list[tuple[float, int]], cut: float | None) -> bytes:
    """Some bytes changed, most of them near the start where headers are, and the end cut off."""
    changed = bytearray(content)
    for place, value in edits:
        changed[min(len(changed) - 1, int(place**4 * len(changed)))] = value
    return bytes(changed if cut is None else changed[: int(cut * len(changed))])


def pictures() -> dict[str, bytes]:
    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    found = {}
    for kind in ("PNG", "JPEG", "BMP", "TIFF", "WEBP"):
        image.save(buffer := BytesIO(), kind)
        found[kind] = buffer.getvalue()
    return found


PICTURES = pictures()


@pytest.mark.filterwarnings("ignore")
@thorough
@given(kind=st.sampled_from(sorted(PICTURES)), edits=EDITS, cut=CUT)
@example(kind="PNG", edits=[], cut=None)
@example(kind="TIFF", edits=[], cut=None)
def test_pictures(tmp_path: Path, kind: str, edits: list, cut: float | None) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(damage(PICTURES[kind], edits, cut))
    try:
        image = data.read_image(path)
    except KdsharpError as error:
        assert "picture.png" in str(error) and "\n" not in str(error)
        assert edits or cut is not None, "an undamaged picture was refused"
    else:
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3


@pytest.mark.filterwarnings("ignore:Duplicate name")
@thorough
@given(names=st.lists(st.text(max_size=12), min_size=1, max_size=4), edits=EDITS, cut=CUT)
def test_zips(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], edits: list, cut: float | None
) -> None:
    import zipfile

    place = tmp_path_factory.mktemp("zip")
    with zipfile.ZipFile(buffer := BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        for number, name in enumerate(names):
            name = name.split("\0")[0] or "x"  # Python 3.11 writes no name that begins with it
            archive.writestr(f"../{name}" if number == 3 else name, b"content of a photograph")
    (place / "a.zip").write_bytes(damage(buffer.getvalue(), edits, cut))
    try:
        downloads.unpack(place / "a.zip", place / "inside" / "out")
    except KdsharpError as error:
        assert "a.zip" in str(error) or "Cannot write" in str(error)
    beyond = [path for path in place.rglob("*") if not path.is_relative_to(place / "inside")]
    assert beyond == [place / "a.zip"]


@few
@given(edits=EDITS, cut=CUT)
@example(edits=[], cut=None)
def test_networks(saved: Path, edits: list, cut: float | None) -> None:
    strange = saved.with_name("strange.safetensors")
    strange.write_bytes(damage(saved.read_bytes(), edits, cut))
    try:
        network, _recipe = load_network(strange)
    except KdsharpError as error:
        assert "strange.safetensors" in str(error)
        assert edits or cut is not None, "an undamaged network was refused"
    else:
        assert all(isinstance(value, torch.Tensor) for value in network.state_dict().values())


@pytest.fixture(scope="module")
def compact() -> bytes:
    """A small network of the Real-ESRGAN family, as its official files are written."""
    torch.manual_seed(0)
    network = Compact(num_feat=16, num_conv=2, upscale=2)
    torch.save({"params": network.state_dict()}, buffer := BytesIO())
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore")
@few
@given(edits=EDITS, cut=CUT)
@example(edits=[], cut=None)
def test_teachers(compact: bytes, tmp_path: Path, edits: list, cut: float | None) -> None:
    strange = tmp_path / "strange.pth"
    strange.write_bytes(damage(compact, edits, cut))
    try:
        guide = teacher.load_teacher(strange)
    except KdsharpError as error:
        assert "strange.pth" in str(error)
        assert edits or cut is not None, "an undamaged teacher was refused"
    else:
        assert guide.scale == 2


@pytest.mark.filterwarnings("ignore")
@few
@given(edits=EDITS, cut=CUT)
@example(edits=[], cut=None)
def test_training_checkpoints(tmp_path: Path, edits: list, cut: float | None) -> None:
    recipe = recipes.preset("video-call")
    names = ("network", "average", "optimizer")
    state = {"step": 3, "history": [], "recipe": recipes.to_dict(recipe), "made_from": {}}
    torch.save(state | {name: {"a": torch.zeros(3)} for name in names}, buffer := BytesIO())
    (tmp_path / "last.pt").write_bytes(damage(buffer.getvalue(), edits, cut))
    try:
        state = runs.load(tmp_path, recipe, {})
    except KdsharpError as error:
        assert str(tmp_path) in str(error)
        assert edits or cut is not None, "an undamaged checkpoint was refused"
    else:
        assert isinstance(state["step"], int)


@thorough
@given(content=st.binary(max_size=200))
def test_json_and_anything(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    try:
        files.read_json(path)
    except KdsharpError as error:
        assert "file.json" in str(error)
    for reader in (data.read_image, checkpoints.recipe_of):
        with pytest.raises(KdsharpError):
            reader(path)
