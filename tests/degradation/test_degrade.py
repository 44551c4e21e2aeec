"""Properties of the degradations: seeded, bounded, per image, and as strong as asked."""

import cv2
import numpy as np
import pytest
import torch

from kdsharp import data, degradation, evaluate, recipes
from kdsharp.degradation import add_noise, add_poisson_noise, degrade, resize
from kdsharp.errors import KdsharpError
from kdsharp.recipes.degradations import Blur, Camera, Downscale, Pairs, RealEsrgan, VideoCall

ALL = [Downscale(dirty_share=0.5), VideoCall(), RealEsrgan(), RealEsrgan(scale=2), Blur(), Blur("motion", (3, 9)),
       Blur("defocus", (1, 4)), Camera()]  # fmt: skip


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def hr(picture: np.ndarray) -> torch.Tensor:
    return torch.cat([data.to_tensor(picture[:128, :160]), data.to_tensor(picture[100:228, 200:360])])


@pytest.mark.parametrize("settings", ALL, ids=str)
def test_shapes_ranges_and_seeds(hr: torch.Tensor, settings) -> None:
    out = degrade(hr, settings, seeded())
    scale = getattr(settings, "scale", 1)
    assert out.input.shape == (2, 3, 128 // scale, 160 // scale)
    for stage in out.stages.values():
        assert stage.isfinite().all() and stage.min() >= 0 and stage.max() <= 1
    assert torch.equal(out.input, degrade(hr, settings, seeded()).input)
    assert not torch.equal(out.input, degrade(hr, settings, seeded(1)).input)
    assert torch.allclose(
        out.input * 255, (out.input * 255).round(), atol=1e-3
    )  # what an 8-bit frame can hold
    assert next(iter(out.stages.values())) is hr


@pytest.mark.parametrize("settings", ALL, ids=str)
def test_chance_comes_from_the_generator_alone(hr: torch.Tensor, settings) -> None:
    """Neither from PyTorch's own chance nor from earlier pictures; and the same steps are drawn each time."""
    torch.manual_seed(1)
    one, other, before = seeded(), seeded(), torch.get_rng_state()
    first = degrade(hr, settings, one)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    degrade(hr, settings, seeded(5))
    second = degrade(hr, settings, other)
    assert list(first.stages) == list(second.stages)
    for stage, same in zip(first.stages.values(), second.stages.values(), strict=True):
        assert torch.equal(stage, same)
    assert torch.equal(one.get_state(), other.get_state())


def test_the_damage_of_pairs_is_the_files_own(hr: torch.Tensor) -> None:
    out = degrade(torch.cat([hr, hr.flip(-1)], dim=1), Pairs(), seeded())
    assert torch.equal(out.stages["original"], hr) and torch.equal(out.input, hr.flip(-1))
    assert torch.equal(out.small, out.input)


def test_all_that_recipes_name_can_be_done(hr: torch.Tensor) -> None:
    for name, kind in recipes.DEGRADATIONS.items():
        batch = torch.cat([hr, hr], dim=1) if name == "pairs" else hr
        assert degrade(batch, kind(), seeded()).input.ndim == 4


def test_a_name_is_not_given_twice() -> None:
    with pytest.raises(KdsharpError, match="degradation 'blur' already"):
        degradation.register("blur", Camera)
    assert recipes.DEGRADATIONS["blur"] is Blur


def test_settings_of_no_degradation_are_named(hr: torch.Tensor) -> None:
    with pytest.raises(KdsharpError, match=r"Blurred.*no degradation"):
        degrade(hr, type("Blurred", (), {"__repr__": lambda _: "Blurred()"})(), seeded())


def test_a_worse_call_is_worse(hr: torch.Tensor) -> None:
    def quality(shrink: float, jpeg: float) -> float:
        result = degrade(hr, recipes.fixed_call(shrink, jpeg), seeded()).input
        return evaluate.psnr(data.to_image(result[:1]), data.to_image(hr[:1]))

    assert quality(1.5, 85) > quality(2, 70) > quality(3, 50)


def test_video_call_is_the_opencv_chain(picture: np.ndarray) -> None:
    """Shrink by area, JPEG, enlarge bilinearly: the same as OpenCV and libjpeg do, but for rounding."""
    import cv2

    image = np.ascontiguousarray(picture[:256, :320])
    small = cv2.resize(image, (160, 128), interpolation=cv2.INTER_AREA)
    coded = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 70])[1]
    decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1]
    expected = cv2.resize(decoded, (320, 256), interpolation=cv2.INTER_LINEAR)
    ours = data.to_image(degrade(data.to_tensor(image), recipes.fixed_call(2, 70), seeded()).input)
    assert evaluate.psnr(ours, expected) > evaluate.psnr(expected, image) + 8


