"""JOD and SSIMULACRA2: the original has the most, more damage has less, flicker costs, and nothing is said aloud."""

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdsharp import data, evaluate, recipes
from kdsharp.errors import KdsharpError

needs_the_extra = pytest.mark.skipif(not evaluate.perception_at_hand(), reason="needs the extra `perception`")
NOISE = np.random.default_rng(0).normal(0, 1, (256, 256, 3))


@pytest.fixture(scope="module")
def original() -> np.ndarray:
    """A head and shoulders, 256 pixels a side."""
    return np.ascontiguousarray(data.centre(data.read_image(data.embedded_photos("val")[0]), 256))


def blurred(picture: np.ndarray, radius: float) -> np.ndarray:
    return evaluate.unsharp(picture, radius, -0.95)  # a negative amount blurs


def noisy(picture: np.ndarray, sigma: float) -> np.ndarray:
    return np.clip(picture + sigma * NOISE, 0, 255).astype(np.uint8)


@needs_the_extra
@pytest.mark.parametrize(("measure", "most"), [(evaluate.jod, 10), (evaluate.ssimulacra2, 100)])
def test_the_original_has_the_most_and_more_damage_has_less(
    measure, most: float, original: np.ndarray
) -> None:
    assert measure(original, original) == pytest.approx(most, abs=1e-3)
    for damaged in (blurred, noisy):
        scores = [measure(damaged(original, strength), original) for strength in (0.8, 2, 6)]
        assert most > scores[0] > scores[1] > scores[2], damaged.__name__


@needs_the_extra
def test_both_turn_with_the_picture(original: np.ndarray) -> None:
    """Left and right are alike to an eye: a picture and its mirror image score the same."""
    soft = blurred(original, 2)
    for measure, slack in ((evaluate.jod, 0.02), (evaluate.ssimulacra2, 0.5)):
        mirrored = measure(soft[:, ::-1], original[:, ::-1])
        assert mirrored == pytest.approx(measure(soft, original), abs=slack)


@needs_the_extra
def test_a_finer_display_hides_more(original: np.ndarray) -> None:
    soft = blurred(original, 2)
    assert evaluate.jod(soft, original, "standard_4k") > evaluate.jod(soft, original)
    with pytest.raises(KdsharpError, match="no display 'a wall'"):
        evaluate.jod(soft, original, "a wall")


@needs_the_extra
def test_ssimulacra2_is_that_of_its_own_command(original: np.ndarray, tmp_path) -> None:
    soft = blurred(original, 2)
    files = [tmp_path / "original.png", tmp_path / "soft.png"]
    for path, picture in zip(files, (original, soft), strict=True):
        data.write_image(path, picture)
    program = "import sys; from ssimulacra2.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, files)], capture_output=True, text=True, check=True
    )
    assert evaluate.ssimulacra2(soft, original) == pytest.approx(float(done.stdout.split()[-1]), abs=1e-4)


@needs_the_extra
@pytest.mark.heavy
@pytest.mark.parametrize(("quality", "published"), [(20, 30), (35, 50)])
def test_ssimulacra2_of_jpeg_is_what_its_authors_say(quality: int, published: float, assets: Path) -> None:
    """libjpeg-turbo with 4:2:0 is on average at 30 with quality 20, and at 50 with 35; photographs differ."""
    scores = []
    for path in data.list_photos(assets / "photos" / "val"):
        photo = data.centre(data.read_image(path), 512)
        coded = BytesIO()
        Image.fromarray(photo).save(coded, "JPEG", quality=quality, subsampling=2)
        scores.append(evaluate.ssimulacra2(np.array(Image.open(coded)), photo))
    assert np.mean(scores) == pytest.approx(published, abs=6)


@needs_the_extra
def test_flicker_costs_and_a_still_video_is_whole(original: np.ndarray) -> None:
    """Every frame is a little too bright, or one brighter and one darker by turns: only the second flickers."""
    still = [data.centre(original, 96)] * 12
    steady = [np.clip(frame.astype(int) + 6, 0, 255).astype(np.uint8) for frame in still]
    turns = [
        np.clip(frame.astype(int) + 6 * (-1) ** k, 0, 255).astype(np.uint8) for k, frame in enumerate(still)
    ]
    assert evaluate.jod_of_video(still, still, 25) == pytest.approx(10, abs=1e-3)
    flickering = evaluate.jod_of_video(iter(turns), iter(still), 25)
    assert flickering < evaluate.jod_of_video(steady, still, 25) < 10


@needs_the_extra
def test_a_table_has_both_where_asked() -> None:
    photos, damage = data.embedded_photos("val")[:1], recipes.fixed_call()
    rows = evaluate.evaluate_student(lambda x: x, photos, damage, max_side=128, perception=True)
    hr, frame, _ = evaluate.degraded_photo(photos[0], damage, 0, 128)
    assert rows[0]["jod"] == pytest.approx(evaluate.jod(frame, hr))
    assert rows[0]["ssimulacra2"] == pytest.approx(evaluate.ssimulacra2(frame, hr))
    header = evaluate.format_table(rows).splitlines()[0]
    assert "jod" in header and "ssimulacra2" in header
    without = evaluate.evaluate_student(lambda x: x, photos, damage, max_side=128)
    assert "jod" not in evaluate.format_table(without)


def test_what_cannot_be_compared_is_one_sentence(original: np.ndarray) -> None:
    for measure in (evaluate.jod, evaluate.ssimulacra2):
        with pytest.raises(KdsharpError, match="one size"):
            measure(original[:100], original)
        with pytest.raises(KdsharpError, match="uint8 RGB"):
            measure(original / 255, original / 255)
        with pytest.raises(KdsharpError, match="uint8 RGB"):
            measure(original[..., 0], original[..., 0])
        with pytest.raises(KdsharpError, match="16 pixels"):
            measure(original[:8], original[:8])
    for frames, originals, rate, match in (
        ([original], [original], 25, "two frames"),
        ([original] * 3, [original] * 2, 25, "3 frames"),
        ([original] * 2, [original] * 2, 0, "rate"),
        ([original, original[:99]], [original, original[:99]], 25, "one size"),
    ):
        with pytest.raises(KdsharpError, match=match):
            evaluate.jod_of_video(frames, originals, rate)


def test_without_the_extra_it_is_named(original: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pycvvdp", "ssimulacra2"):
        monkeypatch.setitem(sys.modules, name, None)
    for measure in (evaluate.jod, evaluate.ssimulacra2):
        with pytest.raises(KdsharpError, match=r"kdsharp\[perception\]"):
            measure(original, original)


@needs_the_extra
@pytest.mark.heavy
def test_nothing_is_said_aloud_and_logging_stays_as_it_was(original: np.ndarray) -> None:
    """A black frame makes ColorVideoVDP warn, and its first word would set up Python's logging for everybody."""
    program = """
import logging, numpy as np
from kdsharp import evaluate
black = np.zeros((64, 64, 3), np.uint8)
evaluate.jod(black, black), evaluate.jod_of_video([black] * 2, [black] * 2, 25), evaluate.ssimulacra2(black, black)
assert not logging.getLogger().handlers and logging.getLogger("kdsharp").isEnabledFor(logging.WARNING)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
