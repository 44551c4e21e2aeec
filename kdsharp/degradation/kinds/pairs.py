"""Damage that lies in files: nothing is computed."""

import torch
from torch import Tensor

from kdsharp.degradation.registry import Degraded, register
from kdsharp.recipes.degradations import Pairs


@register("pairs", Pairs)
def pairs(both: Tensor, _settings: Pairs, _generator: torch.Generator) -> Degraded:
    hr, received = both[:, :3], both[:, 3:]
    return Degraded({"original": hr, "received": received}, received, received)
