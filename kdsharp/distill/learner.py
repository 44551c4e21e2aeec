"""What learns, and how far it has come: all that a checkpoint of a run holds."""

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from kdsharp import student
from kdsharp.disk import parallel
from kdsharp.distill import losses
from kdsharp.distill.features import FeatureMatch
from kdsharp.distill.soap import Soap
from kdsharp.errors import KdsharpError
from kdsharp.recipes import Recipe

OPTIMIZERS = {"adamw": torch.optim.AdamW, "soap": Soap}


@dataclass
class Learner:
    """A student in training; made by `begin`.

    `average` is the moving average of the student's weights, which is what is validated and published; `match` the
    adapter of a feature term; `trained` both as one module; `dtype` what the student computes in.
    """

    network: nn.Module
    average: nn.Module
    match: FeatureMatch | None
    trained: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    dtype: torch.dtype
    step: int = 0
    history: list[dict] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        return state | {
            "step": self.step,
            "history": self.history,
            "bfloat16": self.dtype is torch.bfloat16,
        }

    def take_up(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        for name, part in self._parts().items():
            if name in state:  # a run begun on another device has no scaler
                part.load_state_dict(state[name])
        self.step, self.history = state["step"], state["history"]

    def _parts(self) -> dict[str, Any]:
        """All that has a state of its own, by its name in a checkpoint."""
        parts = {"network": self.network, "average": self.average, "optimizer": self.optimizer}
        parts |= {"match": self.match} if self.match else {}
        return parts | ({"scaler": self.scaler} if self.scaler.is_enabled() else {})


def begin(recipe: Recipe, device: str, dtype: torch.dtype, teacher_network: nn.Module | None) -> Learner:
    """The learner before its first step; `teacher_network` is what a feature term looks into."""
    settings = recipe.training
    torch.manual_seed(settings.seed)
    network = starting_network(recipe).to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(network).requires_grad_(False).eval()
    looks_inside = "features" in losses.needed(recipe.losses)
    match = FeatureMatch(network, teacher_network).to(device) if looks_inside else None
    trained = parallel.wrap(_Trained(network, match))
    optimizer = OPTIMIZERS[settings.optimizer](
        trained.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    scaler = torch.amp.GradScaler(device.split(":")[0], enabled=dtype is torch.float16)
    return Learner(network, average, match, trained, optimizer, scaler, dtype)


def starting_network(recipe: Recipe) -> nn.Module:
    """The student before the first step: fresh, or with the weights of the recipe's `start`.

    A residual network may go on from a shallower one: the blocks that this lacks begin by adding nothing, so that the
    deeper one begins as the same function (Chen et al. 2016, Net2Net).
    Raises KdsharpError if the weights are of a network of another shape.
    """
    network = student.build(recipe.student)
    if recipe.start:
        fresh, earlier = network.state_dict(), student.load_network(recipe.start)[0].state_dict()
        earlier |= {
            name: torch.zeros_like(value) if name.endswith(".2.weight") else value  # a block's last layer
            for name, value in fresh.items()
            if name.startswith("blocks.") and name not in earlier
        }
        if _shapes(earlier) != _shapes(fresh):
            raise KdsharpError(f"'{recipe.start}' is a network of another shape than this recipe's student.")
        network.load_state_dict(earlier)
    return network


def _shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state.items()}


class _Trained(nn.Module):
    """All that is trained, as one module: the student, and the adapter of its feature term where there is one."""

    def __init__(self, network: nn.Module, match: FeatureMatch | None) -> None:
        super().__init__()
        self.network, self.match = network, match

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """The student's output, and how unlike its features are to the teacher's."""
        output = self.network(inputs)
        if self.match is None:
            return output, None
        with torch.autocast(inputs.device.type, enabled=False):
            return output, self.match(inputs)
