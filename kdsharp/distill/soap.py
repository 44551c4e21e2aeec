"""SOAP (Vyas et al. 2024): Adam in the directions that Shampoo finds.

Adam gives every weight a step of its own size, as if the weights had nothing to do with one another. Shampoo (Gupta et
al. 2018) keeps, for a layer's gradient G as a matrix, the averages of G G^T and G^T G; their eigenvectors are the
directions in which the layer's outputs and inputs vary by themselves. SOAP turns the gradient into these directions,
lets Adam work there, and turns the step back. For layers as small as ours the turning costs next to nothing.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

_EPSILON = 1e-8


class Soap(torch.optim.Optimizer):
    """Adam in the eigenvectors of each layer's gradients; plain Adam for biases and other vectors.

    Args:
        learning_rate: as Adam's, 2 to 6 times larger than what Adam stands.
        betas: how much is kept, from step to step, of the average gradient and of the average of its squares.
        keep: the same of Shampoo's two averages.
        every: steps from one turning of the eigenvectors to the next (one step of subspace iteration by QR).
        weight_decay: decoupled, as AdamW's (Loshchilov and Hutter 2019).
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        learning_rate: float,
        betas: tuple[float, float] = (0.95, 0.95),
        keep: float = 0.95,
        every: int = 10,
        weight_decay: float = 0.0,
    ) -> None:
        settings = {"lr": learning_rate, "betas": betas, "keep": keep, "every": every}
        super().__init__(parameters, settings | {"weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        """One step; a layer's first gradient only says in which directions to begin."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                gradient, state = weight.grad.reshape(len(weight), -1).float(), self.state[weight]
                if weight.ndim < 2:
                    gradient = gradient.T  # a row: its one direction is what it is
                if not state:
                    state.update(_beginning(gradient))
                    continue
                step = _adam(gradient, state, *group["betas"])
                _turn(gradient, state, group["keep"], group["every"])
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_((step if weight.ndim > 1 else step.T).reshape(weight.shape), alpha=group["lr"])


def _beginning(gradient: Tensor) -> dict[str, Any]:
    """The state before the first step: averages of 0, and the eigenvectors of the first gradient."""
    state = {"step": 0, "mean": torch.zeros_like(gradient), "square": torch.zeros_like(gradient)}
    if len(gradient) > 1:
        for side, turned in (("left", gradient), ("right", gradient.T)):
            state[side] = turned @ turned.T
            state[f"{side}_vectors"] = torch.linalg.eigh(state[side])[1]
    return state


def _adam(gradient: Tensor, state: dict[str, Any], keep_mean: float, keep_square: float) -> Tensor:
    """Adam's step (Kingma and Ba 2015), computed in the eigenvectors where there are some."""
    state["step"] += 1
    state["mean"].lerp_(gradient, 1 - keep_mean)
    mean, turned = state["mean"], gradient
    if "left" in state:
        left, right = state["left_vectors"], state["right_vectors"]
        mean, turned = left.T @ mean @ right, left.T @ gradient @ right
    state["square"].lerp_(turned.square(), 1 - keep_square)
    square = state["square"] / (1 - keep_square ** state["step"])
    step = mean / (1 - keep_mean ** state["step"]) / (square.sqrt() + _EPSILON)
    return left @ step @ right.T if "left" in state else step


def _turn(gradient: Tensor, state: dict[str, Any], keep: float, every: int) -> None:
    """Shampoo's averages with this gradient, and now and then the eigenvectors that follow from them."""
    if "left" not in state:
        return
    state["left"].lerp_(gradient @ gradient.T, 1 - keep)
    state["right"].lerp_(gradient.T @ gradient, 1 - keep)
    if state["step"] % every == 0:
        for side in ("left", "right"):
            state[f"{side}_vectors"] = torch.linalg.qr(state[side] @ state[f"{side}_vectors"])[0]
