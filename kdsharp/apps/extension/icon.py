"""The extension's icon, drawn: a blurred edge on the left, the same edge sharp on the right."""

import io

from PIL import Image, ImageDraw, ImageFilter

SIZES = (16, 32, 48, 128)
_BLUE, _WHITE = (0, 114, 178, 255), (255, 255, 255, 255)
_LARGE = 512  # drawn so large, then shrunk


def png(size: int) -> bytes:
    """The icon as a PNG of size x size pixels."""
    picture = Image.new("RGBA", (_LARGE, _LARGE), _BLUE)
    ImageDraw.Draw(picture).polygon([(256, 90), (430, 410), (82, 410)], fill=_WHITE)
    soft = picture.filter(ImageFilter.GaussianBlur(_LARGE / 18)).crop((0, 0, _LARGE // 2, _LARGE))
    picture.paste(soft, (0, 0))
    edge = max(4, _LARGE // size // 2)
    ImageDraw.Draw(picture).rectangle((256 - edge, 0, 256 + edge, _LARGE), fill=_BLUE)
    corners = Image.new("L", (_LARGE, _LARGE), 0)
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, _LARGE - 1, _LARGE - 1), _LARGE // 6, fill=255)
    picture.putalpha(corners)
    saved = io.BytesIO()
    picture.resize((size, size), Image.Resampling.LANCZOS).save(saved, "PNG")
    return saved.getvalue()
