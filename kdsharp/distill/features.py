"""Feature distillation: the student is shown the teacher's inner layers too, not only its answer."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdsharp.errors import KdsharpError


class FeatureMatch(nn.Module):
    """L1 distance of a student's last features to its teacher's, through a learnt 1x1 adapter (FitNets, Romero 2015).

    Both networks are of this course and look at the same planes; the teacher's features are brought to the student's
    grid, and the distance is divided by their mean size, so that its weight means the same for every teacher.
    Raises KdsharpError for a teacher that shows no features, or of another colour.
    """

    def __init__(self, network: nn.Module, teacher_network: nn.Module | None) -> None:
        super().__init__()
        if (
            teacher_network is None
            or not hasattr(teacher_network, "last")
            or teacher_network.colour != network.colour
        ):
            raise KdsharpError(
                "Feature distillation needs a teacher of this course with the student's colour: "
                "choose one, or set losses.features to 0."
            )
        self.adapter = nn.Conv2d(network.last.in_channels, teacher_network.last.in_channels, 1)
        self._teacher = [teacher_network]  # in a list, so that its weights are not the adapter's
        self._seen: dict[str, Tensor] = {}
        network.last.register_forward_pre_hook(partial(self._keep, "student"))

    def forward(self, inputs: Tensor) -> Tensor:
        """The distance for the batch that the student has just answered."""
        (teacher_network,) = self._teacher
        hook = teacher_network.last.register_forward_pre_hook(partial(self._keep, "teacher"))
        with torch.no_grad():
            teacher_network(inputs)
        hook.remove()
        wanted, adapted = self._seen["teacher"].float(), self.adapter(self._seen["student"].float())
        if wanted.shape[-2:] != adapted.shape[-2:]:
            wanted = F.interpolate(wanted, size=adapted.shape[-2:], mode="bilinear", antialias=True)
        return F.l1_loss(adapted, wanted) / wanted.abs().mean().clamp_min(1e-6)

    def _keep(self, name: str, _layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._seen[name] = inputs[0]
