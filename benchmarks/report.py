"""Every number that the project states about its networks, measured by one command.

    python -m benchmarks.report [SECTION ...] [--json FILE]

It runs the sections below on the photographs under KDSHARP_ASSETS and writes figures/results.json, from which
benchmarks/results.py makes the tables that the cards quote.
"""

import argparse
import logging
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm.auto import tqdm

from benchmarks import survey
from kdsharp import data, evaluate, recipes
from kdsharp.degradation import degrade, enlarge
from kdsharp.deploy.sharpen import engines_at_hand, load_student
from kdsharp.disk import checkpoints, files
from kdsharp.errors import KdsharpError
from kdsharp.evaluate import rulers
from kdsharp.recipes.degradations import Blur, Degradation
from kdsharp.student import load_network, parameters
from kdsharp.teacher import choose, load_teacher, target_for

log = logging.getLogger(__name__)

Pair = tuple[np.ndarray, np.ndarray]  # an original, and what stands beside it
CEILING = "call-ceiling"
CALLERS = ("call-xs", "call-s", "call-s-perceptual", "call-m", "call-m-perceptual", CEILING)
UPSCALERS = ("x2-s", "x4-s")
FROM_SMALL = ("call-x1.5", "call-x2", "call-x3")
TEACHERS = ("RealESRGAN_x4plus", "realesr-general-x4v3", "RealESRGAN_x4plus_anime_6B")
FLICKER_FRAMES = 60
NIQE_SIDE = 768  # the middle of a picture: statistics of 64 blocks, in a second
UNTOUCHED = 100.0  # dB, where nothing was changed: JSON and means have no infinity
EYE_SIDE = 384  # the middle of a picture, damaged by itself: small enough for the slowest teacher


def run(assets: Path, sections: list[str] | None = None) -> Iterator[tuple[str, list[dict]]]:
    """(section, its rows) one after the other, all of `SECTIONS` unless named.

    Raises KdsharpError for an unknown section, before anything is measured.
    """
    chosen = sections or list(SECTIONS)
    if unknown := [name for name in chosen if name not in SECTIONS]:
        raise KdsharpError(f"There is no section '{unknown[0]}'; choose from {', '.join(SECTIONS)}.")
    for name in chosen:
        yield name, SECTIONS[name](Path(assets))


def calls(assets: Path) -> list[dict]:
    """Three calls on photos/val: PSNR and SSIM on Y, gain and share of the ceiling; JOD and SSIMULACRA2 as `seen`.

    Beside doing nothing, which is the receiver's bilinear enlargement, stands a bicubic one of the same small frame.
    """
    students = _published(CALLERS)
    sizes = {name: {"parameters": parameters(load_network(name)[0])} for name in students}
    rows = []
    for call, (shrink, jpeg) in survey.CALLS.items():
        damage = recipes.fixed_call(shrink, jpeg)
        whole, middle = (list(_damaged(assets / "photos" / "val", damage, side)) for side in (None, EYE_SIDE))
        pairs, middles = _received(whole), _received(middle)
        measured = _measured(_classic(pairs) | students, pairs, middles)
        pairs, middles = _enlarged(whole, "bicubic"), _enlarged(middle, "bicubic")
        measured[2:2] = _measured(_classic(pairs, "bicubic"), pairs, middles)
        nothing = measured[0]["psnr_y"]
        ceiling = next((row["psnr_y"] for row in measured if row["method"] == CEILING), None)
        for row in measured:
            gain = row["psnr_y"] - nothing
            share = {} if ceiling is None else {"share_of_ceiling": gain / (ceiling - nothing)}
            rows.append({"call": call, "shrink": shrink, "jpeg": jpeg} | row)
            rows[-1] |= {"gain_db": gain} | share | sizes.get(row["method"], {})
    return rows


