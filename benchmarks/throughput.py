"""How fast targets and damaged crops are made, beside upstream's own tools in the same run.

    python -m benchmarks.throughput [--device cuda] [--json FILE]

Targets: realesr-general-x4v3 over crops as a store asks for them, beside a loop over upstream's `RealESRGANer`; and how
much the pictures differ. Degradation: Real-ESRGAN's second order on crops of 256 pixels, beside the same chain put
together from basicsr's functions. Needs KDSHARP_ASSETS (photographs, official weights) and the extra `reference`.
"""

import argparse
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from kdsharp import data, speed, teacher
from kdsharp.degradation import degrade
from kdsharp.disk import files
from kdsharp.errors import KdsharpError
from kdsharp.recipes.degradations import DegradeOnce, RealEsrgan
from kdsharp.teacher import reference

TEACHER = "realesr-general-x4v3"
ROUNDS = 5


def crops_of(folder: Path, count: int, size: int) -> torch.Tensor:
    """The middles of photographs, (count, 3, size, size) in [0, 1]."""
    middles = []
    for path in data.list_photos(folder)[:count]:
        image = data.read_image(path)
        top, left = (image.shape[0] - size) // 2, (image.shape[1] - size) // 2
        middles.append(data.to_tensor(image[top : top + size, left : left + size]))
    return torch.cat(middles)


def medians(ways: dict[str, Callable[[], object]], device: str) -> dict[str, float]:
    """Median seconds of each way over several rounds, the ways taking turns."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            if number:  # the first round warms up
                taken[name].append(time.perf_counter() - began)
    return {name: float(np.median(values)) for name, values in taken.items()}


def targets(photos: Path, device: str, count: int = 24) -> list[dict]:
    """Crops a second of upstream's loop and of ours, and the largest difference of their 8-bit pictures."""
    crops = crops_of(photos, count, 192)
    small = degrade(crops, RealEsrgan(), torch.Generator().manual_seed(0)).small
    upstream = teacher.load_teacher(TEACHER, device, engine="realesrgan")
    pictures = [data.to_image(one)[..., ::-1].copy() for one in small]  # BGR, as upstream wants it
    engine = upstream.run.engine

    def loop() -> np.ndarray:
        return np.stack([engine.enhance(picture)[0][..., ::-1] for picture in pictures])

    ways: dict[str, Callable[[], object]] = {"upstream's RealESRGANer, one by one": loop}
    made = {}
    for half in (False, True):
        ours = teacher.load_teacher(TEACHER, device, half=half)
        name = f"kdsharp, batches of {count}, {'half' if half else 'single'} precision"

        def batch(ours: teacher.Teacher = ours) -> np.ndarray:
            made = (ours(small.to(device)) * 255).round().byte()
            return made.permute(0, 2, 3, 1).cpu().numpy()

        ways[name] = batch
        made[name] = np.abs(batch().astype(int) - loop().astype(int))
    seconds = medians(ways, device)
    first = next(iter(seconds.values()))
    return [
        {
            "what": "targets",
            "way": name,
            "crops_per_s": count / value,
            "times": first / value,
            "largest_difference": int(made[name].max()) if name in made else 0,
            "share_over_2": float((made[name] > 2).mean()) if name in made else 0.0,
        }
        for name, value in seconds.items()
    ]


def degradation(photos: Path, device: str, count: int = 24) -> list[dict]:
    """Crops a second of our Real-ESRGAN chain and of one made of basicsr's functions."""
    crops = crops_of(photos, count, 256).to(device)
    generator = torch.Generator().manual_seed(0)
    chain = BasicsrChain(device)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 (basicsr draws from the global state)
    torch.manual_seed(0)

    def several(way: Callable[[], object]) -> Callable[[], object]:
        return lambda: [way() for _ in range(4)]  # sizes are drawn: their mean counts

    seconds = medians(
        {
            "basicsr's functions": several(lambda: chain(crops)),
            "kdsharp": several(lambda: degrade(crops, RealEsrgan(), generator)),
        },
        device,
    )
    first = next(iter(seconds.values()))
    return [
        {"what": "degradation", "way": name, "crops_per_s": 4 * count / value, "times": first / value}
        for name, value in seconds.items()
    ]


