"""Videos through a student: the decoder's own luma goes to the network, chroma and sound go round it.

Frames keep their times, bits, chroma sampling, fields and colours (`video_encoder`), the file all that it
holds beside (`video_streams`). Decoding, the network and encoding run beside each other. PyAV (FFmpeg) reads and
writes; it is the extra `video`.
"""

import contextlib
import logging
import os
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from kdsharp.apps import video_encoder, video_frames, video_streams
from kdsharp.deploy.sharpen import Sharpener, check_strength
from kdsharp.disk import files
from kdsharp.errors import KdsharpError

log = logging.getLogger(__name__)

SUFFIXES = (".mp4", ".mkv", ".mov", ".m4v", ".avi", ".webm")
ONLY_READ = (".ts", ".m2ts", ".mts", ".3gp", ".3g2", ".wmv", ".asf", ".flv", ".mpg", ".mpeg", ".vob", ".ogv",
             ".y4m")  # fmt: skip
_BACK = Fraction(1, 10)  # seconds by which a clock that goes back counts as a new one
_END = object()


def is_video(source: Path, destination: Path) -> bool:
    """Whether `source` is to be read as a video, by its name; a GIF may be either, so `destination` decides."""
    ending = Path(source).suffix.lower()
    return ending in (*SUFFIXES, *ONLY_READ) or (
        ending == ".gif" and Path(destination).suffix.lower() in SUFFIXES
    )


