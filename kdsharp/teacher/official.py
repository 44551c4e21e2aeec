"""The official networks that may teach: where they are released, and how a file of theirs is known."""

from dataclasses import dataclass
from pathlib import Path

from kdsharp.disk import downloads, files
from kdsharp.errors import KdsharpError

OWN = "teacher-x4"
_RELEASES = "https://github.com/xinntao/Real-ESRGAN/releases/download"
_RESTORMER = "https://github.com/swz30/Restormer/releases/download/v1.0"


@dataclass(frozen=True)
class OfficialFile:
    """A released file: where it lies, and what it must weigh and hash to."""

    url: str
    size: int | None
    sha256: str | None


# No checksum of Restormer's files is published: what is known is their layout, and that of the network in them.
RESTORMER = {"tensors": 494, "parameters": 26126644}
RESTORMER_BYTES = range(104_000_000, 105_500_000)
OFFICIAL = {
    "RealESRGAN_x4plus_anime_6B": OfficialFile(
        f"{_RELEASES}/v0.2.2.4/RealESRGAN_x4plus_anime_6B.pth",
        17938799,
        "f872d837d3c90ed2e05227bed711af5671a6fd1c9f7d7e91c911a61f155e99da",
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
    ),
    "restormer-motion-deblurring": OfficialFile(f"{_RESTORMER}/motion_deblurring.pth", None, None),
    "restormer-defocus-deblurring": OfficialFile(
        f"{_RESTORMER}/single_image_defocus_deblurring.pth", None, None
    ),
}


def at_hand() -> list[str]:
    """Names of the teachers that load without a download, the official ones first."""
    found = [name for name in OFFICIAL if local_file(name)]
    return found + ([OWN] if (files.checkpoints_dir() / f"{OWN}.safetensors").exists() else [])


def official_file(name: str) -> Path:
    """The official file of a teacher, downloaded into data/weights and verified if it is not there yet."""
    if name not in OFFICIAL:
        raise KdsharpError(
            f"There is no teacher '{name}'; give a file or one of {OWN}, {', '.join(OFFICIAL)}."
        )
    known = OFFICIAL[name]
    path = downloads.download(known.url, download_of(name), known.sha256, known.size)
    if known.sha256 is None and path.stat().st_size not in RESTORMER_BYTES:
        raise KdsharpError(
            f"{path} has {path.stat().st_size} bytes and not about 104.7 MB: delete it, and try again."
        )
    return path


def download_of(name: str) -> Path:
    """Where an official file lies once it is fetched."""
    return files.data_dir() / "weights" / f"{name}.pth"


def local_file(name: str) -> Path | None:
    """An official network that is here already: the download, or a copy under KDSHARP_ASSETS."""
    places = [download_of(name)]
    if assets := files.assets_dir():
        places += [assets / "weights" / f"{name}.pth", assets / "weights" / f"{name}-fp16.pth"]
    return next((place for place in places if place.is_file()), None) if name in OFFICIAL else None
