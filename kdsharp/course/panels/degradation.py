"""Panel: degrade a photograph step by step, and see picture, kernel and spectrum at once."""

import functools
from dataclasses import dataclass
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont

from kdsharp import data, evaluate
from kdsharp.course.panels.controls import button, choice, explained, slider, uploaded
from kdsharp.course.panels.panel import Panel, Shown
from kdsharp.course.panels.photos import LONGEST, own_photo, part
from kdsharp.course.panels.spoiling import BLURS, as_code, blur_kernel, spoil
from kdsharp.degradation import RESIZE_FILTERS, codecs
from kdsharp.evaluate.score_card import CALLS
from kdsharp.recipes import VideoCall

__all__ = ["blur_kernel", "degradation_panel", "spectrum", "spoil"]

_HEAD, _GAP = 36, 6  # pixels above a picture, and between two
_SMALL = 76  # of a kernel or spectrum, with a line of _LINE pixels above it
_LINE = 17


@dataclass(frozen=True)
class Result:
    """A part of a photograph, what is left of it, and what that costs."""

    original: np.ndarray
    spoilt: np.ndarray
    kernel: np.ndarray
    told: str  # the settings, short
    scores: tuple[float, float]  # PSNR-Y, SSIM-Y
    size: int  # bytes, 0 without codec

    @property
    def text(self) -> str:
        """Scores and weight, for the line under the picture."""
        weight = f"{self.size / 1024:.1f} KiB ({8 * self.size / self.spoilt[..., 0].size:.2f} bits per pixel)"
        return f"PSNR-Y {self.scores[0]:.2f} dB, SSIM {self.scores[1]:.4f}, coded size {weight if self.size else '-'}"


def degradation_panel(photos: list[Path], side: int = 248) -> Panel:
    """Blur, shrink, noise and codec of a part of a photograph, `side` pixels wide.

    The order is that of a call: optics, the sender's resize, the sensor's noise, the codec, the receiver's resize.
    Opens at the medium one of the score card's calls. A photograph of one's own can be uploaded.
    """
    own: dict[Path, np.ndarray] = {}
    read = functools.lru_cache(4)(data.read_image)
    controls = _controls(photos)

    @functools.lru_cache(8)
    def result(photo: Path, down: int, across: int, **settings) -> Result:
        image = part(own[photo] if photo in own else read(photo), side, down, across)
        spoilt, kernel, size = spoil(image, **settings)
        scores = evaluate.psnr(spoilt, image), evaluate.ssim(spoilt, image)
        return Result(image, spoilt, kernel.numpy(), _told(**settings), scores, size)

    def show(pinned: dict | None, **values) -> Shown:
        controls["amount"].disabled = values["blur"] == "none"
        controls["quality"].disabled = values["codec"] == "none"
        now, before = result(**values), result(**pinned) if pinned else None
        text = now.text if before is None else f"{now.text}<br>pinned: {before.text}"
        return _page(now, before), text

    def code(photo: Path, down: int, across: int, **settings) -> str:
        return as_code(**settings)

    def take(_change: dict) -> None:
        with panel.hearing():
            name, content = uploaded(upload.value)
            own[Path(name)] = own_photo(name, content)
            result.cache_clear()
            with panel.together():
                at_hand = {path.stem: path for path in photos} | {path.name: path for path in own}
                controls["photo"].options = list(at_hand.items())
                controls["photo"].value = Path(name)

    presets = [
        button(name, lambda call=call: panel.choose(**_values(call)), _preset_tooltip(name, call))
        for name, call in CALLS.items()
    ]
    upload = widgets.FileUpload(accept="image/*", description="Your photograph", layout={"width": "auto"})
    explained(upload, f"Take a picture file of your own; a large one is shrunk to {LONGEST} pixels.")
    panel = Panel("Degrade a photograph", controls, show, [*presets, upload], code, pins=True)
    upload.observe(take, names="value")
    return panel


def spectrum(image: np.ndarray) -> np.ndarray:
    """log10 of 1 + the magnitude of the luma's Fourier transform, low frequencies in the middle.

    A Hann window hides the jump between opposite borders, which would draw a bright cross.
    """
    luma = evaluate.luma(image) - evaluate.luma(image).mean()
    window = np.outer(np.hanning(luma.shape[0]), np.hanning(luma.shape[1]))
    return np.log10(1 + np.abs(np.fft.fftshift(np.fft.fft2(luma * window))))


