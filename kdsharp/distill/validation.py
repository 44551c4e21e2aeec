"""How good a student is while it trains: PSNR over fixed crops that it never learns from, and a picture of four.

The pictures of a run, one a validation, are the frames of a film (`frames`, `frame`): the same places each time, which
follow from the validation store alone, so that every student of one store is seen at work on the same ones.
"""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from kdsharp import data
from kdsharp.disk import keep
from kdsharp.distill import targets
from kdsharp.distill.targets import TargetStore
from kdsharp.recipes import Degradation
from kdsharp.student import apply_to_rgb, to_luma
from kdsharp.teacher import Teacher

CROPS, SHOWN = 32, 4
TEACHER = "teacher.png"


@torch.no_grad()
def validate(network: nn.Module, validation: TargetStore, folder: Path, step: int) -> float:
    """Mean PSNR in dB (peak 1, on the student's own planes) to HR over fixed crops; writes validation-STEP.png.

    The picture has a row (input | student | original) for each of `shown_crops`. A crop that is right to within 50 dB
    counts as 50, or clean ones would drown the others.
    """
    device = next(network.parameters()).device
    shown, scores, rows = shown_crops(validation), [], {}
    for index in sorted({*_measured(validation), *shown}):
        inputs, hr = _crop(validation, index, device)
        result = apply_to_rgb(network, inputs)
        scores += [_psnr(result, hr, network.colour)] * (index in _measured(validation))
        if index in shown:
            seen = nn.functional.interpolate(inputs, size=hr.shape[-2:], mode="nearest")
            rows[index] = np.concatenate([data.to_image(picture) for picture in (seen, result, hr)], axis=1)
    picture = np.concatenate([rows[index] for index in shown])
    keep.store(data.write_image(folder / f"validation-{step:06d}.png", picture, compression=1))
    return float(np.mean(scores))


@torch.no_grad()
def doing_nothing(validation: TargetStore, colour: str = "luma") -> float:
    """What `validate` would say of a student (of planes `colour`: luma or rgb) that changes nothing.

    In an upscaling task that is bicubic enlargement.
    """
    scores = []
    for index in _measured(validation):
        inputs, hr = _crop(validation, index)
        if validation.scale > 1:
            inputs = nn.functional.interpolate(inputs, size=hr.shape[-2:], mode="bicubic").clamp(0, 1)
        scores.append(_psnr(inputs, hr, colour))
    return float(np.mean(scores))


def shown_crops(validation: TargetStore) -> list[int]:
    """The crops of the validation picture: of those that are measured, the four with most to see in their input.

    That is the mean step from pixel to pixel in their green: what is still there to be made sharp. A dark wall has
    none, and neither has a texture that the degradation took away; faces and lettering keep their outlines.
    """

    def detail(index: int) -> float:
        green = np.asarray(validation.input[index])[..., 1].astype(np.int16)
        return np.abs(np.diff(green, axis=0)).mean() + np.abs(np.diff(green, axis=1)).mean()

    return sorted(_measured(validation), key=detail, reverse=True)[:SHOWN]


def show_teacher(
    folder: Path,
    validation: TargetStore,
    teacher: Teacher,
    photos: list[Path],
    degradation: Degradation,
    device: str = "cpu",
) -> Path:
    """Write `teacher.png` into a run's folder: what its teacher makes of the crops in the validation pictures.

    `photos` and `degradation` are those that `validation` was made from: it holds no teacher's pictures, and a teacher
    is asked only for the four crops that are shown. A picture that is there already stays.
    """
    path = Path(folder) / TEACHER
    if not path.exists():
        asked = (validation, photos, degradation, teacher, device)
        answers = [targets.answer_to(index, *asked) for index in shown_crops(validation)]
        path.parent.mkdir(parents=True, exist_ok=True)
        keep.store(data.write_image(path, np.concatenate(answers)))
    return path


def frames(folder: Path) -> dict[int, Path]:
    """A run's validation pictures by step, in order."""
    return {int(path.stem.split("-")[1]): path for path in sorted(Path(folder).glob("validation-*.png"))}


def frame(path: Path, crop: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(input, student, original) of one row of a validation picture, `uint8` RGB; the last for one beyond it."""
    return tuple(np.hsplit(_row(data.read_image(path), crop, squares=3), 3))


def teacher_frame(folder: Path, crop: int = 0) -> np.ndarray | None:
    """The teacher's picture of the same row, where `show_teacher` has written it."""
    path = Path(folder) / TEACHER
    if not path.exists():
        return None
    return _row(data.read_image(path), crop, squares=1)


def _row(picture: np.ndarray, crop: int, squares: int) -> np.ndarray:
    """One row of so many squares; the last for one beyond it."""
    side = picture.shape[1] // squares
    top = min((crop + 1) * side, len(picture)) - side
    return picture[top : top + side]


def _measured(validation: TargetStore) -> list[int]:
    count = len(validation)
    return np.linspace(0, count - 1, min(CROPS, count)).astype(int).tolist()


def _crop(validation: TargetStore, index: int, device: str | torch.device = "cpu") -> tuple[Tensor, Tensor]:
    """(input, original), float RGB (1, 3, H, W) in [0, 1]."""
    crops = (validation.input[index], validation.hr[index])
    return tuple(data.to_tensor(np.asarray(crop)).to(device) for crop in crops)


def _psnr(result: Tensor, hr: Tensor, colour: str) -> float:
    planes = (to_luma(result), to_luma(hr)) if colour == "luma" else (result, hr)
    return -10 * math.log10(max(nn.functional.mse_loss(*planes).item(), 1e-5))
