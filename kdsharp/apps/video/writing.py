"""Video files that appear whole or not at all, and pictures as a video."""

import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np

from kdsharp.apps.video import encoder
from kdsharp.apps.video.kinds import pyav
from kdsharp.disk import files
from kdsharp.errors import KdsharpError, first_line


def write_video(
    path: Path, frames: Iterable[np.ndarray], rate: float = 25, quality: int = 18, source: Path | None = None
) -> int:
    """`uint8` RGB frames of one size (even sides) as H.264 (VP9 in WebM), whole or not at all; returns their number.

    `source` is what the frames are read from, for messages. Raises KdsharpError if there is no frame, or as
    `sharpen_video` does.
    """
    av, stream, count = pyav(), None, 0
    codec = "libvpx-vp9" if path.suffix.lower() == ".webm" else "libx264"
    with whole_or_not(source or path, path) as part, av.open(str(part), "w") as made:
        for image in frames:
            count += 1
            if stream is None:
                options = encoder.options(codec, quality)
                rate = Fraction(rate).limit_denominator(1001)
                stream = made.add_stream(codec, rate=rate, options=options, bit_rate=0)
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = "yuv420p"
            made.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        if stream is None:
            raise KdsharpError(f"There is no picture to write into {path}.")
        made.mux(stream.encode(None))
    return count


@contextmanager
def whole_or_not(source: Path, destination: Path) -> Iterator[Path]:
    """A name to write to, which becomes `destination` if nothing goes wrong; FFmpeg's errors in a sentence."""
    av = pyav()
    # Short, and no other thread's; the ending tells FFmpeg what to write.
    part = destination.with_name(f".{uuid.uuid4().hex}{destination.suffix}")
    try:
        with files.writing(destination):
            destination.parent.mkdir(parents=True, exist_ok=True)
            yield part
            os.replace(part, destination)
    except (av.error.FFmpegError, ValueError) as error:  # PyAV raises both kinds
        reason = getattr(error, "strerror", None) or first_line(error)
        if getattr(error, "errno", None) in files.CANNOT_WRITE:
            raise KdsharpError(f"Cannot write to {destination} ({reason}): free some space.") from error
        raise KdsharpError(f"{source} could not be read or written ({reason}): is it a video?") from error
    finally:
        part.unlink(missing_ok=True)
