"""Phones: a student as a LiteRT (TensorFlow Lite) file, by Google's litert-torch.

That package asks for an older PyTorch than the course, so it lives in an environment of its own: `make mobile` sets
one up and tests what is written here.
"""

from pathlib import Path

import torch
from torch import nn

from kdsharp.deploy.export import for_multiples
from kdsharp.disk import files
from kdsharp.errors import KdsharpError, quiet
from kdsharp.student import CHANNELS


def to_litert(network: nn.Module, path: Path, size: tuple[int, int] = (1080, 1920)) -> Path:
    """Write a student as a float32 LiteRT file for planes (1, C, H, W) in [0, 1] of one `size` (H, W).

    Raises KdsharpError if litert-torch is not installed, or if `size` is no multiple of the network's folding: a file
    of one size has no place for padding.
    """
    try:
        import litert_torch
    except ImportError as error:
        raise KdsharpError(
            "A LiteRT file needs litert-torch: run `make mobile`, which sets it up."
        ) from error
    if any(side % network.multiple for side in size):
        raise KdsharpError(f"Choose a height and width that are multiples of {network.multiple}, not {size}.")
    with quiet():
        model = litert_torch.convert(
            for_multiples(network), (torch.rand(1, CHANNELS[network.colour], *size),)
        )
        with files.atomic_write(Path(path)) as handle:
            handle.write(model.model_content())
    return Path(path)
