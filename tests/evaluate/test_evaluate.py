"""PSNR and SSIM reproduce the published tables; figures show what was measured."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from kdsharp import data, evaluate, recipes
from kdsharp.course import figures
from kdsharp.degradation import degrade
from kdsharp.errors import KdsharpError
from kdsharp.evaluate.benchmarks import published_luma

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


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_published_bicubic_rows_of_the_smallest_set(assets: Path, scale: int) -> None:
    psnr, ssim = evaluate.bicubic_benchmark(assets / "benchmarks" / "Set5", scale)
    assert (psnr, ssim) == (
        pytest.approx(PUBLISHED["Set5"][scale][0], abs=0.02),
        pytest.approx(PUBLISHED["Set5"][scale][1], abs=0.0005),
    )


def test_a_grey_file_is_its_own_luma(tmp_path: Path, picture: np.ndarray) -> None:
    """Squeezing the one grey file of Set14 into the studio range would add 0.09 dB to its mean."""
    grey = picture[..., 1]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(np.repeat(grey[..., None], 3, 2)).save(tmp_path / "colour.png")
    assert np.array_equal(published_luma(tmp_path / "grey.png"), grey)
    squeezed = published_luma(tmp_path / "colour.png")
    assert np.array_equal(squeezed, np.rint(16 + grey.astype(float) * 219 / 255).astype(np.uint8))


def test_psnr_and_ssim_by_hand() -> None:
    flat, other = np.full((32, 32, 3), 100, np.uint8), np.full((32, 32, 3), 110, np.uint8)
    assert evaluate.psnr(flat, other, channel="rgb") == pytest.approx(10 * np.log10(255**2 / 100))
    # 10 levels of RGB are 10 x 219/255 levels of studio luma.
    assert evaluate.psnr(flat, other) == pytest.approx(20 * np.log10(255 / (10 * 219 / 255)))
    # Between flat pictures only the luminance term of Wang et al. is left: (2ab + C1) / (a^2 + b^2 + C1).
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 110 + c1) / (100**2 + 110**2 + c1)
    assert evaluate.ssim(flat, other, channel="rgb") == pytest.approx(expected)
    assert evaluate.psnr(flat, other) == evaluate.psnr(other, flat)


def test_ssim_equals_scikit_image_on_rgb(picture: np.ndarray) -> None:
    soft = evaluate.unsharp(picture, 1.0, -0.6)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    inner = slice(3, -3)
    planes = [
        structural_similarity(
            soft[inner, inner, k].astype(float), picture[inner, inner, k].astype(float), **options
        )
        for k in range(3)
    ]
    assert evaluate.ssim(soft, picture, 3, "rgb") == pytest.approx(np.mean(planes))


def test_network_benchmark_gives_the_network_the_shrunk_picture(tmp_path: Path, picture: np.ndarray) -> None:
    Image.fromarray(picture).save(tmp_path / "one.png")
    seen = []

    def upscale(small: np.ndarray) -> np.ndarray:
        seen.append(small)
        return evaluate.bicubic_upscale(small, 4)

    psnr, ssim = evaluate.network_benchmark(upscale, tmp_path, 4)
    assert seen[0].shape == (75, 112, 3) and seen[0].dtype == np.uint8
    hr = picture[:300, :448]
    expected = evaluate.bicubic_upscale(evaluate.bicubic_shrink(hr, 4), 4)
    assert (psnr, ssim) == (evaluate.psnr(expected, hr, 4), evaluate.ssim(expected, hr, 4))
    # Resizing RGB and resizing luma differ by rounding only.
    assert psnr == pytest.approx(evaluate.bicubic_benchmark(tmp_path, 4)[0], abs=0.05)


@pytest.mark.heavy
def test_published_teacher_beats_bicubic_on_set14(assets: Path) -> None:
    rows = evaluate.benchmark_rows(assets / "benchmarks" / "Set14", "teacher-x4")
    published, rgb, network = (row["psnr_y"] for row in rows)
    assert published == evaluate.bicubic_benchmark(assets / "benchmarks" / "Set14", 4)[0]
    assert rgb == pytest.approx(published, abs=0.15)
    assert network > max(published, rgb) + 0.5


def test_a_sharpener_has_no_benchmark(tmp_path: Path) -> None:
    with pytest.raises(KdsharpError, match="does not upscale"):
        evaluate.benchmark_rows(tmp_path, "call-s")


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_resizing_leaves_flat_pictures_flat_to_the_border(scale: int) -> None:
    flat = np.full((12 * scale, 9 * scale, 3), (3, 120, 255), np.uint8)
    small = evaluate.bicubic_shrink(flat, scale)
    assert small.shape == (12, 9, 3) and np.array_equal(small, flat[:12, :9])
    assert np.array_equal(evaluate.bicubic_upscale(small, scale), flat)


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
    from kdsharp.teacher.reference import import_upstream

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


def test_the_best_unsharp_mask_finds_the_one_that_was_applied() -> None:
    photo = data.read_image(data.embedded_photos("val")[1])[:120, :120]
    (radius, amount), score = evaluate.best_unsharp([(evaluate.unsharp(photo, 2.0, 1.0), photo)])
    assert (radius, amount) == (2.0, 1.0) and score == float("inf")


def test_unsharp_helps_a_mild_blur(picture: np.ndarray) -> None:
    soft = evaluate.unsharp(picture, 1.0, -0.6)
    sharpened = evaluate.unsharp(soft, 1.5, 0.7)
    assert evaluate.psnr(sharpened, picture) > evaluate.psnr(soft, picture)


def test_rows_compare_with_hr_and_with_the_teacher() -> None:
    from kdsharp.teacher import Teacher

    guide = Teacher("plain", 4, lambda x: x.repeat_interleave(4, 2).repeat_interleave(4, 3))
    rows = evaluate.evaluate_student(
        lambda image: image,
        data.embedded_photos("val")[:1],
        recipes.fixed_call(),
        0,
        guide,
        max_side=160,
    )
    by_name = {row["method"]: row for row in rows}
    assert list(by_name) == ["input (nothing)", "unsharp mask", "student", "teacher"]
    assert by_name["student"] == by_name["input (nothing)"] | {"method": "student"}
    assert "psnr_y_teacher" in by_name["student"] and "psnr_y_teacher" not in by_name["teacher"]
    assert "input (nothing)" in evaluate.format_table(rows)


def test_methods_are_measured_under_their_names() -> None:
    photos, call = data.embedded_photos("val")[:1], recipes.fixed_call()
    methods = {"as it came": lambda image: image, "softer": lambda image: evaluate.unsharp(image, 1.0, -0.6)}
    rows = evaluate.evaluate_methods(methods, photos, call, max_side=160)
    hr, received, _ = evaluate.degraded_photo(photos[0], call, 0, 160)
    expected = [evaluate.psnr(method(received), hr) for method in methods.values()]
    assert [row["method"] for row in rows] == list(methods)
    assert [row["psnr_y"] for row in rows] == pytest.approx(expected) and expected[0] > expected[1]


def test_references_add_their_columns(picture: np.ndarray) -> None:
    soft = evaluate.unsharp(picture, 1.0, -0.6)
    rows = evaluate.compare(picture, {"soft": soft, "guide": picture[::-1]}, {"guide": soft}, border=2)
    assert [row["method"] for row in rows] == ["soft", "guide"]
    assert rows[0]["psnr_y"] == evaluate.psnr(soft, picture, 2)
    assert "psnr_y_guide" not in rows[0]  # the same picture: not compared with itself
    assert rows[1]["ssim_y_guide"] == evaluate.ssim(picture[::-1], soft, 2)


def test_upscaling_is_compared_with_bicubic_at_any_crop() -> None:
    photos = data.embedded_photos("val")[:2]
    settings = recipes.Downscale(scale=4)

    def student(small: np.ndarray) -> np.ndarray:
        return evaluate.bicubic_upscale(small, 4)

    rows = evaluate.evaluate_student(student, photos, settings, max_side=150)
    by_name = {row.pop("method"): row for row in rows}
    assert list(by_name) == ["bicubic", "unsharp mask", "student"]
    assert by_name["student"] == by_name["bicubic"]
    assert by_name["student"]["max_side"] == 148  # what the scale divides
    hr, small, _ = evaluate.degraded_photo(photos[0], settings, 0, 150)
    assert hr.shape[:2] == (148, 148) and small.shape[:2] == (37, 37)
    # The mean over photographs, inside a border of `scale` pixels.
    singles = []
    for photo in photos:
        hr, small, _ = evaluate.degraded_photo(photo, settings, 0, 150)
        singles.append(evaluate.psnr(evaluate.bicubic_upscale(small, 4), hr, border=4))
    assert by_name["bicubic"]["psnr_y"] == pytest.approx(np.mean(singles))


def test_degradation_of_an_evaluation_is_fixed_by_its_seed() -> None:
    photo = data.embedded_photos("val")[0]
    chancy = recipes.VideoCall()
    first, again, other = (evaluate.degraded_photo(photo, chancy, seed, 128)[1] for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    # Photo k of an evaluation draws from seed + k: the same photo twice meets two different calls.
    twice = evaluate.evaluate_student(lambda x: x, [photo, photo], chancy, 1, max_side=128)[0]
    hr = evaluate.degraded_photo(photo, chancy, 1, 128)[0]
    assert twice["psnr_y"] == pytest.approx(np.mean([evaluate.psnr(x, hr) for x in (first, other)]))
    fixed = [evaluate.degraded_photo(photo, recipes.fixed_call(), seed, 128)[1] for seed in (1, 2)]
    assert np.array_equal(*fixed)  # no chance is left in a fixed call


def test_the_crop_is_said_and_only_then() -> None:
    photos = data.embedded_photos("val")[:1]
    cropped = evaluate.evaluate_student(lambda x: x, photos, recipes.fixed_call(), max_side=64)
    assert "the middle 64" in evaluate.format_table(cropped)
    whole = [{key: value for key, value in row.items() if key != "max_side"} for row in cropped]
    assert "middle" not in evaluate.format_table(whole)


def test_wrong_comparisons_are_explained(picture: np.ndarray) -> None:
    with pytest.raises(KdsharpError, match="one size"):
        evaluate.psnr(picture, picture[1:])
    with pytest.raises(KdsharpError, match="no channel"):
        evaluate.psnr(picture, picture, channel="cmyk")
    with pytest.raises(KdsharpError, match="border"):
        evaluate.psnr(picture[:6, :6], picture[:6, :6], border=3)
    with pytest.raises(KdsharpError, match="11 pixels"):
        evaluate.ssim(picture[:16, :16], picture[:16, :16], border=3)
    with pytest.raises(KdsharpError, match="no photograph"):
        evaluate.evaluate_student(lambda x: x, [], recipes.fixed_call())
    photos = data.embedded_photos("val")[:1]
    with pytest.raises(KdsharpError, match="one size"):  # a student that returns another size
        evaluate.evaluate_student(lambda x: x[1:], photos, recipes.fixed_call(), max_side=64)


def test_figures_show_their_pictures(tmp_path: Path, picture: np.ndarray) -> None:
    import torch

    from kdsharp.course.runner import is_blank

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


@pytest.mark.parametrize("crop", [(300, 450), (300, 449), (299, 451)])
def test_enlarging_by_three_halves_is_pillows_bicubic(crop: tuple[int, int], picture: np.ndarray) -> None:
    """Pillow's has the same a = -0.5; of odd sides it is given one pixel more, so that its phases stay whole."""
    image = picture[: crop[0], : crop[1]]
    even = np.pad(image, ((0, crop[0] % 2), (0, crop[1] % 2), (0, 0)), mode="symmetric")
    size = tuple(3 * side // 2 for side in even.shape[1::-1])
    expected = np.array(Image.fromarray(even).resize(size, Image.Resampling.BICUBIC)).astype(int)
    found = evaluate.bicubic_upscale(image, 1.5)
    assert found.shape[:2] == ((3 * crop[0] + 1) // 2, (3 * crop[1] + 1) // 2)
    inside = (slice(6, found.shape[0] - 6), slice(6, found.shape[1] - 6))
    assert np.abs(found[inside] - expected[inside]).max() <= 1


def test_shrinking_by_three_halves_is_pillows_bicubic(picture: np.ndarray) -> None:
    image = picture[:300, :450]
    expected = np.array(Image.fromarray(image).resize((300, 200), Image.Resampling.BICUBIC)).astype(int)
    found = evaluate.bicubic_shrink(image, 1.5)
    assert found.shape == (200, 300, 3)
    assert np.abs(found[4:-4, 4:-4] - expected[4:-4, 4:-4]).max() <= 1


def test_of_three_halves_two_pixels_of_border_are_not_measured() -> None:
    """A student that is right but for its outermost two pixels is right; one of a third is not."""
    photos = data.embedded_photos("val")[:1]
    settings = recipes.fixed_small_frame(1.5, 85)
    hr = evaluate.degraded_photo(photos[0], settings, 0, 120)[0]

    def framed(width: int) -> np.ndarray:
        spoiled = hr.copy()
        spoiled[:width] = spoiled[-width:] = spoiled[:, :width] = spoiled[:, -width:] = 0
        return spoiled

    students = {"two": lambda small: framed(2), "three": lambda small: framed(3)}
    rows = evaluate.evaluate_student(students["two"], photos, settings, others=students, max_side=120)
    found = {row["method"]: row["psnr_y"] for row in rows}
    assert found["two"] == float("inf") and found["three"] < 40
    assert 20 < found["bicubic"] < found["two"] and hr.shape[:2] == (120, 120)
