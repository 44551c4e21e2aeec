"""A simulated video call: a clip shrunk and coded at a low bitrate, enlarged by its receiver, and sharpened.

What a student is for, measured where it is used: a real codec with motion and its own key frames, not JPEG.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm.auto import tqdm

from kdsharp import evaluate
from kdsharp.apps.video import SUFFIXES, channel, pyav, streams, write_video
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
    codec: str = "H.264",
) -> list[dict]:
    """Send a clip through a call of `kbps` kilobits a second and pictures of `size` (width, height), then sharpen it.

    By H.264, or another `codec` of `video.channel.CODECS`.
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
        for original, received in _through_call(given, kbps, size, codec):
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


def _through_call(
    given: Any, kbps: int, size: tuple[int, int], codec: str
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each frame as it was, and as the receiver shows it: coded, decoded, and enlarged (bilinear); `uint8` RGB."""
    pictures = streams.picture(given)

    def originals() -> Iterator[np.ndarray]:
        for frame in tqdm((item for item in unpacked(given, pictures) if is_frame(item)), unit="frame"):
            picture = frame.to_ndarray(format="rgb24")[: frame.height // 2 * 2, : frame.width // 2 * 2]
            if picture.shape[1] < size[0] or picture.shape[0] < size[1]:
                raise KdsharpError(
                    f"The clip is smaller than a call of {size[0]}x{size[1]}: give a smaller --size."
                )
            yield picture

    for original, small, _ in channel.through(originals(), size, kbps, pictures.average_rate or 25, codec):
        yield original, cv2.resize(small, original.shape[1::-1], interpolation=cv2.INTER_LINEAR)


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
