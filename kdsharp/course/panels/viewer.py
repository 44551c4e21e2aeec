"""Two pictures of one scene under a divider that is dragged on them, zoomed and moved together, with their scores.

The page that shows it does the rest (`viewer.js`, `viewer_hands.js`); no kernel is asked, so it works in a saved page.
"""

import base64
import json
import math
import uuid
from dataclasses import dataclass, field
from html import escape

import cv2
import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont

from kdsharp import data, evaluate
from kdsharp.course.panels.page import part, script
from kdsharp.course.panels.panel import to_png
from kdsharp.errors import KdsharpError

ORIGINAL = "original"
MOST_SIDE = 1024  # pixels; of a larger picture the middle is shown
_SEEN = 220  # pixels of the shorter side in view at first: about two on the screen for each
_WIDTH = 720  # of the still picture, in pixels
_LINE = (230, 159, 0)


@dataclass(frozen=True)
class Viewer:
    """Live `html` for a front end, with all in it that it needs, and a still PNG and a line of `text` for others."""

    html: str = field(repr=False)
    png: bytes = field(repr=False)
    text: str

    def _repr_mimebundle_(self, **_options: object) -> dict[str, str]:
        """Front ends and nbconvert's pages prefer HTML; where there is none, the picture."""
        still = base64.b64encode(self.png).decode()
        return {"text/plain": self.text, "image/png": still, "text/html": self.html}


def comparison_viewer(pictures: dict[str, np.ndarray]) -> Viewer:
    """Compare any two of several `uint8` RGB pictures (H, W, 3) of one size, one of them the ORIGINAL.

    It opens where the first picture is farthest from the original. PSNR and SSIM are those of the whole pictures, on
    luma; the difference view shows four times the absolute error of luma, black for none.
    Raises KdsharpError for fewer than two pictures, for different sizes, or if the original is missing.
    """
    sizes = {picture.shape for picture in pictures.values()}
    if len(pictures) < 2 or len(sizes) != 1 or ORIGINAL not in pictures:
        raise KdsharpError(
            f"The viewer wants two or more pictures of one size, one of them called '{ORIGINAL}'."
        )
    names, (height, width, _) = list(pictures), sizes.pop()
    scores = {name: _scores(picture, pictures[ORIGINAL]) for name, picture in pictures.items()}
    shown = {name: data.centre(picture, MOST_SIDE) for name, picture in pictures.items()}
    encoded = {name: to_png(picture) for name, picture in shown.items()}
    view = _first_view(shown)
    said = (
        f"The scores are those of the whole picture ({width}x{height}) on luma, against the original; "
        "zooming does not change them."
    )
    if max(height, width) > MOST_SIDE:
        kept = shown[ORIGINAL].shape
        said += f" To save room, its middle {kept[1]}x{kept[0]} is shown."
    said += f" {len(names)} PNG, {sum(map(len, encoded.values())) / 1e6:.1f} MB in this page."
    sides = [shown[names[view["left"]]], shown[names[view["right"]]]]
    crop = _visible(view, *sides[0].shape[:2])
    still = _swipe(*(side[crop] for side in sides), (names[view["left"]], names[view["right"]]))
    text = "; ".join(f"{name}: {' '.join(filter(None, scores[name])) or 'itself'}" for name in names)
    return Viewer(_page(encoded, scores, view, said), to_png(still), f"Viewer({text})")


def _scores(picture: np.ndarray, original: np.ndarray) -> tuple[str, str]:
    """PSNR-Y and SSIM as they are shown; nothing for the original itself."""
    if picture is original:
        return "", ""
    psnr = evaluate.psnr(picture, original)
    return f"{psnr:.2f} dB" if math.isfinite(psnr) else "no error", f"{evaluate.ssim(picture, original):.4f}"


