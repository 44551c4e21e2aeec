"""Drawn test frames: text and graphics at 1920x1080, sharp to the pixel, made by program from a seed.

Photographs of screens are rare in public sets, but screens are what a call shares. Every frame follows from its number
alone (and from matplotlib's own fonts), so that a score on them can be repeated anywhere.
"""

from collections.abc import Callable

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from kdsharp.errors import KdsharpError

WIDTH, HEIGHT = 1920, 1080
_SYLLABLES = (
    "ka",
    "ri",
    "mon",
    "te",
    "su",
    "lor",
    "ven",
    "da",
    "pi",
    "shu",
    "el",
    "ban",
    "to",
    "gre",
    "nix",
    "o",
)
_KEYWORDS = {"def", "return", "if", "for", "in", "import", "class", "while"}
_DARK, _LIGHT = (30, 32, 38), (250, 250, 248)


def draw(kind: str, number: int) -> np.ndarray:
    """Frame `number` of `text` or `graphics`: `uint8` RGB (1080, 1920, 3). Raises KdsharpError for another kind."""
    if kind not in _KINDS:
        raise KdsharpError(f"There are no drawn frames of '{kind}'; choose one of {', '.join(_KINDS)}.")
    painters = _KINDS[kind]
    return painters[number % len(painters)](np.random.default_rng((sum(kind.encode()), number)))


def _document(random: np.random.Generator) -> np.ndarray:
    """Two columns of running text with headings, as a shared PDF."""
    page, pen = _page(_LIGHT)
    size = int(random.integers(17, 26))
    for column in range(2):
        y = 60
        while y < HEIGHT - 80:
            heading = random.random() < 0.12
            font = _font("DejaVuSans-Bold" if heading else "DejaVuSerif", size + 8 * heading)
            line = _words(random, 4 if heading else 20)
            while font.getlength(line) > 820:
                line = line.rpartition(" ")[0]
            pen.text((70 + column * 920, y), line, fill=(25, 25, 28), font=font)
            y += int((size + 8 * heading) * 1.45) + 14 * heading
    return np.asarray(page)


def _code(random: np.random.Generator) -> np.ndarray:
    """An editor with a dark background, line numbers and coloured words."""
    page, pen = _page(_DARK)
    size = int(random.integers(18, 27))
    font = _font("DejaVuSansMono", size)
    indent = 0
    for line, y in enumerate(range(30, HEIGHT - size, int(size * 1.4))):
        pen.text((20, y), f"{line + 1:4}", fill=(95, 100, 112), font=font)
        x = 40 + (6 + 4 * indent) * size * 0.6
        for word in _words(random, int(random.integers(2, 8))).split():
            word = (
                str(random.choice(sorted(_KEYWORDS))) if random.random() < 0.25 else word + "_()=,."[line % 6]
            )
            colour = (198, 120, 221) if word in _KEYWORDS else (171, 178, 191)
            colour = (152, 195, 121) if random.random() < 0.2 else colour
            pen.text((x, y), word, fill=colour, font=font)
            x += (len(word) + 1) * size * 0.6
        indent = int(np.clip(indent + random.integers(-1, 2), 0, 5))
    return np.asarray(page)


def _sheet(random: np.random.Generator) -> np.ndarray:
    """A spreadsheet: thin lines, small figures, a coloured head."""
    page, pen = _page((255, 255, 255))
    font, step = _font("DejaVuSans", int(random.integers(15, 20))), 32
    pen.rectangle((0, 0, WIDTH, step), fill=(33, 115, 70))
    for row, y in enumerate(range(0, HEIGHT, step)):
        pen.line((0, y, WIDTH, y), fill=(205, 208, 212))
        for column, x in enumerate(range(0, WIDTH, 160)):
            text = (
                _words(random, 1)
                if row == 0 or column == 0
                else f"{random.normal() * 10 ** random.integers(1, 5):,.2f}"
            )
            negative = text.startswith("-")
            colour = (255, 255, 255) if row == 0 else (190, 30, 30) if negative else (30, 30, 30)
            pen.text((x + 8, y + 6), text[:14], fill=colour, font=font)
    for x in range(0, WIDTH, 160):
        pen.line((x, 0, x, HEIGHT), fill=(205, 208, 212))
    return np.asarray(page)


