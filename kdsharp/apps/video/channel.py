"""What a call does to pictures between its two ends: shrunk, coded by a real codec at a bitrate, and decoded.

Encoders are told what calls tell them: no frame waits for a later one, and time counts more than bytes.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import cv2
import numpy as np

from kdsharp.apps.video.kinds import pyav
from kdsharp.errors import KdsharpError

# By codec: the encoder, its options, and the decoder.
CODECS: dict[str, tuple[str, dict[str, str], str]] = {
    "H.264": (
        "libx264",
        {"preset": "veryfast", "tune": "zerolatency", "profile": "baseline"},
        "h264",
    ),
    "VP8": ("libvpx", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}, "vp8"),
    "VP9": (
        "libvpx-vp9",
        {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "row-mt": "1"},
        "vp9",
    ),
    "AV1": ("libsvtav1", {"preset": "10", "svtav1-params": "rtc=1:pred-struct=1:rc=2"}, "libdav1d"),
}


class Arrived(NamedTuple):
    """A frame as it was, as the other end decoded it (both `uint8` RGB, (H, W, 3)), and the bytes that it took."""

    original: np.ndarray
    small: np.ndarray
    size: int


def through(
    frames: Iterable[np.ndarray],
    size: tuple[int, int],
    kbps: int,
    rate: Fraction | int = 25,
    codec: str = "H.264",
) -> Iterator[Arrived]:
    """Send `uint8` RGB frames (H, W, 3) as pictures of `size` (width, height, even) at `kbps` kilobits a second.

    `rate` is frames a second, `codec` a name of CODECS. Raises KdsharpError for a codec that PyAV was built without,
    and where fewer frames arrive than were sent.
    """
    sender, receiver = _codecs(codec, size, kbps, Fraction(rate))
    waiting: deque[np.ndarray] = deque()  # encoders and decoders may answer late
    sizes: deque[int] = deque()
    sent = arrived = 0

    def received(packets: list) -> Iterator[Arrived]:
        for packet in packets:
            if packet is not None:
                sizes.append(packet.size)
            for frame in receiver.decode(packet):
                yield Arrived(waiting.popleft(), frame.to_ndarray(format="rgb24"), sizes.popleft())

    for picture in frames:
        way = cv2.INTER_AREA if picture.shape[1] > size[0] else cv2.INTER_CUBIC
        small = cv2.resize(np.ascontiguousarray(picture), size, interpolation=way)
        frame = pyav().VideoFrame.from_ndarray(small, format="rgb24").reformat(format="yuv420p")
        frame.pts = sent
        sent += 1
        waiting.append(picture)
        for one in received(sender.encode(frame)):
            arrived += 1
            yield one
    for one in received([*sender.encode(None), None]):
        arrived += 1
        yield one
    if arrived != sent:
        raise KdsharpError(f"{codec}: {sent} frames were sent and {arrived} arrived.")


def _codecs(codec: str, size: tuple[int, int], kbps: int, rate: Fraction) -> tuple[Any, Any]:
    av = pyav()
    encoder, options, decoder = CODECS[codec]
    try:
        sender, receiver = av.CodecContext.create(encoder, "w"), av.CodecContext.create(decoder, "r")
    except av.codec.codec.UnknownCodecError as error:
        raise KdsharpError(f"The installed PyAV cannot write {codec}: it has no {encoder}.") from error
    sender.width, sender.height, sender.pix_fmt = *size, "yuv420p"
    sender.framerate, sender.time_base, sender.bit_rate = rate, 1 / rate, 1000 * kbps
    if codec == "H.264":  # x264 lets the rate go unless it is held: over half a second
        options = options | {"maxrate": f"{kbps}k", "bufsize": f"{max(1, kbps // 2)}k"}
    sender.options = options
    return sender, receiver
