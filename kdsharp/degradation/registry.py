"""Which degradations there are, and `degrade`, which applies one.

`degrade` takes a batch of HR images and a degradation's settings and returns every stage by name, so that each
can be looked at. Randomness comes from the generator alone: on one kind of device the same seed gives the same
pictures. What is drawn once (kernels, sizes, qualities) is the same everywhere; noise is drawn where the pictures lie.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kdsharp import recipes
from kdsharp.errors import KdsharpError


@dataclass(frozen=True)
class Degraded:
    """All stages of a degradation in order, each (N, 3, h, w), RGB in [0, 1].

    `input` is what the student sees; `small` what the teacher sees (the decoded frame before the enlargement),
    and `receiver` the filter that makes one of the other.
    """

    stages: dict[str, Tensor]
    input: Tensor
    small: Tensor
    receiver: str = "bilinear"


Chain = Callable[[Tensor, Any, torch.Generator], Degraded]
_CHAINS: dict[type, Chain] = {}


def register(name: str, settings: type) -> Callable[[Chain], Chain]:
    """A decorator that makes a function the degradation of a class of settings, which recipes then know by `name`.

    The function takes a batch (N, 3, H, W), RGB in [0, 1], the settings and the generator that all chance comes from.
    Its original is the first of the stages that it returns. Settings with a `scale` are those of an upscaling task.
    Raises KdsharpError for a name that another degradation has, and for settings that are no dataclass of defaults.
    """
    known = recipes.DEGRADATIONS.get(name, settings)
    # The same class once more is a notebook's cell that is run again.
    if (known.__module__, known.__qualname__) != (settings.__module__, settings.__qualname__):
        raise KdsharpError(f"There is a degradation '{name}' already: give yours another name.")
    recipes.register_degradation(name, settings)

    def keep(chain: Chain) -> Chain:
        _CHAINS[settings] = chain
        return chain

    return keep


def degrade(hr: Tensor, settings: recipes.Degradation, generator: torch.Generator) -> Degraded:
    """Degrade a batch (N, 3, H, W), RGB in [0, 1], on the device that it lies on.

    Geometry (shrink factor, filter, or a clean frame) is drawn once for the batch; noise, kernels and JPEG quality for
    each image.
    For `Pairs`, the batch has six planes: those of the original and of its partner (see `data.read_for`).
    Raises KdsharpError if H or W is not a multiple of an upscaling task's scale, or for settings of no degradation.
    """
    if type(settings) not in _CHAINS:
        raise KdsharpError(f"{settings!r} are the settings of no degradation: register one for their class.")
    return _CHAINS[type(settings)](hr, settings, generator)
