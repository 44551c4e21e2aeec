"""A rehearsal of `full`: from the first byte of DIV2K to a trained student, from servers that misbehave."""

import dataclasses
import hashlib
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_downloads import serve

from kdsharp import checkpoints, data, distill, downloads, recipes, targets, teacher
from kdsharp.errors import KdsharpError


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
        monkeypatch.setattr(data, "DIV2K", archives)
        photos, held_out = data.photos_for("full", "train"), data.photos_for("full", "val")
    assert [photo.name for photo in photos] == sorted(train_pictures)
    assert all(np.array_equal(data.read_image(photo), train_pictures[photo.name]) for photo in photos)
    assert [photo.name for photo in held_out] == ["0801.png", "0802.png"]
    assert not list((tmp_path / "data").glob("*.part"))

    recipe = recipes.preset("video-call", "full")
    settings = ["training.steps=6", "training.batch=4", "training.patch=32", "training.validate_every=3"]
    recipe = recipes.override(recipe, [*settings, "store.crops_per_photo=4", "losses.perceptual=0"])
    store = targets.build(tmp_path / "targets", photos, recipe, guide)
    validation = targets.build_validation(tmp_path / "validation", held_out, recipe)
    result = distill.train(recipe, store, validation, tmp_path / "run")
    assert len(store) == 24 and store.target is not None and len(result.history) == 2
    assert checkpoints.load(result.checkpoint)[1] == recipe

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
