"""Files from strangers, damaged in thousands of ways: an error or a right result, never code, escape or a crash."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from kdsharp import checkpoints, data, downloads, files, runs, teacher
from kdsharp.errors import KdsharpError

pytestmark = pytest.mark.heavy
FIXTURE = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
thorough = settings(max_examples=1000, deadline=None, suppress_health_check=FIXTURE)
few = settings(max_examples=200, deadline=None, suppress_health_check=FIXTURE)

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


@pytest.mark.filterwarnings("ignore")
@thorough
@given(kind=st.sampled_from(sorted(pictures())), edits=EDITS, cut=CUT)
def test_pictures(tmp_path: Path, kind: str, edits: list, cut: float | None) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(damage(pictures()[kind], edits, cut))
    try:
        image = data.read_image(path)
    except KdsharpError as error:
        assert "picture.png" in str(error) and "\n" not in str(error)
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
            archive.writestr(f"../{name}" if number == 3 else name or "x", b"content of a photograph")
    (place / "a.zip").write_bytes(damage(buffer.getvalue(), edits, cut))
    try:
        downloads.unpack(place / "a.zip", place / "inside" / "out")
    except KdsharpError as error:
        assert "a.zip" in str(error) or "Cannot write" in str(error)
    beyond = [path for path in place.rglob("*") if not path.is_relative_to(place / "inside")]
    assert beyond == [place / "a.zip"]


@few
@given(edits=EDITS, cut=CUT)
def test_networks(saved: Path, edits: list, cut: float | None) -> None:
    strange = saved.with_name("strange.safetensors")
    strange.write_bytes(damage(saved.read_bytes(), edits, cut))
    try:
        network, _recipe = checkpoints.load(strange)
    except KdsharpError as error:
        assert "strange.safetensors" in str(error)
    else:
        assert all(isinstance(value, torch.Tensor) for value in network.state_dict().values())


@few
@given(edits=EDITS, cut=CUT, suffix=st.sampled_from([".pth", ".safetensors", ".pt"]))
def test_teachers(saved: Path, edits: list, cut: float | None, suffix: str) -> None:
    strange = saved.with_name(f"strange{suffix}")
    torch.save({"params": {"body.0.weight": torch.zeros(8, 3, 3, 3)}}, buffer := BytesIO())
    strange.write_bytes(damage(buffer.getvalue(), edits, cut))
    with pytest.raises(KdsharpError):
        teacher.load_teacher(strange)


@few
@given(edits=EDITS, cut=CUT)
def test_training_checkpoints(tmp_path: Path, edits: list, cut: float | None) -> None:
    torch.save({"recipe": {}, "step": 3, "network": {"a": torch.zeros(3)}}, buffer := BytesIO())
    (tmp_path / "last.pt").write_bytes(damage(buffer.getvalue(), edits, cut))
    assert runs._read(tmp_path / "last.pt") is None


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
