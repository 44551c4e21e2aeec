"""Videos through a student: the decoder's own luma goes to the network, chroma and sound go round it.

Frames keep their times (constant or not), the file its sound, rotation, colour range and matrix. Decoding, the network
and encoding run beside each other. PyAV (FFmpeg) reads and writes; it is the extra `video`.
"""

import contextlib
import logging
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm.auto import tqdm

from kdsharp import files
from kdsharp.errors import KdsharpError
from kdsharp.sharpen import Sharpener, check_strength

log = logging.getLogger(__name__)

SUFFIXES = (".mp4", ".mkv", ".mov", ".m4v", ".avi", ".webm")
_PLANAR = (
    "yuv420p",
    "yuvj420p",
)  # 8 bits, chroma of half the width and height: what nearly all calls and cameras write
_FULL_RANGE = 2  # FFmpeg's AVCOL_RANGE_JPEG
_END = object()
# Luma of the studio range, 16 to 235, and of the full range that the students know.
_WIDEN = np.clip(np.rint((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)
_NARROW = np.rint(np.arange(256) * 219 / 255 + 16).astype(np.uint8)


def sharpen_video(
    source: Path,
    destination: Path,
    student: Sharpener,
    strength: float = 1.0,
    force: bool = False,
    quality: int = 20,
    preset: str = "veryfast",
) -> int:
    """Sharpen a video into another, H.264 with everything else copied; returns the number of frames.

    Args:
        strength: 0 to 1, blends with what was there.
        quality: x264's constant rate factor, 0 (lossless) to 51.
        preset: x264's, from `ultrafast` to `veryslow`.

    Packets that are broken are left out and counted. Raises KdsharpError if the file is no video, the destination is
    the source, is there already (without `force`) or is of a kind that cannot be written, or PyAV is missing.
    """
    av = pyav()
    source, destination = Path(source), Path(destination)
    files.check_output(source, destination, SUFFIXES, force)
    check_strength(strength)
    with (
        _whole_or_not(source, destination) as part,
        av.open(str(source)) as given,
        av.open(str(part), "w") as made,
    ):
        return _copy(given, made, student, strength, {"crf": str(quality), "preset": preset})


def write_video(path: Path, frames: Iterable[np.ndarray], rate: float = 25, quality: int = 18) -> int:
    """`uint8` RGB frames of one size (even sides) as H.264, whole or not at all; returns their number.

    Raises KdsharpError if there is no frame, or as `sharpen_video` does.
    """
    av, stream, count = pyav(), None, 0
    with _whole_or_not(path, path) as part, av.open(str(part), "w") as made:
        for image in frames:
            count += 1
            if stream is None:
                options = {"crf": str(quality), "preset": "veryfast"}
                stream = made.add_stream(
                    "libx264", rate=Fraction(rate).limit_denominator(1001), options=options
                )
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = "yuv420p"
            made.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        if stream is None:
            raise KdsharpError(f"There is no picture to write into {path}.")
        made.mux(stream.encode(None))
    return count


@contextlib.contextmanager
def _whole_or_not(source: Path, destination: Path) -> Iterator[Path]:
    """A name to write to, which becomes `destination` if nothing goes wrong; FFmpeg's errors in a sentence."""
    av = pyav()
    part = destination.with_name(f".{os.getpid()}.{destination.name}")
    try:
        with files.writing(destination):
            destination.parent.mkdir(parents=True, exist_ok=True)
            yield part
            os.replace(part, destination)
    except av.error.FFmpegError as error:
        if error.errno in files.CANNOT_WRITE:
            raise KdsharpError(
                f"Cannot write to {destination} ({error.strerror}): free some space."
            ) from error
        raise KdsharpError(
            f"{source} could not be read or written ({error.strerror}): is it a video?"
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _copy(given: Any, made: Any, student: Sharpener, strength: float, options: dict[str, str]) -> int:
    """All packets from one container to the other, the pictures sharpened on the way."""
    if not given.streams.video:
        raise KdsharpError(f"{given.name} holds no video.")
    pictures = given.streams.video[0]
    pictures.thread_type = "AUTO"
    others = [stream for stream in given.streams if stream.type in ("audio", "subtitle")]
    copies = {stream.index: made.add_stream_from_template(stream) for stream in others}
    written, count = None, 0
    expected = pictures.frames or int((given.duration or 0) / 1e6 * float(pictures.average_rate or 0))
    with tqdm(total=expected or None, unit="frame") as progress:
        held = []  # sound that comes before the first picture, from which the output's size is known
        for item in _ahead(_sharpened(_ahead(_unpacked(given, pictures, others)), student, strength)):
            if not hasattr(item, "planes"):
                item.stream = copies[item.stream.index]
                held.append(item)
            else:
                written = written or _video_stream(made, pictures, item, options)
                item.pict_type = 0  # the encoder chooses its own key frames
                made.mux(written.encode(item))
                count += 1
                progress.update()
            if written:
                for packet in held:
                    made.mux(packet)
                held = []
        if written is None:
            raise KdsharpError(f"{given.name} holds no picture that can be decoded.")
        made.mux(written.encode(None))
    return count


def _video_stream(made: Any, pictures: Any, first: Any, options: dict[str, str]) -> Any:
    """An H.264 stream for frames like `first`, with the times, rotation and colours of the one that was read."""
    rate = pictures.average_rate or Fraction(25)
    written = made.add_stream("libx264", rate=rate, options=options)
    written.width, written.height = first.width, first.height
    written.pix_fmt = "yuv420p"
    context, before = written.codec_context, pictures.codec_context
    context.time_base = first.time_base
    context.sample_aspect_ratio = pictures.sample_aspect_ratio
    for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
        setattr(context, name, getattr(before, name))
    if first.format.name == "yuvj420p":
        context.color_range = _FULL_RANGE
    if first.opaque:
        written.set_display_rotation(first.opaque)
    return written


def _unpacked(given: Any, pictures: Any, others: list) -> Iterator[Any]:
    """Decoded frames, and the packets of all other streams as they are, in the file's order."""
    av, broken = pyav(), 0
    for packet in given.demux([pictures, *others]):
        if packet.stream.index != pictures.index:
            if packet.dts is not None:  # else it is the empty one at the end
                yield packet
            continue
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            broken += 1
    if broken:
        log.warning("%s: %d broken packets were left out", given.name, broken)


def _sharpened(items: Iterable[Any], student: Sharpener, strength: float) -> Iterator[Any]:
    for item in items:
        yield _sharp_frame(item, student, strength) if hasattr(item, "planes") else item


def _sharp_frame(frame: Any, student: Sharpener, strength: float) -> Any:
    """A new frame (the decoder still looks at its own); its `opaque` holds the rotation in degrees."""
    full = frame.color_range == _FULL_RANGE or frame.format.name == "yuvj420p"
    planar = frame if frame.format.name in _PLANAR else frame.reformat(format="yuv420p")
    luma, *chroma = (_plane(plane) for plane in planar.planes)
    wide = luma if full else cv2.LUT(luma, _WIDEN)
    sharp = student.luma(wide)
    if strength < 1:
        sharp = cv2.addWeighted(
            sharp,
            strength,
            cv2.resize(wide, sharp.shape[::-1], interpolation=cv2.INTER_CUBIC),
            1 - strength,
            0,
        )
    result = pyav().VideoFrame(frame.width * student.scale, frame.height * student.scale, planar.format.name)
    _plane(result.planes[0])[:] = sharp if full else cv2.LUT(sharp, _NARROW)
    for plane, before in zip(result.planes[1:], chroma, strict=True):
        target = _plane(plane)
        target[:] = (
            before
            if student.scale == 1
            else cv2.resize(before, target.shape[::-1], interpolation=cv2.INTER_CUBIC)
        )
    result.pts, result.time_base, result.opaque = frame.pts, frame.time_base, frame.rotation
    result.color_range, result.colorspace = frame.color_range, frame.colorspace
    return result


def _plane(plane: Any) -> np.ndarray:
    """A plane's bytes (H, W), without the padding at the end of its lines; writing to it writes the frame."""
    return np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]


def _ahead(items: Iterator[Any]) -> Iterator[Any]:
    """The same items, the next one being made while this one is used."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, _END)
        while (item := coming.result()) is not _END:
            coming = pool.submit(next, items, _END)
            yield item


def pyav() -> Any:
    """The package av. Raises KdsharpError where it is not installed."""
    try:
        import av
    except ImportError as error:
        raise KdsharpError("Videos need the extra: pip install 'kdsharp[video]'.") from error
    return av