def _slide(random: np.random.Generator) -> np.ndarray:
    """A presentation: one large title, bullet points, a coloured bar."""
    colour = tuple(int(value) for value in random.integers(20, 140, 3))
    page, pen = _page(_LIGHT)
    pen.rectangle((0, 0, WIDTH, 170), fill=colour)
    pen.text((90, 45), _words(random, 4).title(), fill=_LIGHT, font=_font("DejaVuSans-Bold", 64))
    for row in range(int(random.integers(5, 8))):
        y = 250 + row * 110
        pen.ellipse((100, y + 14, 122, y + 36), fill=colour)
        pen.text((150, y), _words(random, 8), fill=(40, 40, 44), font=_font("DejaVuSans", 40))
    return np.asarray(page)


def _charts(random: np.random.Generator) -> np.ndarray:
    """A dashboard of four matplotlib charts."""
    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    lines, bars, dots, field = figure.subplots(2, 2).ravel()
    for _ in range(5):
        lines.plot(random.normal(size=120).cumsum(), label=_words(random, 1))
    lines.legend()
    lines.grid(alpha=0.4)
    bars.bar(
        [_words(random, 1) for _ in range(9)], random.random(9), color=matplotlib.colormaps["tab10"].colors
    )
    dots.scatter(*random.normal(size=(2, 400)), s=random.random(400) * 60, c=random.random(400))
    x, y = np.meshgrid(np.linspace(-3, 3, 200), np.linspace(-3, 3, 200))
    field.contour(np.sin(x * random.uniform(1, 3)) * np.cos(y * random.uniform(1, 3)), levels=18)
    for axis in (lines, bars, dots, field):
        axis.set_title(_words(random, 3))
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _tiles(random: np.random.Generator) -> np.ndarray:
    """A tile game: hard edges, flat colours, a heads-up display."""
    side = 40
    ground = random.integers(0, 5, (HEIGHT // side, WIDTH // side))
    palette = random.integers(30, 226, (5, 3))
    pattern = random.integers(-25, 26, (5, side // 4, side // 4)).repeat(4, 1).repeat(4, 2)
    image = np.zeros((HEIGHT, WIDTH, 3), np.int64)
    for (row, column), tile in np.ndenumerate(ground):
        block = palette[tile] + pattern[tile][..., None]
        image[row * side : (row + 1) * side, column * side : (column + 1) * side] = block
    page = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(page)
    for _ in range(14):
        x, y = int(random.integers(WIDTH - 90)), int(random.integers(120, HEIGHT - 90))
        colour = tuple(int(value) for value in random.integers(0, 256, 3))
        pen.ellipse((x, y, x + 80, y + 80), fill=colour, outline=(0, 0, 0), width=4)
        pen.polygon(
            [(x + 40, y - 30), (x + 10, y + 10), (x + 70, y + 10)], fill=(250, 220, 60), outline=(0, 0, 0)
        )
    pen.rectangle((0, 0, WIDTH, 70), fill=(15, 15, 20))
    pen.text(
        (30, 16),
        f"SCORE {random.integers(10**6):07d}   LIVES 3",
        fill=(255, 230, 90),
        font=_font("DejaVuSansMono", 32),
    )
    return np.asarray(page)


_KINDS: dict[str, tuple[Callable[[np.random.Generator], np.ndarray], ...]] = {
    "text": (_document, _code, _sheet, _slide),
    "graphics": (_charts, _tiles),
}


def _page(colour: tuple[int, int, int]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    page = Image.new("RGB", (WIDTH, HEIGHT), colour)
    return page, ImageDraw.Draw(page)


def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """One of the DejaVu fonts that matplotlib brings along."""
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/{name}.ttf", size)


def _words(random: np.random.Generator, count: int) -> str:
    """`count` made-up words."""
    return " ".join("".join(random.choice(_SYLLABLES, random.integers(1, 5))) for _ in range(count))
