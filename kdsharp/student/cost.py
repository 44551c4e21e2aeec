"""What a network costs: values to learn, and multiply-adds for a picture."""

import torch
from torch import Tensor, nn

from kdsharp.student.colour import CHANNELS


def parameters(network: nn.Module) -> int:
    """Number of trainable values."""
    return sum(parameter.numel() for parameter in network.parameters())


def multiply_adds(network: nn.Module, height: int, width: int) -> int:
    """Multiply-adds of the convolutions for one input of (height, width) pixels."""
    total = 0

    def count(layer: nn.Conv2d, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += output[0, 0].numel() * layer.weight.numel()

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d)]
    first = next(network.parameters())
    planes = CHANNELS[getattr(network, "colour", "rgb")]
    try:
        with torch.no_grad():
            network(torch.zeros(1, planes, height, width, device=first.device, dtype=first.dtype))
    finally:
        for hook in hooks:
            hook.remove()
    return total
