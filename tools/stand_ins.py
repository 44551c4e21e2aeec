"""Small files in the layout of the official ones (DIV2K, CIFAR-10, teachers, VGG), to rehearse `full` with.

Each function writes one file. What the networks know is nothing: their weights are random. But they are what the
official ones are to every program that reads them, tensor by tensor.
"""

import hashlib
import pickle
import tarfile
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.models import VGG16_Weights, VGG19_Weights, vgg16, vgg19

from kdsharp import data

_BLUR = torch.tensor([[0.02, 0.08, 0.02], [0.08, 0.6, 0.08], [0.02, 0.08, 0.02]])


def div2k_zip(path: Path, split: str, count: int, side: int = 320) -> Path:
    """A zip as DIV2K's, with `count` crops of embedded photographs; `valid` is numbered from 801, as there."""
    photos = [data.read_image(photo) for photo in data.embedded_photos("train")]
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"DIV2K_{split}_HR/", b"")
        for number in range(count):
            photo = photos[number % len(photos)]
            top, left = 0, 11 * number % (photo.shape[1] - side)
            crop = photo[top : top + side, left : left + side]
            Image.fromarray(crop).save(encoded := BytesIO(), "PNG")
            name = f"{number + (801 if split == 'valid' else 1):04d}.png"
            archive.writestr(f"DIV2K_{split}_HR/{name}", encoded.getvalue())
    return path


def cifar10_archive(folder: Path, count: int = 200) -> dict:
    """CIFAR-10's own archive in `folder`, of six batches of `count` pictures; returns the checksums of its files."""
    photo = data.read_image(data.embedded_photos("train")[0])
    places = np.random.default_rng(0).integers(0, np.array(photo.shape[:2]) - 32, (6 * count, 2))
    pictures = np.stack([photo[top : top + 32, left : left + 32] for top, left in places])
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    held = {}
    for name, some in zip(names, np.split(pictures, 6), strict=True):
        rows = some.transpose(0, 3, 1, 2).reshape(count, -1)
        held[name] = pickle.dumps({"data": rows, "labels": [0] * count}, protocol=2)
    held["batches.meta"] = pickle.dumps({"label_names": [str(label) for label in range(10)]})
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content in held.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
    known = {name: hashlib.md5(content).hexdigest() for name, content in held.items()}
    return known | {"archive": hashlib.md5(path.read_bytes()).hexdigest()}


def rrdb(path: Path, blocks: int = 6) -> Path:
    """A Real-ESRGAN of scale 4, of `blocks` as RealESRGAN_x4plus_anime_6B: it enlarges with a little blur and noise."""
    sizes = {"conv_first": (3, 64)}
    for block in range(blocks):
        for dense in (1, 2, 3):
            for layer in range(5):
                name = f"body.{block}.rdb{dense}.conv{layer + 1}"
                sizes[name] = (64 + 32 * layer, 32 if layer < 4 else 64)
    passing = ("conv_first", "conv_up1", "conv_up2", "conv_hr", "conv_last")
    sizes |= {name: (64, 64) for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr")}
    sizes["conv_last"] = (64, 3)
    generator = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = {}
    for name, (inputs, outputs) in sizes.items():
        weight = 0.003 * torch.randn(outputs, inputs, 3, 3, generator=generator)
        if name in passing:
            weight[range(3), range(3)] += _BLUR
        state |= {f"{name}.weight": weight, f"{name}.bias": torch.zeros(outputs)}
    return _save(path, {"params_ema": state})


def compact(path: Path) -> Path:
    """A Real-ESRGAN of scale 4 as realesr-general-x4v3: nearest neighbours and a random correction."""
    from spandrel.architectures.Compact import Compact

    torch.manual_seed(0)
    return _save(path, {"params": Compact(num_feat=64, num_conv=32, upscale=4).state_dict()})


def span(path: Path) -> Path:
    """SPAN of scale 4 as spanx4_ch48, with random weights."""
    from spandrel.architectures.SPAN import SPAN

    torch.manual_seed(0)
    return _save(
        path, {"params": SPAN(num_in_ch=3, num_out_ch=3, feature_channels=48, upscale=4).eval().state_dict()}
    )


def restormer(path: Path) -> Path:
    """Restormer as in motion_deblurring.pth, at its full 26 million parameters; its correction is a small one."""
    from spandrel_extra_arches.architectures.Restormer import Restormer

    torch.manual_seed(0)
    state = Restormer(LayerNorm_type="WithBias").state_dict()
    state["output.weight"] *= 0.1
    return _save(path, {"params": state})


def vgg(folder: Path) -> Iterator[Path]:
    """VGG19 and VGG16 as torchvision releases them, where it looks before it downloads (`folder`: TORCH_HOME).

    Of layers past the third block there is a single number each, spread over the whole tensor: 10 MB, not 500.
    """
    for make, released in ((vgg19, VGG19_Weights.IMAGENET1K_V1), (vgg16, VGG16_Weights.IMAGENET1K_V1)):
        with torch.device("meta"):
            shapes = make(weights=None).state_dict()
        generator = torch.Generator().manual_seed(0)
        state = {}
        for name, like in shapes.items():
            kind, number, part = name.split(".")
            is_used = kind == "features" and int(number) <= 16 and part == "weight"
            state[name] = (
                torch.randn(like.shape, generator=generator) if is_used else torch.zeros(1).expand(like.shape)
            )
            if is_used:
                state[name] *= (2 / like[0].numel()) ** 0.5  # He et al. 2015: features keep their size
        yield _save(folder / "hub" / "checkpoints" / Path(released.url).name, state)


def _save(path: Path, state: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    return path
