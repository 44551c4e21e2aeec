"""What a video file holds beside the picture: copied, converted for the container, or left out with a warning.

Sound, subtitles, covers, fonts, other pictures, languages, titles, dispositions, chapters and tags.
"""

import io
import logging
from collections.abc import Callable
from typing import Any

from kdsharp.errors import KdsharpError

log = logging.getLogger(__name__)

Route = Callable[[Any], list]  # a packet that was read (None at the end) to those that are written
# What the container holds instead of a kind that it cannot.
_TEXT = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}
_SOUND = {"mp4": "aac", "mov": "aac", "matroska": "flac", "webm": "libopus", "avi": "libmp3lame"}
_READABLE = ("subrip", "srt", "mov_text", "ass", "ssa", "webvtt", "text")
# Written by each muxer itself, and true of the file that was read only.
_OF_THE_FILE = (
    "major_brand", "minor_version", "compatible_brands", "encoder", "duration", "vendor_id",
    "number_of_bytes", "number_of_frames", "bps", "software",
)  # fmt: skip


def picture(given: Any) -> Any:
    """The video stream that is sharpened, which is no cover. Raises KdsharpError if there is none."""
    for stream in given.streams.video:
        if not is_cover(stream):
            return stream
    raise KdsharpError(f"{given.name} holds no video.")


def is_cover(stream: Any) -> bool:
    """Whether this is a still picture attached to the file, as a cover is."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def add_all(
    given: Any, made: Any, pictures: Any, add_picture: Callable[[], Any], covers: dict[int, bytes], name: str
) -> tuple[Any, dict[int, Route], dict[int, int]]:
    """Add streams to `made` in the order of `given`, and all tags; warns of what is left out.

    Args:
        add_picture: adds the stream for the sharpened pictures.
        covers: the attached pictures by stream, which Matroska keeps as attachments.
        name: of the output, for the warnings.

    Returns the stream for the pictures, by stream of `given` what becomes of its packets, and which stream it is now.
    """
    describe(given, made)
    written, routes, places = None, {}, {}
    for stream in given.streams:
        place = len(made.streams)
        if stream is pictures or stream.index == pictures.index:
            written = add_picture()
            _tag(stream, written, ("encoder", "alpha_mode"))
        elif _made_by_the_muxer(stream, given):
            continue
        elif stream.type == "attachment":
            if made.format.name == "matroska":
                made.add_attachment(stream.name or "attachment", stream.mimetype or "", stream.data)
            else:
                _left_out(stream, name)
        elif is_cover(stream) and made.format.name == "matroska":
            kind = "png" if stream.codec_context.name == "png" else "jpeg"
            ending = {"png": "png", "jpeg": "jpg"}[kind]
            made.add_attachment(f"cover.{ending}", f"image/{kind}", covers.get(stream.index, b""))
            routes[stream.index] = lambda packet: []
        elif route := _copied(stream, made) or _converted(stream, made, name):
            routes[stream.index] = route
            if stream.type == "video" and not is_cover(stream):
                log.warning("%s: %s is a second picture: copied, not sharpened", name, _named(stream))
        else:
            _left_out(stream, name)
        if len(made.streams) > place:
            places[stream.index] = place
    return written, routes, places


def describe(given: Any, made: Any) -> None:
    """Chapters and the file's own tags."""
    made.metadata.update(_kept(given.metadata))
    made.set_chapters(given.chapters())


def options(given: Any, format_name: str) -> dict[str, str]:
    """What the muxer has to be told to keep tags and dispositions as they are."""
    if format_name in ("matroska", "webm"):
        return {"default_mode": "passthrough"}
    if format_name in ("mp4", "mov") and any(key.startswith("com.") for key in given.metadata):
        return {"movflags": "use_metadata_tags"}  # Apple's own keys: camera, place
    return {}


def compare(given: Any, made: Any, places: dict[int, int], name: str) -> None:
    """Warn in one line of tags and chapters of `given` that the finished file `made` does not give back."""
    lost = sorted(_lower(_kept(given.metadata)).keys() - _lower(made.metadata).keys())
    if len(given.chapters()) > len(made.chapters()):
        lost.append("chapters")
    for stream in given.streams:
        if stream.index in places and places[stream.index] < len(made.streams):
            before, after = _lower(stream.metadata), _lower(made.streams[places[stream.index]].metadata)
            lost += [
                f"the {key} of stream {stream.index} ({before[key]})"
                for key in ("language", "title")
                if before.get(key, "und") not in ("und", after.get(key), after.get("name"))
            ]
    if lost:
        log.warning("%s cannot hold %s: left out", name, ", ".join(lost))


