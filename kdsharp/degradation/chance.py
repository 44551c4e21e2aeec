"""What is drawn once for a picture or a batch: always on the CPU, so that every device sees the same."""

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


def uniform(count: int, bounds: tuple[float, float], generator: torch.Generator) -> Tensor:
    """`count` values drawn uniformly between two bounds."""
    low, high = bounds
    return low + (high - low) * torch.rand(count, generator=generator)


def pick(choices: Sequence[T], generator: torch.Generator) -> T:
    """One of some things, each as likely as the others."""
    return choices[int(torch.randint(len(choices), (1,), generator=generator))]