def _controls(photos: list[Path]) -> dict[str, widgets.Widget]:
    start = _values(CALLS["medium"])
    return {
        "photo": choice("photograph", {path.stem: path for path in photos}, tooltip="What is degraded."),
        "down": slider("down in %", 20, 0, 100, 5, "Where the part lies that is shown: 0 is the top."),
        "across": slider("across in %", 50, 0, 100, 5, "Where the part lies that is shown: 0 is the left."),
        "blur": choice("blur", list(BLURS), start["blur"], "What the lens or the hand did."),
        "amount": slider(
            "blur in pixels",
            1.0,
            0.5,
            6.0,
            0.25,
            "Sigma, half the length, radius, or the finest wave that is left.",
        ),
        "shrink": slider(
            "shrink", start["shrink"], 1.0, 4.0, 0.25, "How many times smaller the frame is sent than it was."
        ),
        "mode": choice("resize filter", list(RESIZE_FILTERS), start["mode"], "How the sender shrinks."),
        "noise": slider(
            "noise (of 255)", 0, 0, 30, 1, "Standard deviation of the sensor's noise, in grey levels."
        ),
        "codec": choice(
            "codec", ["none", *codecs.available()], start["codec"], "How the frame is coded on its way."
        ),
        "quality": slider(
            "quality", start["quality"], 5, 95, 5, "The codec's own scale: less is smaller and worse."
        ),
    }


def _values(call: VideoCall) -> dict:
    """A call without chance as values of the controls."""
    values = {"blur": "none", "shrink": call.shrink[0], "mode": call.filters[0]}
    return values | {"noise": round(call.noise[0]), "codec": "JPEG", "quality": round(call.jpeg[0])}


def _preset_tooltip(name: str, call: VideoCall) -> str:
    return f"A {name} call of the score card: shrunk by {call.shrink[0]:g}, JPEG {call.jpeg[0]:g}."


def _told(blur: str, amount: float, shrink: float, mode: str, noise: float, codec: str, quality: int) -> str:
    """Settings as a caption, without what does nothing."""
    parts = [] if blur == "none" else [f"{blur} {amount:g}"]
    parts += [f"{mode} 1/{shrink:g}"] if shrink > 1 else []
    parts += [f"noise {noise:g}"] if noise else []
    parts += [f"{codec.split()[0]} {quality}"] if codec != "none" else []
    return ", ".join(parts) or "nothing done"


def _page(now: Result, pinned: Result | None) -> np.ndarray:
    """Original, result and, until one is pinned, their difference at their own size; kernel and spectra beside them.

    Drawn without matplotlib, which would take longer than a dragged slider can wait.
    """
    difference = np.clip(128 + 2 * (now.spoilt.astype(int) - now.original), 0, 255).astype(np.uint8)
    third = (difference, "difference x 2", "grey: none")
    if pinned is not None:
        third = (pinned.spoilt, f"pinned: {pinned.scores[0]:.2f} dB", pinned.told)
    large = [
        (now.original, "original", ""),
        (now.spoilt, f"degraded: {now.scores[0]:.2f} dB", now.told),
        third,
    ]
    before, after = spectrum(now.original), spectrum(now.spoilt)
    brightest = before.max() or 1.0  # a flat part has no spectrum
    small = {
        "kernel": _coloured(now.kernel / now.kernel.max(), "magma"),
        "spectrum": _coloured(before / brightest, "viridis"),
        "degraded": _coloured(after / brightest, "viridis"),
    }
    width = sum(picture.shape[1] + _GAP for picture, _, _ in large) + _SMALL
    height = max(
        _HEAD + max(picture.shape[0] for picture, _, _ in large), len(small) * (_SMALL + _LINE + _GAP)
    )
    page, left = Image.new("RGB", (width, height), "white"), 0
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=13)
    for picture, *lines in large:
        draw.multiline_text((left, 1), "\n".join(lines), "black", font, spacing=3)
        page.paste(Image.fromarray(picture), (left, _HEAD))
        left += picture.shape[1] + _GAP
    for row, (name, picture) in enumerate(small.items()):
        top = row * (_SMALL + _LINE + _GAP)
        draw.text((left, top), name, "black", font)
        filter_ = Image.Resampling.NEAREST if name == "kernel" else Image.Resampling.BOX
        page.paste(Image.fromarray(picture).resize((_SMALL, _SMALL), filter_), (left, top + _LINE))
    return np.array(page)


def _coloured(values: np.ndarray, colours: str) -> np.ndarray:
    """Values in [0, 1] as `uint8` RGB."""
    return colormaps[colours](np.clip(values, 0, 1), bytes=True)[..., :3]
