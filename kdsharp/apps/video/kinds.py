"""Which files are videos, and the package that reads them."""

from pathlib import Path
from typing import Any

from kdsharp.errors import naming_the_extra

SUFFIXES = (".mp4", ".mkv", ".mov", ".m4v", ".avi", ".webm")
ONLY_READ = (".ts", ".m2ts", ".mts", ".3gp", ".3g2", ".wmv", ".asf", ".flv", ".mpg", ".mpeg", ".vob", ".ogv",
             ".y4m")  # fmt: skip


def is_video(source: Path, destination: Path) -> bool:
    """Whether `source` is to be read as a video, by its name; a GIF may be either, so `destination` decides."""
    ending = Path(source).suffix.lower()
    return ending in (*SUFFIXES, *ONLY_READ) or (
        ending == ".gif" and Path(destination).suffix.lower() in SUFFIXES
    )


def pyav() -> Any:
    """The package av. Raises KdsharpError where it is not installed."""
    with naming_the_extra("Videos need"):
        import av
    return av