def _first_view(pictures: dict[str, np.ndarray]) -> dict[str, float]:
    """Left and right (places in `pictures`), the divider (a share of the width), the middle in pixels, the zoom."""
    names = list(pictures)
    left = next(place for place, name in enumerate(names) if name != ORIGINAL)
    others = [place for place, name in enumerate(names) if name != ORIGINAL and place != left]
    right = others[-1] if others else names.index(ORIGINAL)
    height, width = pictures[ORIGINAL].shape[:2]
    zoom = max(1.0, min(height, width) / _SEEN)
    error = np.abs(evaluate.luma(pictures[names[left]]) - evaluate.luma(pictures[ORIGINAL]))
    rows, columns = (max(1, round(side / zoom)) for side in (height, width))
    mean = cv2.blur(error, (columns, rows))[
        rows // 2 : height - rows // 2, columns // 2 : width - columns // 2
    ]
    down, across = np.unravel_index(mean.argmax(), mean.shape) if mean.size else (0, 0)
    return {
        "left": left,
        "right": right,
        "at": 0.5,
        "x": int(across) + columns // 2,
        "y": int(down) + rows // 2,
        "zoom": zoom,
    }


def _visible(view: dict[str, float], height: int, width: int) -> tuple[slice, slice]:
    """The rows and columns in view."""
    slices = []
    for edge, middle in ((height, view["y"]), (width, view["x"])):
        length = max(1, round(edge / view["zoom"]))
        start = min(edge - length, max(0, round(middle - length / 2)))
        slices.append(slice(start, start + length))
    return tuple(slices)


def _swipe(left: np.ndarray, right: np.ndarray, names: tuple[str, str]) -> np.ndarray:
    """The left half of one picture and the right half of another, enlarged, with names and a line between."""
    height = round(_WIDTH * left.shape[0] / left.shape[1])
    one, both = (
        Image.fromarray(half).resize((_WIDTH, height), Image.Resampling.NEAREST) for half in (left, right)
    )
    both.paste(one.crop((0, 0, _WIDTH // 2, height)), (0, 0))
    draw, font = ImageDraw.Draw(both), ImageFont.load_default(size=18)
    draw.line([(_WIDTH // 2, 0), (_WIDTH // 2, height)], fill=_LINE, width=3)
    for x, anchor, name in ((8, "la", names[0]), (_WIDTH - 8, "ra", names[1])):
        draw.text((x, 6), name, "white", font, anchor=anchor, stroke_width=3, stroke_fill="black")
    return np.array(both)


def _page(
    encoded: dict[str, bytes], scores: dict[str, tuple[str, str]], view: dict[str, float], said: str
) -> str:
    """HTML of the viewer; where no script may run (a notebook that is not trusted), the pictures side by side."""
    own = f"kdsharp-{uuid.uuid4().hex}"
    colours = (colormaps["inferno"](np.arange(256))[:, :3] * 255).astype(np.uint8)
    figures = []
    for name, png in encoded.items():
        (psnr, ssim), source = scores[name], base64.b64encode(png).decode()
        caption = f"{name}: PSNR-Y {psnr}, SSIM {ssim}" if psnr else name
        figures.append(
            f'<figure><img width="300" alt="{escape(name)}" data-psnr="{psnr}" data-ssim="{ssim}" '
            f'src="data:image/png;base64,{source}"><figcaption>{escape(caption)}</figcaption></figure>'
        )
    settings = {
        "original": ORIGINAL,
        "view": json.dumps(view),
        "said": said,
        "colours": colours.tobytes().hex(),
    }
    about = " ".join(f'data-{name}="{escape(value)}"' for name, value in settings.items())
    # Jupyter listens for keys before any cell does, unless it is told not to (the attribute is its own).
    return (
        f'<div class="kdsharp-viewer" id="{own}" data-lm-suppress-shortcuts="true" {about}>'
        f"<style>{part('viewer.css')}</style>{''.join(figures)}</div>{script(own, 'viewer.js', 'viewer_hands.js')}"
    )