def test_noise_is_as_strong_as_asked_and_grey_where_asked() -> None:
    flat = torch.full((2, 3, 200, 200), 0.5)
    noisy = add_noise(flat, torch.tensor([0.02, 0.06]), torch.tensor([False, True]), seeded()) - flat
    assert noisy[0].std().item() == pytest.approx(0.02, rel=0.03)
    assert noisy[1].std().item() == pytest.approx(0.06, rel=0.03)
    assert torch.equal(noisy[1, 0], noisy[1, 2]) and not torch.equal(noisy[0, 0], noisy[0, 2])


def test_shot_noise_grows_with_brightness() -> None:
    ramp = torch.linspace(0.05, 0.9, 256).expand(1, 3, 256, 256).clone()
    noise = add_poisson_noise(ramp, torch.tensor([1.0]), torch.tensor([False]), seeded()) - ramp
    dark, bright = noise[..., 20:60].var(), noise[..., 180:220].var()
    expected = ramp[..., 180:220].mean() / ramp[..., 20:60].mean()
    assert (bright / dark).item() == pytest.approx(expected.item(), rel=0.15)


def test_a_leaning_blur_is_mostly_light(hr: torch.Tensor) -> None:
    """Light blurs keep more of a picture's contrast; amounts stay within their bounds."""
    many = hr[:1, :, :32, :32].expand(200, -1, -1, -1)
    even, leaning = (degrade(many, Blur("gaussian", (0.5, 3.0), lean), seeded()).input for lean in (1.0, 3.0))
    assert leaning.var(dim=(1, 2, 3)).median() > even.var(dim=(1, 2, 3)).median()
    bounds = [degrade(many[:1], Blur("gaussian", (end, end)), seeded()).input.var() for end in (0.5, 3.0)]
    for drawn in (even, leaning):
        spread = drawn.var(dim=(1, 2, 3))
        assert bounds[1] * 0.99 <= spread.min() and spread.max() <= bounds[0] * 1.01


def test_sizes_and_names_that_do_not_work_are_explained(hr: torch.Tensor) -> None:
    with pytest.raises(KdsharpError, match="multiple"):
        degrade(hr[..., :126], Downscale(scale=4), seeded())
    with pytest.raises(KdsharpError, match="no resize filter"):
        resize(hr, (10, 10), "lanczos")


def test_a_single_pixel_survives_a_call() -> None:
    assert degrade(torch.rand(1, 3, 1, 1), VideoCall(), seeded()).input.shape == (1, 3, 1, 1)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_the_gpu_draws_the_same_chances(hr: torch.Tensor) -> None:
    on_gpu = degrade(hr.cuda(), VideoCall(), seeded()).input.cpu()
    assert (on_gpu - degrade(hr, VideoCall(), seeded()).input).abs().mean() < 1 / 255


def test_a_share_of_the_calls_arrives_as_it_was_sent() -> None:
    hr = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    settings = VideoCall(clean_share=0.25)
    calls = [degrade(hr, settings, torch.Generator().manual_seed(seed)) for seed in range(200)]
    clean = [call for call in calls if (call.input - hr).abs().max() <= 0.5 / 255 + 1e-6]
    assert 0.15 < len(clean) / 200 < 0.35
    assert all(torch.equal(call.input, call.small) for call in clean)  # the teacher sees it at full size


def test_calls_take_the_usual_ratios_as_often_as_asked() -> None:
    settings = VideoCall(shrink=(1.5, 3.0), usual=(1.5, 2.0, 3.0), usual_share=0.75)
    generator, hr = torch.Generator().manual_seed(0), torch.rand(1, 3, 96, 96)
    sides = [degrade(hr, settings, generator).small.shape[-1] for _ in range(200)]
    usual = [side for side in sides if side in (64, 48, 32)]
    assert 0.68 < len(usual) / 200 < 0.88  # three quarters, and the few others that round to the same size
    assert {64, 48, 32} == set(usual) and len(set(sides)) > 15
    always = VideoCall(usual=(2.0,), usual_share=1.0)
    assert {degrade(hr, always, generator).small.shape[-1] for _ in range(5)} == {48}


def test_a_mix_of_shrinking_is_bicubic_for_the_teacher() -> None:
    hr = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    plain = degrade(hr, Downscale(2), torch.Generator().manual_seed(0)).input
    boxes = (torch.nn.functional.avg_pool2d(hr, 2) * 255).round() / 255
    met = set()
    for seed in range(12):
        made = degrade(hr, Downscale(2, filters=("bicubic", "area")), torch.Generator().manual_seed(seed))
        assert torch.equal(made.small, plain)
        met.add("bicubic" if torch.equal(made.input, plain) else "area")
    assert met == {"bicubic", "area"}
    area = degrade(hr, Downscale(2, filters=("area",)), torch.Generator().manual_seed(0)).input
    assert torch.allclose(area, boxes, atol=1.01 / 255)


@pytest.mark.parametrize("size", [(64, 96), (48, 72), (40, 61), (96, 144)])
def test_box_is_opencvs_area(size: tuple[int, int]) -> None:
    photo = data.read_image(data.embedded_photos("val")[0])[:96, :144]
    small = data.to_image(resize(data.to_tensor(photo), size, "box"))
    theirs = cv2.resize(photo, size[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - theirs).max() <= 1