class BasicsrChain:
    """Real-ESRGAN's two rounds, sinc filter and last JPEG from basicsr's functions, with `RealEsrgan`'s ranges."""

    def __init__(self, device: str) -> None:
        reference.import_niqe()  # says what is missing
        from basicsr.data import degradations as upstream
        from basicsr.utils import DiffJPEG
        from basicsr.utils.img_process_util import filter2D

        self.upstream, self.blur, self.device, self.settings = upstream, filter2D, device, RealEsrgan()
        self.jpeger = DiffJPEG(differentiable=False).to(device)

    def __call__(self, hr: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, H) in [0, 1] to (N, 3, h, h), h = H / scale."""
        count, side = len(hr), hr.shape[-1]
        first, second, small = self.settings.first, self.settings.second, side // self.settings.scale
        images = self._resize_and_noise(self.blur(hr, self._kernels(count, first)), first, side)
        images = self._coded(images, first).contiguous()
        if random.random() < second.blur_probability:
            images = self.blur(images, self._kernels(count, second))
        images = self._resize_and_noise(images, second, small)
        if random.random() < 0.5:
            images = self._coded(self.blur(resized(images, (small, small)), self._sincs(count)), second)
        else:
            images = self.blur(resized(self._coded(images, second), (small, small)), self._sincs(count))
        return (images.clamp(0, 1) * 255).round() / 255

    def _kernels(self, count: int, once: DegradeOnce) -> torch.Tensor:
        return torch.from_numpy(np.stack([self._kernel(once) for _ in range(count)])).float().to(self.device)

    def _kernel(self, once: DegradeOnce) -> np.ndarray:
        size, mix = 2 * random.randint(3, 10) + 1, once.kernel
        if random.random() < mix.sinc_probability:
            return self._sinc(size)
        found = self.upstream.random_mixed_kernels(
            mix.shapes, mix.shape_probabilities, size, mix.sigma, mix.sigma,
            betag_range=mix.beta_generalized, betap_range=mix.beta_plateau,
        )  # fmt: skip
        return np.pad(found, (21 - size) // 2)

    def _sincs(self, count: int) -> torch.Tensor:
        found = np.zeros((count, 21, 21))
        found[:, 10, 10] = 1
        for one in found:
            if random.random() < self.settings.final_sinc_probability:
                one[:] = self._sinc(2 * random.randint(3, 10) + 1)
        return torch.from_numpy(found).float().to(self.device)

    def _sinc(self, size: int) -> np.ndarray:
        return self.upstream.circular_lowpass_kernel(random.uniform(np.pi / 3, np.pi), size, pad_to=21)

    def _resize_and_noise(self, images: torch.Tensor, once: DegradeOnce, base: int) -> torch.Tensor:
        low, high = once.resize
        direction = random.choices((0, 1, 2), once.resize_probabilities)[0]
        factor = (random.uniform(1, high), random.uniform(low, 1), 1.0)[direction]
        images = resized(images, (round(base * factor), round(base * factor)))
        grey = once.grey_noise_probability
        if random.random() < once.gaussian_probability:
            return self.upstream.random_add_gaussian_noise_pt(images, once.noise, grey)
        return self.upstream.random_add_poisson_noise_pt(images, once.poisson, grey)

    def _coded(self, images: torch.Tensor, once: DegradeOnce) -> torch.Tensor:
        return self.jpeger(images.clamp(0, 1), quality=images.new_zeros(len(images)).uniform_(*once.jpeg))


def resized(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    mode = random.choice(("area", "bilinear", "bicubic"))
    return F.interpolate(images, size=size, mode=mode).contiguous()  # filter2D asks for that


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    chosen = parser.parse_args()
    assets = files.assets_dir()
    if assets is None:
        raise SystemExit("Set KDSHARP_ASSETS to the folder of photographs and official weights.")
    try:
        rows = targets(assets / "photos" / "train", chosen.device)
        rows += degradation(assets / "photos" / "train", chosen.device)
    except KdsharpError as error:
        raise SystemExit(str(error)) from error
    hardware = speed.hardware()
    print(", ".join(f"{name} {value}" for name, value in hardware.items()))
    for row in rows:
        line = (
            f"{row['what']:12} {row['way']:48} {row['crops_per_s']:8.2f} crops/s  {row['times']:5.2f} times"
        )
        if "largest_difference" in row:
            line += (
                f"  differs by {row['largest_difference']} at most, by more than 2: {row['share_over_2']:.2%}"
            )
        print(line)
    if chosen.json:
        files.write_json(chosen.json, {"hardware": hardware, "rows": rows})


if __name__ == "__main__":
    main()