def small_frame(assets: Path) -> list[dict]:
    """The same calls from the small frame itself, as a receiver has it before it enlarges: the networks that do that.

    Beside them: bilinear and bicubic enlargement, and `call-s` on the bilinear one. Photographs are cropped to what all
    three ratios divide, so that doing nothing may differ from `calls` in the second decimal.
    """
    sharpeners, enlargers = _published(("call-s",)), _published(FROM_SMALL)
    rows = []
    for call, (shrink, jpeg) in survey.CALLS.items():
        damage = recipes.fixed_small_frame(shrink, jpeg)
        whole, middle = (list(_damaged(assets / "photos" / "val", damage, side)) for side in (None, EYE_SIDE))
        measured = []
        for receiver, more in (("bilinear", sharpeners), ("bicubic", {})):
            pairs, middles = _enlarged(whole, receiver), _enlarged(middle, receiver)
            measured += _measured(_classic(pairs, receiver) | more, pairs, middles)
        fitting = {name: student for name, student in enlargers.items() if student.scale == shrink}
        measured += _measured(fitting, _received(whole), _received(middle))
        for row in measured:
            gain = {"gain_db": row["psnr_y"] - measured[0]["psnr_y"]}
            rows.append({"call": call, "shrink": shrink, "jpeg": jpeg} | row | gain)
    return rows


def teachers(assets: Path) -> list[dict]:
    """Real-ESRGAN on what the receiver of those calls decodes, brought back to the frame's size: as `seen`."""
    rows = []
    for name in TEACHERS:
        there, why = choose(name)
        if why:
            log.warning("%s is not measured: %s", name, why)
            continue
        guide = load_teacher(there)
        for call, (shrink, jpeg) in survey.CALLS.items():
            damage = recipes.fixed_call(shrink, jpeg)
            photos = data.list_photos(assets / "photos" / "val")
            cuts = [evaluate.degraded_photo(path, damage, k, EYE_SIDE) for k, path in enumerate(photos)]
            pictures = [
                (hr, evaluate.teacher_picture(guide, small, hr)) for hr, _, small in tqdm(cuts, desc=name)
            ]
            measured = {"call": call, "shrink": shrink, "jpeg": jpeg, "method": name, "source": guide.source}
            rows.append(measured | seen(lambda picture: picture, pictures))
    return rows


def clean(assets: Path) -> list[dict]:
    """What a sharp frame that needs no help goes through: PSNR and SSIM of every sharpener's answer to it."""
    photos = map(data.read_image, data.list_photos(assets / "photos" / "val"))
    originals = [(hr, hr) for hr in photos]
    middles = [(cut, cut) for cut in (data.centre(hr, EYE_SIDE) for hr, _ in originals)]
    return [
        _mean(name, student, originals) | seen(student, middles)
        for name, student in _published((*CALLERS, "blur-s")).items()
    ]


def blurs(assets: Path) -> list[dict]:
    """Gaussian blur of sigma 0.5 to 2 without compression on photos/val: nothing, best unsharp mask, `blur-s`."""
    rows = []
    for sigma in (0.5, 1.0, 1.5, 2.0):
        damage = Blur("gaussian", (sigma, sigma))
        pairs, middles = (
            _received(list(_damaged(assets / "photos" / "val", damage, side))) for side in (None, EYE_SIDE)
        )
        measured = _measured(_classic(pairs) | _published(("blur-s",)), pairs, middles)
        rows += [{"sigma": sigma} | row for row in measured]
    return rows


def benchmarks(assets: Path) -> list[dict]:
    """Plain bicubic x2 and x4 on Set5, Set14 and BSD100: bicubic and our upscalers, PSNR and SSIM on Y."""
    rows = []
    for folder in ("Set5", "Set14", "BSD100"):
        for name in _published(UPSCALERS):
            found = evaluate.benchmark_rows(assets / "benchmarks" / folder, name)
            rows += [{"benchmark": folder} | row for row in found if row["method"] == name]
    return rows


def imitation(assets: Path) -> list[dict]:
    """How close to the teacher (realesr-general-x4v3) under Real-ESRGAN's damage, on Set14 and photos/val.

    Beside `x4-m`: bicubic, and realesr-animevideov3, the official small network. SSIM and PSNR on Y to the teacher's
    picture, and to the original. Frames of photos/val are their middle 512 pixels.
    """
    guide = load_teacher("realesr-general-x4v3")
    other = load_teacher("realesr-animevideov3")
    methods: dict[str, Callable] = {
        "bicubic": lambda small: evaluate.bicubic_upscale(small, 4),
        other.name: other.on_picture,
    } | _published(("x4-m", "x4-m-plain", "x4-m-fidelity", "x4-s"))
    rows = []
    for folder in ("benchmarks/Set14", "photos/val"):
        scores: dict[str, list[dict]] = {}
        for number, path in enumerate(data.list_photos(assets / folder)):
            damage = recipes.preset("real-esrgan").degradation
            hr, small, _ = evaluate.degraded_photo(path, damage, number, max_side=512)
            taught = guide.on_picture(small)
            pictures = {name: method(small) for name, method in methods.items()} | {"teacher": taught}
            for row in evaluate.compare(hr, pictures, {"teacher": taught}, border=4):
                scores.setdefault(row.pop("method"), []).append(row)
        rows += [{"photos": folder, "method": name} | _means(found) for name, found in scores.items()]
    return rows