def _lower(tags: dict[str, str]) -> dict[str, str]:
    return {key.lower(): value for key, value in tags.items()}


def _copied(stream: Any, made: Any) -> Route | None:
    if not _fits(stream, made.format.name):
        return None
    copy = made.add_stream_from_template(stream, opaque=True)
    _tag(stream, copy)
    last = None

    def route(packet: Any) -> list:
        nonlocal last
        if packet is None:
            return []
        if packet.dts is None:
            packet.dts = packet.pts if packet.pts is not None else (last or 0) + 1
        if last is not None and packet.dts <= last:  # muxers take none that goes back in time
            packet.dts = last + 1
        packet.pts = packet.dts if packet.pts is None else max(packet.pts, packet.dts)
        last = packet.dts
        packet.stream = copy
        return [packet]

    return route


def _converted(stream: Any, made: Any, name: str) -> Route | None:
    """Text and sound in the container's own kind; None if there is none."""
    context = stream.codec_context
    kinds = {"subtitle": _TEXT, "audio": _SOUND}.get(stream.type, {})
    kind = kinds.get(made.format.name)
    if context is None or kind is None or (stream.type == "subtitle" and context.name not in _READABLE):
        return None
    if stream.type == "subtitle":
        route = _text(stream, made, kind)
    else:
        log.warning(
            "%s cannot hold %s: the sound is encoded as %s", name, _named(stream), kind.removeprefix("lib")
        )
        route = _sound(stream, made, kind)
    return route


def _text(stream: Any, made: Any, kind: str) -> Route:
    new = made.add_stream(kind)
    stream.codec_context.open(strict=False)  # it writes the header of styles that the encoder asks for
    new.codec_context.subtitle_header = stream.codec_context.subtitle_header
    new.codec_context.time_base = new.time_base = stream.time_base
    _tag(stream, new, ("encoder",))

    def route(packet: Any) -> list:
        found = packet and packet.size and stream.codec_context.decode2(packet)
        if not found or not len(found):
            return []  # MP4 writes empty texts between two others
        coded = new.codec_context.encode_subtitle(found)
        coded.pts, coded.dts, coded.duration = packet.pts, packet.pts, packet.duration
        coded.time_base, coded.stream = packet.time_base, new
        return [coded]

    return route


def _sound(stream: Any, made: Any, kind: str) -> Route:
    rate = 48000 if kind == "libopus" else stream.rate
    new = made.add_stream(kind, rate=rate)
    # Old containers say how many channels there are, not where.
    new.codec_context.layout = {1: "mono", 2: "stereo"}.get(stream.channels, stream.layout.name)
    _tag(stream, new, ("encoder",))

    def route(packet: Any) -> list:
        frames = stream.codec_context.decode(packet)
        coded = [part for frame in frames for part in new.encode(frame)]
        return coded + (new.encode(None) if packet is None else [])

    return route


def _fits(stream: Any, format_name: str) -> bool:
    """Whether the container takes this stream as it is: a header with it alone can be written."""
    import av

    try:
        with av.open(io.BytesIO(), "w", format=format_name) as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
    except (ValueError, av.error.FFmpegError):
        return False
    return True


def _tag(stream: Any, made: Any, besides: tuple[str, ...] = ()) -> None:
    tags = _kept(stream.metadata, besides)
    if "name" in tags:  # as MP4's demuxer calls what its muxer, and Matroska, take as the title
        tags["title"] = tags.pop("name")
    made.metadata.update(tags)
    made.disposition = stream.disposition


def _kept(tags: dict[str, str], besides: tuple[str, ...] = ()) -> dict[str, str]:
    names = {key: key.lower().partition("-")[0] for key in tags}
    return {
        key: value
        for key, value in tags.items()
        if names[key] not in (*_OF_THE_FILE, *besides) and not names[key].startswith("_statistics")
    }


def _made_by_the_muxer(stream: Any, given: Any) -> bool:
    """MP4's tracks of chapters and of time codes, which its muxer makes anew from the tags."""
    chapters = stream.name == "bin_data" and bool(given.chapters())
    return stream.type == "data" and (chapters or "timecode" in stream.metadata)


def _left_out(stream: Any, name: str) -> None:
    log.warning("%s cannot hold %s: left out", name, _named(stream))


def _named(stream: Any) -> str:
    kind = stream.codec_context.name if stream.codec_context else getattr(stream, "name", None)
    about = [stream.type, kind, stream.metadata.get("language"), stream.metadata.get("title")]
    return f"stream {stream.index} ({', '.join(part for part in about if part)})"
