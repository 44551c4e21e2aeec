"""SOAP against what it is made of: Adam in the eigenvectors of a layer's gradients."""

import torch
from torch import nn

from kdsharp.distill.learner import OPTIMIZERS
from kdsharp.distill.soap import Soap
from kdsharp.recipes.recipe import OPTIMIZERS as NAMES


def a_turn(size: int, seed: int) -> torch.Tensor:
    return torch.linalg.qr(torch.randn(size, size, generator=torch.Generator().manual_seed(seed)))[0]


def a_step(optimizer: torch.optim.Optimizer, weight: nn.Parameter, gradient: torch.Tensor) -> None:
    weight.grad = gradient.clone()
    optimizer.step()


def test_every_name_is_an_optimizer() -> None:
    assert set(NAMES) == set(OPTIMIZERS)


def test_a_vector_is_taken_as_adam_takes_it() -> None:
    ours, adams = (nn.Parameter(torch.zeros(5)) for _ in range(2))
    soap = Soap([ours], 0.01, betas=(0.9, 0.99))
    adam = torch.optim.Adam([adams], 0.01, betas=(0.9, 0.99), eps=1e-8)
    generator = torch.Generator().manual_seed(0)
    a_step(soap, ours, torch.ones(5))  # the first one only says where to begin
    assert not ours.any()
    for _ in range(20):
        gradient = torch.randn(5, generator=generator)
        a_step(soap, ours, gradient)
        a_step(adam, adams, gradient)
    assert torch.allclose(ours, adams, atol=1e-6)


def test_it_does_not_mind_how_a_layer_is_turned() -> None:
    """Inputs and outputs in another basis: the same steps in that basis, which Adam's are not."""
    left, right = a_turn(5, seed=1), a_turn(5, seed=2)
    plain, turned = nn.Parameter(torch.zeros(5, 5)), nn.Parameter(torch.zeros(5, 5))
    optimizers = Soap([plain], 0.01, every=1), Soap([turned], 0.01, every=1)
    generator = torch.Generator().manual_seed(3)
    for _ in range(8):
        gradient = torch.randn(5, 5, generator=generator)
        a_step(optimizers[0], plain, gradient)
        a_step(optimizers[1], turned, left @ gradient @ right.T)
    assert plain.abs().max() > 0.01
    assert torch.allclose(left @ plain @ right.T, turned, atol=1e-3)


def test_it_learns_faster_where_directions_are_mixed() -> None:
    """A layer whose inputs vary a thousand times more in some directions than in others, none of them an axis."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(256, 8, generator=generator) * torch.logspace(0, -1.5, 8) @ a_turn(8, seed=4)
    wanted = torch.randn(3, 8, generator=generator)
    left: dict[str, float] = {}
    for name, make in OPTIMIZERS.items():
        layer = nn.Linear(8, 3, bias=False)
        nn.init.zeros_(layer.weight)
        optimizer = make(layer.parameters(), 0.02, weight_decay=0.0)
        for _ in range(300):
            loss = (layer(inputs) - inputs @ wanted.T).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        left[name] = (layer.weight - wanted).norm().item()
    assert left["soap"] < left["adamw"] / 3


def test_a_state_that_was_saved_goes_on_as_if_nothing_had_happened() -> None:
    torch.manual_seed(0)
    gradients = torch.randn(25, 6, 3, 3, 3)
    straight, broken = (nn.Parameter(torch.zeros(6, 3, 3, 3)) for _ in range(2))
    optimizer, first = Soap([straight], 0.01), Soap([broken], 0.01)
    for gradient in gradients:
        a_step(optimizer, straight, gradient)
    for gradient in gradients[:13]:
        a_step(first, broken, gradient)
    second = Soap([broken], 0.01)
    second.load_state_dict(first.state_dict())
    for gradient in gradients[13:]:
        a_step(second, broken, gradient)
    assert torch.equal(straight, broken)
