"""What a video file gives: decoded frames, each with its time, and the packets of all that it holds beside."""

import logging
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from kdsharp.apps.video.kinds import pyav

log = logging.getLogger(__name__)

_BACK = Fraction(1, 10)  # seconds by which a clock that goes back counts as a new one


def is_frame(item: Any) -> bool:
    """Whether this is a decoded picture, and not a packet."""
    return hasattr(item, "planes")


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


def expected_frames(given: Any, pictures: Any) -> int:
    """How many frames there will be, as far as the file says; else 0."""
    return pictures.frames or int((given.duration or 0) / 1e6 * float(pictures.average_rate or 0))
