"""What sharpened pictures are encoded as: bits, sampling of chroma, fields and colours as they were, or a warning.

Names of pixel formats are FFmpeg's. H.264 holds 8 bits and all that is interlaced, HEVC (H.265) more bits, VP9 WebM.
"""

import logging
import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from kdsharp.recipes import enlarged

log = logging.getLogger(__name__)

QUALITY = 20  # of sharpened pictures: x264's constant rate factor, from 0 (lossless) to 51
FULL_RANGE = 2  # FFmpeg's AVCOL_RANGE_JPEG
_BT709 = 1  # FFmpeg's AVCOL_SPC_BT709, for pictures that come as RGB
_RGB = 0
# What frames carry beside their pixels and no encoder here writes.
_NOT_WRITTEN = {
    "A53_CC": "closed captions",
    "DYNAMIC_HDR_PLUS": "HDR10+ curves",
    "DOVI_METADATA": "Dolby Vision",
    "SPHERICAL": "the projection of a 360° video",
    "STEREO3D": "the mark of a 3D video",
}


@dataclass(frozen=True)
class Pictures:
    """How frames are sharpened and encoded: a planar Y'CbCr format, its bits, and the encoder's name."""

    pixels: str
    bits: int
    codec: str
    interlaced: bool = False


def choose(first: Any, pictures: Any, ending: str, scale: float, name: str) -> Pictures:
    """What frames like `first`, enlarged by `scale`, become in a file with this ending; warns of what is lost.

    Args:
        pictures: the stream that they come from.
        ending: of the output, as `.mp4`.
        name: of the output, for the warnings.
    """
    given, width, height = first.format, enlarged(first.width, scale), enlarged(first.height, scale)
    bits = max(part.bits for part in given.components)
    lost = [text for kind, text in _NOT_WRITTEN.items() if first.side_data.get(kind)]
    if pictures.metadata.get("alpha_mode") == "1" or _has_alpha(first):
        lost.append("transparency")
    interlaced = first.interlaced_frame
    if interlaced and (ending == ".webm" or height % 4):
        lost.append("the mark of interlaced pictures")
        interlaced = False
    if ending == ".avi" and first.rotation:
        lost.append("the rotation")
    if ending == ".webm":
        codec, most = "libvpx-vp9", 8
    elif bits > 8 and not interlaced and ending != ".avi":
        codec, most = "libx265", 12
    else:
        codec, most = "libx264", 10
    depth = next((depth for depth in (8, 10, 12) if bits <= depth <= most), most)
    if bits > depth:
        lost.append(f"{bits - depth} of {bits} bits")
    # A GIF's 256 colours need no finer chroma than all players show.
    sampling = "420" if pictures.codec_context.name == "gif" else _sampling(given)
    if codec != "libvpx-vp9" and ((width % 2 and sampling != "444") or (height % 2 and sampling == "420")):
        log.warning("%s: odd sides need 4:4:4, which some players do not show; .webm does without", name)
        sampling = "444"
    if lost:
        log.warning("%s cannot hold %s: left out", name, ", ".join(lost))
    pixels = f"yuv{sampling}p" + (f"{depth}le" if depth > 8 else "")
    return Pictures(pixels, depth, codec, interlaced)


def _sampling(given: Any) -> str:
    """Chroma sampling that loses nothing; grey has no chroma to lose."""
    if len(given.components) < 3 and not given.has_palette:
        return "420"
    if given.chroma_width(64) == 64:
        return "444"
    return "422" if given.chroma_height(64) == 64 else "420"


def _has_alpha(frame: Any) -> bool:
    """Whether anything of the frame is transparent."""
    if not frame.format.has_palette and not any(part.is_alpha for part in frame.format.components):
        return False
    return min(bytes(frame.reformat(format="rgba").planes[0])[3::4]) < 255


