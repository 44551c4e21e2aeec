"""Panel: two pictures of one scene under a sliding divider, zoomed and moved together, with scores of what is seen."""

import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont

from kdsharp import evaluate
from kdsharp.course.panels.panel import Panel, Shown, choice, slider
from kdsharp.errors import KdsharpError

WIDTH = 720  # of the drawn picture, in pixels
SMALLEST_CROP = 32  # SSIM's window is 11 pixels; a smaller crop says nothing
ORIGINAL = "original"
_LINE = (230, 159, 0)


def comparison_viewer(pictures: dict[str, np.ndarray]) -> Panel:
    """Swipe between any two of several `uint8` RGB pictures (H, W, 3) of one size.

    The numbers under the picture compare the visible crop with the picture called ORIGINAL. Raises KdsharpError
    for fewer than two pictures, for different sizes, or if the original is missing.
    """
    sizes = {picture.shape for picture in pictures.values()}
    if len(pictures) < 2 or len(sizes) != 1 or ORIGINAL not in pictures:
        raise KdsharpError(
            f"The viewer wants two or more pictures of one size, one of them called '{ORIGINAL}'."
        )
    height, width, _ = sizes.pop()
    most = max(1.0, min(16.0, min(height, width) / SMALLEST_CROP))
    names = list(pictures)
    controls = {
        "left": choice("left", names),
        "right": choice("right", names, names[-2] if names[-1] == ORIGINAL else names[-1]),
        "divider": slider("divider in %", 50, 0, 100),
        "zoom": slider("zoom", min(2.0, most), 1.0, most, 0.5),
        "across": slider("across in %", 50, 0, 100),
        "down": slider("down in %", 50, 0, 100),
        "what": choice("show", ["pictures", "difference x 4"]),
    }

    def show(left: str, right: str, divider: int, zoom: float, across: int, down: int, what: str) -> Shown:
        crop = visible((height, width), zoom, across, down)
        seen = {name: pictures[name][crop] for name in {left, right, ORIGINAL}}
        halves = [seen[left], seen[right]]
        if what != "pictures":
            halves = [difference(half, seen[ORIGINAL]) for half in halves]
        return swipe(*halves, divider, (left, right)), "<br>".join(
            _scores(name, seen[name], seen[ORIGINAL]) for name in dict.fromkeys((left, right))
        )

    return Panel("Compare", controls, show)


def visible(size: tuple[int, int], zoom: float, across: int, down: int) -> tuple[slice, slice]:
    """Rows and columns of a picture of `size` (H, W) that a zoom shows; 0 and 100 % are its borders."""
    slices = []
    for edge, place in zip(size, (down, across), strict=True):
        length = max(min(SMALLEST_CROP, edge), round(edge / zoom))
        start = round((edge - length) * place / 100)
        slices.append(slice(start, start + length))
    return tuple(slices)


def swipe(left: np.ndarray, right: np.ndarray, divider: int, names: tuple[str, str]) -> np.ndarray:
    """`left` up to `divider` percent of the width and `right` beyond, enlarged to 720 pixels, with names and a line."""
    height = round(WIDTH * left.shape[0] / left.shape[1])
    shown = [
        Image.fromarray(half).resize((WIDTH, height), Image.Resampling.NEAREST) for half in (left, right)
    ]
    at = round(WIDTH * divider / 100)
    both = shown[1].copy()
    both.paste(shown[0].crop((0, 0, at, height)), (0, 0))
    draw = ImageDraw.Draw(both)
    draw.line([(at, 0), (at, height)], fill=_LINE, width=3)
    font = ImageFont.load_default(size=18)
    if divider > 0:
        draw.text((8, 6), names[0], "white", font, stroke_width=3, stroke_fill="black")
    if divider < 100:
        draw.text((WIDTH - 8, 6), names[1], "white", font, anchor="ra", stroke_width=3, stroke_fill="black")
    return np.array(both)


def difference(picture: np.ndarray, original: np.ndarray) -> np.ndarray:
    """Four times the absolute difference of luma as colours: black for none, yellow for 64 of 255 and more."""
    error = np.abs(evaluate.luma(picture) - evaluate.luma(original)) * 4 / 255
    return (colormaps["inferno"](np.clip(error, 0, 1))[..., :3] * 255).astype(np.uint8)


def _scores(name: str, crop: np.ndarray, original: np.ndarray) -> str:
    if np.array_equal(crop, original):
        return f"<b>{name}</b>: the original itself"
    psnr, ssim = evaluate.psnr(crop, original), evaluate.ssim(crop, original)
    return f"<b>{name}</b>: PSNR-Y {psnr:.2f} dB, SSIM {ssim:.4f} in this crop of {crop.shape[1]}x{crop.shape[0]}"
