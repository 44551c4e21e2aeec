"""Kernels and JPEG against basicsr (extra `reference`) and against theory and libjpeg."""

import math

import cv2
import numpy as np
import pytest
import torch

from kdsharp import data
from kdsharp.degradation import kernels
from kdsharp.degradation.jpeg import jpeg
from kdsharp.recipes.degradations import KernelMix

MIX = KernelMix(sinc_probability=0.0)


@pytest.fixture
def upstream():
    from kdsharp.errors import KdsharpError
    from kdsharp.teacher.reference import import_upstream

    try:
        import_upstream()
    except KdsharpError as error:
        pytest.skip(str(error))
    from basicsr.data import degradations

    return degradations


@pytest.mark.parametrize("shape", ["gaussian", "generalized", "plateau"])
def test_kernels_equal_basicsr(upstream, shape: str) -> None:
    sx, sy, theta, beta = 2.3, 1.1, 0.7, 1.6
    make = {
        "gaussian": lambda: upstream.bivariate_Gaussian(21, sx, sy, theta, isotropic=False),
        "generalized": lambda: upstream.bivariate_generalized_Gaussian(
            21, sx, sy, theta, beta, isotropic=False
        ),
        "plateau": lambda: upstream.bivariate_plateau(21, sx, sy, theta, beta, isotropic=False),
    }
    ours = kernels.gaussian_like(*(torch.tensor([value]) for value in (sx, sy, theta, beta)), shape)
    assert np.abs(ours[0].numpy() - make[shape]()).max() < 1e-5


@pytest.mark.parametrize("cutoff", [math.pi / 3, 2.0, math.pi])
def test_sinc_equals_basicsr(upstream, cutoff: float) -> None:
    expected = upstream.circular_lowpass_kernel(cutoff, 21)
    assert np.abs(kernels.sinc(torch.tensor([cutoff]))[0].numpy() - expected).max() < 1e-5


def widths_and_peaks(drawn: np.ndarray) -> np.ndarray:
    """Root of the second moment, and the peak, of each kernel: (2, N)."""
    size = drawn.shape[-1]
    axis = np.arange(size) - size // 2
    moment = (drawn * (axis[:, None] ** 2 + axis**2)).sum((1, 2))
    return np.stack([np.sqrt(np.abs(moment)), drawn.max((1, 2))])