def flicker(assets: Path) -> list[dict]:
    """How much the error jumps between frames of the clips of people at a camera, at a call of (2, 70), and JOD.

    JOD is that of the middle 384 pixels.
    """
    students = _published(CALLERS)
    guide = load_teacher("realesr-general-x4v3")
    rows = []
    for path in sorted((assets / "clips").glob("office-*.mkv"))[:2]:
        hr, received, taught = [], [], []
        for frame in _frames(path, FLICKER_FRAMES):
            made = degrade(data.to_tensor(frame), recipes.fixed_call(2, 70), torch.Generator().manual_seed(0))
            hr.append(frame)
            received.append(data.to_image(made.input))
            taught.append(data.to_image(target_for(guide, made.small, frame.shape[:2])))
        videos = {"nothing": received, "unsharp mask": [evaluate.unsharp(frame) for frame in received]}
        videos |= {name: [student(frame) for frame in received] for name, student in students.items()}
        videos["teacher"] = taught
        for name, video in videos.items():
            rows.append(
                {"clip": path.name, "method": name, "frames": len(hr), "flicker": rulers.flicker(video, hr)}
            )
            rows[-1] |= seen_video(video, hr, _rate(path))
    return rows


def categories(assets: Path) -> list[dict]:
    """The brief's own test: `survey.run` over photos/test and the drawn frames."""
    return survey.run(
        assets / "photos" / "test", _published(("call-s", "call-s-perceptual", "call-m", CEILING))
    )


SECTIONS: dict[str, Callable[[Path], list[dict]]] = {
    "calls": calls,
    "small_frame": small_frame,
    "teachers": teachers,
    "clean": clean,
    "blurs": blurs,
    "benchmarks": benchmarks,
    "imitation": imitation,
    "flicker": flicker,
    "categories": categories,
}


def seen(method: Callable, middles: list[Pair]) -> dict[str, float]:
    """JOD and SSIMULACRA2 of a method on (original, frame) pairs, and PSNR on Y of the same; {} without the extra.

    The pairs are the middle 384 pixels of photographs, damaged by themselves: small enough for every teacher.
    """
    if not evaluate.perception_at_hand():
        return {}
    measures = {"psnr_y_middle": _finite_psnr, "jod": evaluate.jod, "ssimulacra2": evaluate.ssimulacra2}
    pictures = [(method(frame), hr) for hr, frame in middles]
    return _means([{key: of(picture, hr) for key, of in measures.items()} for picture, hr in pictures])


def _finite_psnr(picture: np.ndarray, hr: np.ndarray) -> float:
    return min(UNTOUCHED, evaluate.psnr(picture, hr))


def seen_video(video: list[np.ndarray], originals: list[np.ndarray], rate: float) -> dict[str, float]:
    """JOD of the middle 384 pixels of a video; {} without the extra."""
    if not evaluate.perception_at_hand():
        return {}
    middles = [[data.centre(frame, EYE_SIDE) for frame in frames] for frames in (video, originals)]
    return {"jod": evaluate.jod_of_video(*middles, rate)}