def sharpen_video(
    source: Path,
    destination: Path,
    student: Sharpener,
    strength: float = 1.0,
    force: bool = False,
    quality: int = 20,
    preset: str = "veryfast",
) -> int:
    """Sharpen a video into another with everything else copied; returns the number of frames.

    H.264; HEVC for more than 8 bits; VP9 in WebM. What the output cannot hold is logged, a line for each kind.

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
    # The format's name: FFmpeg takes .m4v for an iPod's, which knows no HEVC.
    kind = "mp4" if destination.suffix.lower() == ".m4v" else None
    with _whole_or_not(source, destination) as part, av.open(str(source)) as given:
        with av.open(str(part), "w", format=kind) as made:
            made.container_options.update(video_streams.options(given, made.format.name))
            count, places = _copy(given, made, destination, student, strength, quality, preset)
        with av.open(str(part)) as made:
            video_streams.compare(given, made, places, destination.name)
    return count


def write_video(
    path: Path, frames: Iterable[np.ndarray], rate: float = 25, quality: int = 18, source: Path | None = None
) -> int:
    """`uint8` RGB frames of one size (even sides) as H.264 (VP9 in WebM), whole or not at all; returns their number.

    `source` is what the frames are read from, for messages. Raises KdsharpError if there is no frame, or as
    `sharpen_video` does.
    """
    av, stream, count = pyav(), None, 0
    codec = "libvpx-vp9" if path.suffix.lower() == ".webm" else "libx264"
    with _whole_or_not(source or path, path) as part, av.open(str(part), "w") as made:
        for image in frames:
            count += 1
            if stream is None:
                options = video_encoder.options(codec, quality, "veryfast")
                rate = Fraction(rate).limit_denominator(1001)
                stream = made.add_stream(codec, rate=rate, options=options, bit_rate=0)
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
    # Short, and no other thread's; the ending tells FFmpeg what to write.
    part = destination.with_name(f".{uuid.uuid4().hex}{destination.suffix}")
    try:
        with files.writing(destination):
            destination.parent.mkdir(parents=True, exist_ok=True)
            yield part
            os.replace(part, destination)
    except (av.error.FFmpegError, ValueError) as error:  # PyAV raises both kinds
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        if getattr(error, "errno", None) in files.CANNOT_WRITE:
            raise KdsharpError(f"Cannot write to {destination} ({reason}): free some space.") from error
        raise KdsharpError(f"{source} could not be read or written ({reason}): is it a video?") from error
    finally:
        part.unlink(missing_ok=True)


def _copy(
    given: Any, made: Any, destination: Path, student: Sharpener, strength: float, quality: int, preset: str
) -> tuple[int, dict[int, int]]:
    """All packets to the other container, the pictures sharpened: the number of frames, and where each stream went."""
    pictures, name, scale = video_streams.picture(given), destination.name, student.scale
    if pictures is None:
        raise KdsharpError(f"{given.name} holds no video.")
    # Closed whatever happens: a thread that still reads a file that is closed would end the whole program.
    with contextlib.closing(_ahead(unpacked(given, pictures))) as items:
        held, first = _until_a_frame(items)  # the streams can be described when a picture has been seen
        if first is None:
            raise KdsharpError(f"{given.name} holds no picture that can be decoded.")
        chosen = video_encoder.choose(first, pictures, destination.suffix.lower(), scale, name)
        written, routes, places = video_streams.add_all(
            given,
            made,
            pictures,
            lambda: video_encoder.add(made, pictures, first, chosen, scale, quality, preset),
            {packet.stream.index: bytes(packet) for packet in held if video_streams.is_cover(packet.stream)},
            name,
        )
        sharp = _ahead(_sharpened(chain([first], items), student, strength, chosen))
        with contextlib.closing(sharp):
            count = _write(chain(held, sharp), made, written, routes, _expected(given, pictures), name)
    return count, places


def _write(
    items: Iterable[Any],
    made: Any,
    written: Any,
    routes: dict[int, video_streams.Route],
    expected: int,
    name: str,
) -> int:
    """Encode frames and pass packets on to their streams, to the end; returns the number of frames."""
    clock, size, count, last = Fraction(written.codec_context.time_base), None, 0, None
    with tqdm(total=expected or None, unit="frame") as progress:
        for item in items:
            if not hasattr(item, "planes"):
                if route := routes.get(item.stream.index):
                    made.mux(route(item))
                continue
            if size not in (None, (item.width, item.height)):
                new = f"{item.width}x{item.height}"
                log.warning("%s: the pictures change to %s: scaled to the first one's size", name, new)
            size = item.width, item.height
            tick = round(item.pts * Fraction(item.time_base) / clock)
            item.pts = last = tick if last is None else max(last + 1, tick)
            item.time_base = clock
            item.pict_type = 0  # the encoder chooses its own key frames
            made.mux(written.encode(item))
            count += 1
            progress.update()
        for route in routes.values():
            made.mux(route(None))
        made.mux(written.encode(None))
    return count


def _expected(given: Any, pictures: Any) -> int:
    """How many frames there will be, as far as the file says; else 0."""
    return pictures.frames or int((given.duration or 0) / 1e6 * float(pictures.average_rate or 0))


def _until_a_frame(items: Iterator[Any]) -> tuple[list, Any]:
    """The packets before the first frame, and that frame, or None."""
    held = []
    for item in items:
        if hasattr(item, "planes"):
            return held, item
        held.append(item)
    return held, None


def unpacked(given: Any, pictures: Any) -> Iterator[Any]:
    """Decoded frames, each with a time, and the packets of all other streams as they are, in the file's order."""
    av, broken, last = pyav(), 0, -1
    pictures.thread_type = "AUTO"
    for packet in _in_time(given):
        if packet.stream.index != pictures.index:
            if packet.size:  # else it is the empty one at the end
                yield packet
            continue
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            broken += 1
            continue
        for frame in frames:
            if frame.pts is None:  # some old containers do not say when a picture is shown
                step = round(1 / (Fraction(pictures.average_rate or 25) * Fraction(frame.time_base)))
                frame.pts = frame.dts if frame.dts is not None else last + step
            last = frame.pts
            yield frame
    if broken:
        log.warning("%s: %d broken packets were left out", given.name, broken)


def _in_time(given: Any) -> Iterator[Any]:
    """All packets. The clock of a broadcast begins anywhere, and anew where recordings meet: here it goes on from 0."""
    broadcast = given.format.name in ("mpegts", "mpeg")
    shift, ends = -Fraction(given.start_time or 0, 10**6) if broadcast else Fraction(0), {}
    for packet in given.demux():
        if broadcast and packet.dts is not None:
            unit, index = Fraction(packet.time_base), packet.stream.index
            now, end = packet.dts * unit + shift, ends.get(index)
            if end is not None and now < end - _BACK:
                shift += end - now
            packet.dts += round(shift / unit)
            if packet.pts is not None:
                packet.pts += round(shift / unit)
            ends[index] = (packet.dts + (packet.duration or 0)) * unit
        yield packet


def _sharpened(
    items: Iterable[Any], student: Sharpener, strength: float, chosen: video_encoder.Pictures
) -> Iterator[Any]:
    for item in items:
        yield video_frames.sharp(item, student, strength, chosen) if hasattr(item, "planes") else item


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
