"""A simulated video call: a clip shrunk and coded at a low bitrate, enlarged by its receiver, and sharpened.

What a student is for, measured where it is used: H.264 with motion and its own key frames, not JPEG.
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm.auto import tqdm

from kdsharp import evaluate
from kdsharp.apps.video import SUFFIXES, pyav, streams, write_video
from kdsharp.apps.video.reading import is_frame, unpacked
from kdsharp.deploy.sharpen import Sharpener
from kdsharp.disk import files
from kdsharp.errors import KdsharpError

NAMES = ("original", "received", "sharpened")


def simulate(
    source: Path,
    destination: Path,
    student: Sharpener,
    kbps: int = 150,
    size: tuple[int, int] = (640, 360),
    force: bool = False,
) -> list[dict]:
    """Send a clip through a call of `kbps` kilobits a second and pictures of `size` (width, height), then sharpen it.

    Writes original, received and sharpened pictures side by side into `destination`, and PSNR-Y (dB; None where the
    pictures are equal) and SSIM-Y of each frame, received and sharpened, as JSON beside it (`table_of`). Returns those
    rows. Raises KdsharpError if the clip cannot be read, is smaller than the call, or one of the two files is there
    already (without `force`), and for a student that enlarges.
    """
    source, destination = Path(source), Path(destination)
    if student.scale != 1:
        raise KdsharpError(
            "In a call the receiver has enlarged the picture already: take a student of scale 1."
        )
    files.check_output(source, destination, SUFFIXES, force)
    files.check_output(source, table_of(destination), (".json",), force)
    if kbps < 1 or min(size) < 16 or any(side % 2 for side in size):
        raise KdsharpError(
            f"A call of {kbps} kbps and {size[0]}x{size[1]} cannot be: give even sides of 16 or more."
        )
    rows: list[dict] = []
    student = student.remembering()

    def shown(given: Any) -> Iterator[np.ndarray]:
        for original, received in _through_call(given, kbps, size):
            sharp = student(received)
            rows.append(_scores(len(rows), original, received, sharp))
            pairs = zip(NAMES, (original, received, sharp), strict=True)
            yield np.hstack([_labelled(name, picture) for name, picture in pairs])

    try:
        with pyav().open(str(source)) as given:
            rate = streams.picture(given).average_rate or 25
            write_video(destination, shown(given), rate, source=source)
    except pyav().error.FFmpegError as error:
        raise KdsharpError(f"{source} could not be read ({error.strerror}): is it a video?") from error
    files.write_json(table_of(destination), rows)
    return rows


def table_of(destination: Path) -> Path:
    """Where the scores of each frame lie."""
    return destination.with_suffix(".json")


def summary(rows: list[dict]) -> str:
    """The means over all frames, and in how many the sharpened picture is closer to the original.

    PSNR is that of the mean squared error over all frames, so that equal frames (black ones, say) do not decide it.
    """
    parts = []
    for name in ("received", "sharpened"):
        error = float(np.mean([_error(row[f"{name}_psnr_y"]) for row in rows]))
        psnr = f"{-10 * np.log10(error):.2f} dB" if error > 0 else "no error"
        parts.append(f"{name} {psnr}, SSIM {np.mean([row[f'{name}_ssim_y'] for row in rows]):.4f}")
    better = np.mean([_error(row["sharpened_psnr_y"]) < _error(row["received_psnr_y"]) for row in rows])
    return f"{len(rows)} frames: {'; '.join(parts)}; closer to the original in {better:.0%} of the frames"


def _error(psnr: float | None) -> float:
    """The mean squared error as a share of 255 squared; 0 for equal pictures."""
    return 0.0 if psnr is None else 10 ** (-psnr / 10)


def _through_call(given: Any, kbps: int, size: tuple[int, int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each frame as it was, and as the receiver shows it: coded, decoded, and enlarged (bilinear); `uint8` RGB."""
    pictures = streams.picture(given)
    sender, receiver = _codecs(pictures, kbps, size)
    waiting: list[np.ndarray] = []  # a decoder may answer late

    def arrived(packets: list) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for packet in packets:
            for frame in receiver.decode(packet):
                original = waiting.pop(0)
                small = frame.to_ndarray(format="rgb24")
                yield original, cv2.resize(small, original.shape[1::-1], interpolation=cv2.INTER_LINEAR)

    frames = (item for item in unpacked(given, pictures) if is_frame(item))
    for number, frame in enumerate(tqdm(frames, unit="frame")):
        picture = frame.to_ndarray(format="rgb24")[: frame.height // 2 * 2, : frame.width // 2 * 2]
        if picture.shape[1] < size[0] or picture.shape[0] < size[1]:
            raise KdsharpError(
                f"The clip is smaller than a call of {size[0]}x{size[1]}: give a smaller --size."
            )
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        sent = pyav().VideoFrame.from_ndarray(small, format="rgb24").reformat(format="yuv420p")
        sent.pts = number
        waiting.append(picture)
        yield from arrived(sender.encode(sent))
    yield from arrived([*sender.encode(None), None])


def _codecs(pictures: Any, kbps: int, size: tuple[int, int]) -> tuple[Any, Any]:
    """H.264 as calls use it: no frame waits for a later one, and the rate holds over half a second."""
    rate = pictures.average_rate or Fraction(25)
    sender = pyav().CodecContext.create("libx264", "w")
    sender.width, sender.height, sender.pix_fmt = *size, "yuv420p"
    sender.framerate, sender.time_base, sender.bit_rate = rate, 1 / Fraction(rate), 1000 * kbps
    limits = {"maxrate": f"{kbps}k", "bufsize": f"{max(1, kbps // 2)}k"}
    sender.options = {"preset": "veryfast", "tune": "zerolatency", "profile": "baseline"} | limits
    return sender, pyav().CodecContext.create("h264", "r")


def _scores(number: int, original: np.ndarray, received: np.ndarray, sharp: np.ndarray) -> dict:
    row: dict = {"frame": number}
    for name, picture in (("received", received), ("sharpened", sharp)):
        psnr = evaluate.psnr(picture, original)
        row[f"{name}_psnr_y"] = psnr if math.isfinite(psnr) else None  # JSON knows no infinity
        row[f"{name}_ssim_y"] = evaluate.ssim(picture, original)
    return row


def _labelled(name: str, picture: np.ndarray) -> np.ndarray:
    size = max(12, picture.shape[0] // 24)
    top = Image.fromarray(picture[: 2 * size])
    look = {"fill": "white", "stroke_width": max(1, size // 12), "stroke_fill": "black"}
    ImageDraw.Draw(top).text((size // 2, size // 3), name, font=ImageFont.load_default(size), **look)
    return np.vstack([np.array(top), picture[2 * size :]])