@pytest.mark.heavy
def test_kernel_distribution_equals_basicsr(upstream) -> None:
    import random

    from scipy.stats import ks_2samp

    count = 1500
    np.random.seed(1)  # noqa: NPY002 (basicsr draws from the legacy generator)
    random.seed(1)
    sizes = random.Random(2)
    theirs = []
    for _ in range(count):
        size = 2 * sizes.randint(3, 10) + 1
        kernel = upstream.random_mixed_kernels(
            list(MIX.shapes), list(MIX.shape_probabilities), size, MIX.sigma, MIX.sigma,
            [-math.pi, math.pi], MIX.beta_generalized, MIX.beta_plateau, noise_range=None,
        )  # fmt: skip
        theirs.append(np.pad(kernel, (21 - size) // 2))
    ours = kernels.draw(count, MIX, torch.Generator().manual_seed(3)).numpy()
    for mine, other in zip(widths_and_peaks(ours), widths_and_peaks(np.stack(theirs)), strict=True):
        assert ks_2samp(mine, other).pvalue > 0.01


def test_every_kernel_sums_to_one() -> None:
    generator = torch.Generator().manual_seed(0)
    batches = [
        kernels.draw(40, KernelMix(sinc_probability=0.5), generator),
        kernels.draw_sinc(20, 0.5, generator),
        kernels.motion(torch.tensor([1.0, 5.0, 15.0]), torch.tensor([0.0, 0.5, 1.0])),
        kernels.defocus(torch.tensor([0.5, 2.0, 6.0])),
    ]
    for batch in batches:
        assert batch.shape[1:] == (21, 21)
        assert torch.allclose(batch.sum((1, 2)), torch.ones(len(batch)), atol=1e-5)


def test_gaussian_moments_are_those_asked_for() -> None:
    one = torch.tensor([1.0])
    kernel = kernels.gaussian_like(2 * one, one, 0 * one, one, "gaussian")[0]
    axis = torch.arange(21.0) - 10
    assert math.isclose((kernel.sum(0) * axis**2).sum(), 4.0, rel_tol=0.01)
    assert math.isclose((kernel.sum(1) * axis**2).sum(), 1.0, rel_tol=0.01)


def test_disc_and_line_have_their_textbook_widths() -> None:
    axis = torch.arange(21.0) - 10
    disc = kernels.defocus(torch.tensor([6.0]))[0]
    assert math.isclose((disc.sum(0) * axis**2).sum(), 36 / 4, rel_tol=0.05)  # r^2 / 4 along one axis
    line = kernels.motion(torch.tensor([15.0]), torch.tensor([0.0]))[0]
    assert math.isclose((line.sum(0) * axis**2).sum(), (15**2 - 1) / 12, rel_tol=0.05)
    assert line.sum(1).argmax() == 10 and line.sum(1).max() > 0.99


def test_each_image_gets_its_own_kernel(picture: np.ndarray) -> None:
    images = data.to_tensor(picture).repeat(2, 1, 1, 1)
    identity = kernels.draw_sinc(1, 0.0, torch.Generator())
    blur = kernels.defocus(torch.tensor([4.0]))
    out = kernels.convolve(images, torch.cat([identity, blur]))
    assert torch.allclose(out[0], images[0], atol=1e-6)
    expected = cv2.filter2D(
        picture.astype(np.float32) / 255, -1, blur[0].numpy(), borderType=cv2.BORDER_REFLECT_101
    )
    assert np.abs(out[1].permute(1, 2, 0).numpy() - expected).max() < 1e-4


def test_jpeg_equals_basicsr(upstream, picture: np.ndarray) -> None:
    from basicsr.utils.diffjpeg import DiffJPEG

    images = data.to_tensor(picture[:256, :256])
    for quality in (30.0, 50.0, 75.0, 95.0):
        # basicsr lays the luma table over the block transposed; libjpeg does not. On the transposed picture
        # its answer is therefore the transpose of what libjpeg's tables give.
        turned = DiffJPEG(differentiable=False)(images.mT.contiguous(), quality=torch.tensor([quality]))
        theirs = turned.mT
        difference = (jpeg(images, torch.tensor([quality])) - theirs).abs() * 255
        # A coefficient that lies on the edge between two steps may fall to either side.
        assert difference.mean() < 0.05 and (difference > 1).float().mean() < 0.01


def through_libjpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return cv2.imdecode(cv2.imencode(".jpg", picture[..., ::-1], options)[1], cv2.IMREAD_COLOR)[..., ::-1]


def squared(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.mean((first.astype(float) - second) ** 2))


@pytest.mark.parametrize("quality", [1, 30, 50, 75, 95])
def test_jpeg_is_close_to_libjpeg(picture: np.ndarray, quality: int) -> None:
    picture = picture[:288, :448]
    real = through_libjpeg(picture, quality)
    ours = data.to_image(jpeg(data.to_tensor(picture), torch.tensor([float(quality)])))
    # Far closer to each other than to the original; what is left is libjpeg's smoother chroma enlargement.
    assert squared(real, ours) < 0.45 * squared(real, picture)


def test_the_best_jpeg_loses_as_little_as_libjpegs(picture: np.ndarray) -> None:
    """Steps of 1 and not of 0, which would divide by it; what is lost is chroma's half size."""
    ours = data.to_image(jpeg(data.to_tensor(picture), torch.tensor([100.0])))
    assert 0.9 < squared(ours, picture) / squared(through_libjpeg(picture, 100), picture) < 1.2


def test_jpeg_quality_is_per_image_and_any_size_works(picture: np.ndarray) -> None:
    images = data.to_tensor(picture[:45, :77]).repeat(2, 1, 1, 1)
    out = jpeg(images, torch.tensor([10.0, 95.0]))
    errors = ((out - images) ** 2).mean((1, 2, 3))
    assert out.shape == images.shape and errors[0] > 4 * errors[1]
    assert jpeg(images[:, :, :1, :1], torch.tensor([10.0, 95.0])).shape == (2, 3, 1, 1)


def test_kernels_of_every_size_in_one_batch_are_convolved_alike() -> None:
    """With and without the zeros around them, small kernels give the same pictures; the window of all is 21."""
    generator = torch.Generator().manual_seed(3)
    drawn = torch.cat([kernels.draw(12, KernelMix(), generator), kernels.draw_sinc(4, 0.5, generator)])
    images = torch.rand(16, 3, 40, 52, generator=generator)
    padded = torch.nn.functional.pad(images, (10, 10, 10, 10), mode="reflect")
    wanted = torch.cat(
        [
            torch.nn.functional.conv2d(image[:, None], kernel[None, None]).transpose(0, 1)
            for image, kernel in zip(padded, drawn, strict=True)
        ]
    )
    assert torch.allclose(kernels.convolve(images, drawn), wanted, atol=1e-6)