def format_table(rows: list[dict]) -> str:
    """Rows of one section as aligned text, one column per key."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    short = [
        {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in row.items()}
        for row in rows
    ]
    return evaluate.text_table(short, {key: f"{{{key}}}" for key in keys})


def _published(names: tuple[str, ...]) -> dict[str, Callable]:
    """The sharpeners of these names that are published, in single precision; the ceiling in the fastest there is."""
    there = {path.stem for path in checkpoints.published()}
    fastest = [engine for engine in engines_at_hand() if not engine.endswith("-int8")][-1]
    return {
        name: load_student(name, "cpu", fastest if name == CEILING else "onnx")
        for name in names
        if name in there
    }


def _classic(pairs: list[Pair], receiver: str = "") -> dict[str, Callable]:
    """Frames as a receiver shows them ("nothing" where it has no name), and the unsharp mask that suits them best."""
    (radius, amount), _ = evaluate.best_unsharp(pairs)
    mask = partial(evaluate.unsharp, radius=radius, amount=amount)
    masked = f"{receiver} + best unsharp" if receiver else "best unsharp"
    return {receiver or "nothing": lambda frame: frame, f"{masked} ({radius}, {amount})": mask}


def _damaged(folder: Path, settings: Degradation, side: int | None) -> Iterator[tuple[np.ndarray, ...]]:
    """(original, received, small frame) of every photograph, or of its middle `side` pixels; `uint8` RGB."""
    for number, path in enumerate(data.list_photos(folder)):
        yield evaluate.degraded_photo(path, settings, number, side)


def _received(damaged: list[tuple[np.ndarray, ...]]) -> list[Pair]:
    return [(hr, received) for hr, received, _ in damaged]


def _enlarged(damaged: list[tuple[np.ndarray, ...]], receiver: str) -> list[Pair]:
    """(original, small frame as this receiver enlarges it)."""
    return [
        (hr, data.to_image(enlarge(data.to_tensor(small), hr.shape[:2], receiver)))
        for hr, _, small in damaged
    ]


def _measured(methods: dict[str, Callable], pairs: list[Pair], middles: list[Pair]) -> list[dict]:
    """A row for each method: its mean scores over pairs, and as `seen` in the middles."""
    return [_mean(name, method, pairs) | seen(method, middles) for name, method in methods.items()]


def _mean(name: str, method: Callable, pairs: list[Pair]) -> dict:
    """The mean scores of a method over pairs."""
    scores = []
    for hr, frame in tqdm(pairs, desc=name, leave=False):
        picture = method(frame)
        score = {
            "psnr_y": _finite_psnr(picture, hr),
            "ssim_y": evaluate.ssim(picture, hr),
        }
        try:
            score["niqe"] = rulers.niqe(data.centre(picture, NIQE_SIDE))
        except KdsharpError as error:  # no basicsr, or a small picture: the rest is measured
            log.debug("%s", error)
        scores.append(score)
    return {"method": name} | _means(scores)


def _means(rows: list[dict]) -> dict[str, float]:
    """Means of what was measured for every picture."""
    shared = [key for key in rows[0] if all(key in row for row in rows)]
    return {key: float(np.mean([row[key] for row in rows])) for key in shared}


def _frames(path: Path, count: int) -> Iterator[np.ndarray]:
    """The first frames of a video, `uint8` RGB, sides cropped to a multiple of 4."""
    video = cv2.VideoCapture(str(path))
    try:
        for _ in range(count):
            good, frame = video.read()
            if not good:
                break
            yield data.crop_to_multiple(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), 4)
    finally:
        video.release()


def _rate(path: Path) -> float:
    """Frames a second of a video."""
    video = cv2.VideoCapture(str(path))
    try:
        return video.get(cv2.CAP_PROP_FPS)
    finally:
        video.release()


def write(sections: list[str], path: Path | None = None) -> None:
    """Measure and write section by section, so that what is measured is kept if a later one is stopped.

    Raises KdsharpError for an unknown section, or without KDSHARP_ASSETS.
    """
    assets = files.assets_dir()
    if assets is None:
        raise KdsharpError("The report needs real photographs: set KDSHARP_ASSETS to their folder.")
    path = path or files.root() / "figures" / "results.json"
    for section, rows in run(assets, sections):
        print(f"\n{section}\n{format_table(rows)}", flush=True)
        known = files.read_json(path) if path.exists() else {}
        files.write_json(path, known | {section: rows})


def main(arguments: list[str] | None = None) -> None:
    """The command of this file's first lines; a KdsharpError ends it with its sentence."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; all by default"
    )
    parser.add_argument("--json", type=Path, help="default: figures/results.json")
    chosen = parser.parse_args(arguments)
    try:
        write(chosen.sections, chosen.json)
    except KdsharpError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
