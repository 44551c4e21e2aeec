"""What a network costs: values to learn, multiply-adds for a picture, and how much around a pixel it looks at."""

import torch
from torch import Tensor, nn

from kdsharp.student.colour import CHANNELS
from kdsharp.student.layers import Restraint

_BY_PIXEL = nn.ReLU | nn.PReLU | nn.PixelShuffle | Restraint  # restraint is left to who has the whole picture


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


def reach(network: nn.Module) -> int | None:
    """How far an answer looks at most, in pixels of the input to each side; None if that may be the whole picture."""
    total = 0
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.stride == (1, 1):
            total += layer.dilation[0] * (layer.kernel_size[0] // 2)
        elif not list(layer.children()) and not isinstance(layer, _BY_PIXEL):
            return None
    return total * network.multiple
