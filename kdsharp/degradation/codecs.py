"""Still-picture codecs as a call uses them: JPEG, and the key frames of two video codecs.

A WebP picture is one VP8 key frame (RFC 9649) and an AVIF picture one AV1 key frame (AV1 Image File Format), so
the smears of a video call can be looked at without a video.
"""

from io import BytesIO

import numpy as np
from PIL import Image, features

from kdsharp.errors import KdsharpError

_FORMATS = {"JPEG": ("JPEG", None), "WebP (VP8)": ("WEBP", "webp"), "AVIF (AV1)": ("AVIF", "avif")}


def available() -> list[str]:
    """The codecs that this Pillow can write; JPEG always comes first."""
    return [name for name, (_, feature) in _FORMATS.items() if feature is None or features.check(feature)]


def code(image: np.ndarray, codec: str, quality: int) -> tuple[np.ndarray, int]:
    """What is left of `uint8` RGB (H, W, 3) after coding and decoding, and the size of the file in bytes.

    `quality` is the codec's own scale from 0 to 100: equal numbers of two codecs do not mean equal pictures.
    Raises KdsharpError for a codec that this Pillow cannot write.
    """
    if codec not in available():
        raise KdsharpError(f"There is no codec '{codec}' here; choose one of {', '.join(available())}.")
    coded = BytesIO()
    Image.fromarray(image).save(coded, _FORMATS[codec][0], quality=quality)
    size = coded.tell()
    with Image.open(coded) as opened:
        return np.array(opened.convert("RGB")), size