def add(made: Any, pictures: Any, first: Any, chosen: Pictures, scale: float) -> Any:
    """A stream of the container `made` for frames like `first`, with the times, rotation and colours that were read."""
    from av.codec.context import Flags

    # Streams of a constant rate, as AVI's are, count frames; all others keep the clock of what was read.
    rate = Fraction(pictures.average_rate or 25)
    told = options(chosen.codec, QUALITY, _parameters(chosen.codec, first))
    written = made.add_stream(chosen.codec, rate=rate, options=told, bit_rate=0)
    written.width, written.height = enlarged(first.width, scale), enlarged(first.height, scale)
    written.pix_fmt = chosen.pixels
    context, before = written.codec_context, pictures.codec_context
    context.time_base = 1 / rate if made.format.name == "avi" else first.time_base
    if pictures.sample_aspect_ratio:  # else the file does not say
        context.sample_aspect_ratio = pictures.sample_aspect_ratio
    context.color_range = FULL_RANGE if is_full(first) else before.color_range
    for name in ("colorspace", "color_primaries", "color_trc"):
        setattr(context, name, getattr(before, name))
    if first.format.is_rgb or first.format.has_palette:
        context.colorspace, context.color_range = _BT709, 1
    if chosen.codec == "libvpx-vp9":
        context.thread_count = 0  # as many as the machine has
    if chosen.codec == "libx265" and made.format.name in ("mp4", "mov"):
        context.codec_tag = "hvc1"  # the name under which Apple's players look for HEVC
    if chosen.interlaced:
        context.flags |= Flags.interlaced_dct
    if matrix := first.side_data.get("DISPLAYMATRIX"):
        written.set_display_matrix(struct.unpack("9i", bytes(matrix)))
    return written


def planar(frame: Any, pixels: str) -> Any:
    """The frame in this planar format, in its own range and matrix (RGB: BT.709, studio range); itself if it is so."""
    if frame.format.name.replace("yuvj", "yuv") == pixels:
        return frame
    if frame.format.is_rgb or frame.format.has_palette:
        return frame.reformat(
            format=pixels, dst_colorspace=_BT709, src_color_range=FULL_RANGE, dst_color_range=1
        )
    reach = FULL_RANGE if is_full(frame) else 1
    return frame.reformat(format=pixels, src_color_range=reach, dst_color_range=reach)


def is_full(frame: Any) -> bool:
    """Whether luma runs from 0 to the top, and not through the studio's 16 to 235."""
    return frame.color_range == FULL_RANGE or frame.format.name.startswith("yuvj")


def options(codec: str, quality: int, parameters: str = "") -> dict[str, str]:
    """Options of x264 for its constant rate factor (0, lossless, to 51), or their like for VP9; x265 takes the same."""
    if codec == "libvpx-vp9":  # its scale ends at 63; "good" takes ten times as long for a tenth fewer bytes
        return {"crf": str(quality * 63 // 51), "deadline": "realtime", "cpu-used": "6", "row-mt": "1"}
    chosen = {"crf": str(quality), "preset": "veryfast"}
    return chosen | ({f"{codec.removeprefix('lib')}-params": parameters} if parameters else {})


def _parameters(codec: str, first: Any) -> str:
    """What x264 and x265 are told of a film beyond FFmpeg's own options: HDR, and which field comes first."""
    display, light = _hdr(first)
    if codec == "libx265":
        known = {"log-level": "error", "master-display": display, "max-cll": light}
    else:
        bottom_first = first.interlaced_frame and _bottom_first(first)
        known = {"mastering-display": display, "cll": light, "bff": "1" if bottom_first else ""}
    return ":".join(f"{name}={value}" for name, value in known.items() if value)


def _hdr(first: Any) -> tuple[str, str]:
    """SMPTE ST 2086's display and the content's light level (CTA-861.3), as x264 and x265 take them; else empty."""
    display = light = ""
    if found := first.side_data.get("MASTERING_DISPLAY_METADATA"):
        *numbers, has_colours, has_light = struct.unpack("22i", bytes(found)[:88])
        values = [
            Fraction(*numbers[at : at + 2]) if numbers[at + 1] else Fraction(0) for at in range(0, 20, 2)
        ]
        if has_colours and has_light:
            red, green, blue, white = (
                "({},{})".format(*(round(50000 * v) for v in values[at : at + 2])) for at in range(0, 8, 2)
            )
            least, most = (round(10000 * value) for value in values[8:])
            display = f"G{green}B{blue}R{red}WP{white}L({most},{least})"
    if found := first.side_data.get("CONTENT_LIGHT_LEVEL"):
        light = "{},{}".format(*struct.unpack("2I", bytes(found)[:8]))
    return display, light


def _bottom_first(frame: Any) -> bool:
    """Whether the lower field of an interlaced frame comes first; PyAV does not say so, but FFmpeg's filter knows."""
    from av.filter import Graph

    graph, grey = Graph(), frame.reformat(format="gray")
    entry = graph.add_buffer(grey, time_base=frame.time_base)
    graph.link_nodes(entry, graph.add("separatefields"), graph.add("buffersink")).configure()
    graph.push(grey)
    graph.push(None)
    return not (graph.pull().to_ndarray() == grey.to_ndarray()[::2]).all()
