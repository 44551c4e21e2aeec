"""PSNR and SSIM reproduce the published tables; figures and speed show what was measured."""

import json
from pathlib import Path

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from kdsharp import checkpoints, data, evaluate, figures, recipes, speed, student
from kdsharp.degrade import degrade
from kdsharp.errors import KdsharpError

# PSNR dB / SSIM on Y of bicubic enlargement: the rows that papers share (SRCNN, VDSR, LapSRN and later).
PUBLISHED = {
    "Set5": {2: (33.66, 0.9299), 3: (30.39, 0.8682), 4: (28.42, 0.8104)},
    "Set14": {2: (30.24, 0.8688), 3: (27.55, 0.7742), 4: (26.00, 0.7027)},
    "BSD100": {2: (29.56, 0.8431), 3: (27.21, 0.7385), 4: (25.96, 0.6675)},
}


@pytest.mark.heavy
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_bicubic_rows(assets: Path, name: str, scale: int) -> None:
    psnr, ssim = evaluate.bicubic_benchmark(assets / "benchmarks" / name, scale)
    assert psnr == pytest.approx(PUBLISHED[name][scale][0], abs=0.05)
    assert ssim == pytest.approx(PUBLISHED[name][scale][1], abs=0.002)


def test_psnr_equals_scikit_image_and_border_is_left_out(picture: np.ndarray) -> None:
    noisy = np.clip(picture + np.random.default_rng(0).normal(0, 8, picture.shape), 0, 255).astype(np.uint8)
    expected = peak_signal_noise_ratio(picture, noisy, data_range=255)
    assert evaluate.psnr(picture, noisy, channel="rgb") == pytest.approx(expected)
    framed = picture.copy()
    framed[:4] = framed[-4:] = framed[:, :4] = framed[:, -4:] = 0
    assert evaluate.psnr(picture, framed, border=4) == float("inf")
    assert evaluate.psnr(picture, framed, border=3) < 60


def test_luma_is_studio_range() -> None:
    corners = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0]]], np.uint8)
    assert np.allclose(evaluate.luma(corners), [[16, 235, 81.481]])


def test_ssim_is_one_for_equal_and_falls_with_blur(picture: np.ndarray) -> None:
    soft = evaluate.unsharp(picture, 2.0, -0.8)
    assert evaluate.ssim(picture, picture) == pytest.approx(1)
    assert evaluate.ssim(picture, soft) < 0.95


def test_basicsr_agrees(picture: np.ndarray) -> None:
    from kdsharp.reference import import_upstream

    try:
        import_upstream()
    except KdsharpError as error:
        pytest.skip(str(error))
    from basicsr.metrics import calculate_psnr, calculate_ssim

    soft = evaluate.unsharp(picture, 1.0, -0.6)
    bgr = [np.ascontiguousarray(image[..., ::-1]) for image in (soft, picture)]
    for ours, theirs in ((evaluate.psnr, calculate_psnr), (evaluate.ssim, calculate_ssim)):
        expected = theirs(*bgr, crop_border=4, test_y_channel=True)
        assert ours(soft, picture, 4) == pytest.approx(expected, abs=2e-3)


def test_unsharp_helps_a_mild_blur(picture: np.ndarray) -> None:
    soft = evaluate.unsharp(picture, 1.0, -0.6)
    sharpened = evaluate.unsharp(soft, 1.5, 0.7)
    assert evaluate.psnr(sharpened, picture) > evaluate.psnr(soft, picture)


def test_rows_compare_with_hr_and_with_the_teacher() -> None:
    from kdsharp.teacher import Teacher

    recipe = recipes.preset("video-call", "quick")
    guide = Teacher("plain", 4, lambda x: x.repeat_interleave(4, 2).repeat_interleave(4, 3))
    rows = evaluate.evaluate_student(
        lambda image: image,
        recipe,
        data.embedded_photos("val")[:1],
        evaluate.fixed_call(),
        0,
        guide,
        max_side=160,
    )
    by_name = {row["method"]: row for row in rows}
    assert list(by_name) == ["input (nothing)", "unsharp mask", "student", "teacher"]
    assert by_name["student"] == by_name["input (nothing)"] | {"method": "student"}
    assert "psnr_y_teacher" in by_name["student"] and "psnr_y_teacher" not in by_name["teacher"]
    assert "input (nothing)" in evaluate.format_table(rows)


def test_wrong_comparisons_are_explained(picture: np.ndarray) -> None:
    with pytest.raises(KdsharpError, match="one size"):
        evaluate.psnr(picture, picture[1:])
    with pytest.raises(KdsharpError, match="no channel"):
        evaluate.psnr(picture, picture, channel="cmyk")
    with pytest.raises(KdsharpError, match="border"):
        evaluate.psnr(picture[:6, :6], picture[:6, :6], border=3)


def test_speed_rows_have_their_schema(tmp_path: Path) -> None:
    recipe = recipes.preset("video-call")
    path = checkpoints.save(tmp_path / "s.safetensors", student.build(recipe.student), recipe)
    rows = speed.measure([str(path)], repeats=2, size=(64, 96))
    assert {(row["engine"], row["what"]) for row in rows if row["device"] == "cpu"} == {
        ("torch", "end to end"), ("torch", "network"), ("onnx", "end to end"), ("onnx", "network")
    }  # fmt: skip
    for row in rows:
        assert set(row) == {"network", "engine", "device", "what", "ms", "fps"}
        assert row["ms"] > 0 and row["fps"] == pytest.approx(1000 / row["ms"], rel=0.05)
    json.dumps(rows), json.dumps(speed.hardware())
    assert "1920x1080" in speed.format_table(rows)


def test_time_call_measures_time() -> None:
    import time

    assert 18 < speed.time_call(lambda: time.sleep(0.02), repeats=3) < 60


def test_figures_show_their_pictures(tmp_path: Path, picture: np.ndarray) -> None:
    import torch

    from kdsharp.course import is_blank

    batch = data.to_tensor(picture[:128, :160])
    history = [{"step": step, "loss": 1 / step, "val_psnr": 30 + step} for step in (1, 2, 3)]
    made = {
        "side": figures.side_by_side(
            {"b": picture[::2, ::2], "a": picture}, (20, 30, 60), {"a": "30 dB"}, "t"
        ),
        "stages": figures.stages(degrade(batch, recipes.VideoCall(), torch.Generator().manual_seed(0))),
        "kernels": figures.kernels_grid(torch.rand(3, 21, 21)),
        "curves": figures.curves(history),
        "bars": figures.bars({"a": 1.0, "b": 300.0}, "ms", {"60 FPS": 16.7}, logarithmic=True),
        "tradeoff": figures.tradeoff({"a": (1, 30), "b": (9, 31)}, "ms", "dB"),
    }
    for name, figure in made.items():
        assert not is_blank(figures.save(figure, tmp_path / f"{name}.png").read_bytes())
    zoomed = made["side"].axes[3].images[0].get_array()
    assert np.array_equal(zoomed, picture[20:80, 30:90])
    assert made["side"].axes[2].images[0].get_array().shape[:2] == (30, 30)
    with pytest.raises(KdsharpError, match="history"):
        figures.curves([])
