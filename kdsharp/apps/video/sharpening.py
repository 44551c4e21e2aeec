"""Videos through a student: the decoder's own luma goes to the network, chroma and sound go round it.

Frames keep their times, bits, chroma sampling, fields and colours (`encoder`), the file all that it holds beside
(`streams`). Decoding, the network and encoding run beside each other.
"""

import contextlib
import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from kdsharp.apps.video import encoder, frames, streams
from kdsharp.apps.video.kinds import SUFFIXES, pyav
from kdsharp.apps.video.reading import expected_frames, is_frame, unpacked
from kdsharp.apps.video.writing import whole_or_not
from kdsharp.deploy.sharpen import Sharpener, best_engine, check_strength, load_student
from kdsharp.disk import files
from kdsharp.errors import KdsharpError

log = logging.getLogger(__name__)

_END = object()


def sharpen_video(
    source: Path,
    destination: Path,
    student: str | Path | Sharpener = "call-s",
    strength: float = 1.0,
    force: bool = False,
    device: str = "cpu",
    engine: str | None = None,
    clamp: bool = False,
) -> int:
    """Sharpen a video into another with everything else copied; returns the number of frames.

    H.264; HEVC for more than 8 bits; VP9 in WebM. What the output cannot hold is logged, a line for each kind. Packets
    that are broken are left out and counted.

    Args:
        student: from `load_student`; or a name or file, for `device` and `engine` (None: the fastest there). `call` is
            the best network that keeps up with the video's own frames.
        strength: 0 to 1, blends with what was there.
        clamp: no value beyond those around it, against ringing.

    Raises KdsharpError if the file is no video, the destination is the source, is there already (without `force`) or is
    of a kind that cannot be written, or PyAV is missing.
    """
    av = pyav()
    source, destination = Path(source), Path(destination)
    files.check_output(source, destination, SUFFIXES, force)
    check_strength(strength)
    # The format's name: FFmpeg takes .m4v for an iPod's, which knows no HEVC.
    kind = "mp4" if destination.suffix.lower() == ".m4v" else None
    with whole_or_not(source, destination) as part, av.open(str(source)) as given:
        if isinstance(student, str | Path):
            pictures = streams.picture(given)
            size, rate = (pictures.height, pictures.width), float(pictures.average_rate or 25)
            student = load_student(student, device, engine or best_engine(device, True), size, rate)
        student = replace(student, clamp=clamp) if clamp else student
        with av.open(str(part), "w", format=kind) as made:
            made.container_options.update(streams.options(given, made.format.name))
            count, places = _copy(given, made, destination, student, strength)
        with av.open(str(part)) as made:
            streams.compare(given, made, places, destination.name)
    return count


def _copy(
    given: Any, made: Any, destination: Path, student: Sharpener, strength: float
) -> tuple[int, dict[int, int]]:
    """All packets to the other container, the pictures sharpened: the number of frames, and where each stream went."""
    pictures, name, scale = streams.picture(given), destination.name, student.scale
    # Closed whatever happens: a thread that still reads a file that is closed would end the whole program.
    with contextlib.closing(_ahead(unpacked(given, pictures))) as items:
        held, first = _until_a_frame(items)  # the streams can be described when a picture has been seen
        if first is None:
            raise KdsharpError(f"{given.name} holds no picture that can be decoded.")
        chosen = encoder.choose(first, pictures, destination.suffix.lower(), scale, name)
        written, routes, places = streams.add_all(
            given,
            made,
            pictures,
            lambda: encoder.add(made, pictures, first, chosen, scale),
            {packet.stream.index: bytes(packet) for packet in held if streams.is_cover(packet.stream)},
            name,
        )
        sharp = _ahead(_sharpened(chain([first], items), student.remembering(), strength, chosen))
        with contextlib.closing(sharp):
            count = _write(chain(held, sharp), made, written, routes, expected_frames(given, pictures), name)
    return count, places


def _write(
    items: Iterable[Any],
    made: Any,
    written: Any,
    routes: dict[int, streams.Route],
    expected: int,
    name: str,
) -> int:
    """Encode frames and pass packets on to their streams, to the end; returns the number of frames."""
    clock, size, count, last = Fraction(written.codec_context.time_base), None, 0, None
    with tqdm(total=expected or None, unit="frame") as progress:
        for item in items:
            if not is_frame(item):
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


def _until_a_frame(items: Iterator[Any]) -> tuple[list, Any]:
    """The packets before the first frame, and that frame, or None."""
    held = []
    for item in items:
        if is_frame(item):
            return held, item
        held.append(item)
    return held, None


def _sharpened(
    items: Iterable[Any], student: Sharpener, strength: float, chosen: encoder.Pictures
) -> Iterator[Any]:
    for item in items:
        yield frames.sharp(item, student, strength, chosen) if is_frame(item) else item


def _ahead(items: Iterator[Any]) -> Iterator[Any]:
    """The same items, the next one being made while this one is used."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, _END)
        while (item := coming.result()) is not _END:
            coming = pool.submit(next, items, _END)
            yield item
