"""ONNX: from a PyTorch student to one file for pictures of every size, with what it needs to be used.

`engines.onnx` executes the file without PyTorch, and `largest_difference` checks that it gives the same picture.
"""

import copy
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdsharp.deploy.engines.base import Engine
from kdsharp.disk import files
from kdsharp.errors import quiet
from kdsharp.student import CHANNELS, reach

OPSET = 18


class _Core(nn.Module):
    """See `for_multiples`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, planes: Tensor) -> Tensor:
        return self.network.forward_multiple(planes)


class _Both(_Core):
    """The same of a network with restraint: its answer, and the one without."""

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        return self.network.restrained_and_free(planes)


def for_multiples(network: nn.Module, core: type[_Core] = _Core) -> nn.Module:
    """A float32 copy on the CPU, to be traced: it takes sizes that are multiples of its folding, and never pads."""
    return core(copy.deepcopy(network)).eval().cpu().float()


def to_onnx(network: nn.Module, path: Path, source: str = "") -> Path:
    """Write a student as ONNX (opset 18, float32): `input` (N, C, H, W) to `output`, both in [0, 1].

    N is free, H and W are but multiples of the metadata's `multiple`; the caller pads (`engines.onnx` does). The other
    metadata: `scale`, `colour` (rgb or luma), `range`, `source`, which names the weights that it was made from
    (`checkpoints.digest`), and `reach` where there is one (`student.reach`). A network with restraint has a second
    output, `unrestrained`, and `restraint` among the metadata: see `deploy.restraint`. The network itself stays as it
    is: where it lies, its precision, and whether it is in training.
    """
    multiple = network.multiple
    restraint = getattr(network, "restraint", None)
    core = for_multiples(network, _Both if restraint else _Core)
    example = torch.rand(2, CHANNELS[network.colour], 16 * multiple, 24 * multiple)
    rows, columns = torch.export.Dim("rows", min=2, max=4096), torch.export.Dim("columns", min=2, max=4096)
    sizes = {0: torch.export.Dim("pictures", min=1, max=4096), 2: multiple * rows, 3: multiple * columns}
    with quiet():
        program = torch.onnx.export(
            core,
            (example,),
            input_names=["input"],
            output_names=["output", "unrestrained"][: 2 if restraint else 1],
            dynamic_shapes={"planes": sizes},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    model = program.model_proto
    # The exporter notes where in the source each operation came from, with the paths of this machine.
    graph = model.graph
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    facts = {"scale": network.scale, "colour": network.colour, "range": "0..1", "multiple": multiple}
    facts |= {"source": source} | ({"restraint": restraint.full} if restraint else {})
    facts |= {"reach": far} if (far := reach(network)) is not None else {}
    onnx.helper.set_model_props(model, {key: str(value) for key, value in facts.items()})
    onnx.checker.check_model(model)
    with files.atomic_write(Path(path)) as handle:
        handle.write(model.SerializeToString())
    return Path(path)


def largest_difference(network: nn.Module, exported: Engine, height: int, width: int) -> float:
    """Largest absolute difference between PyTorch and another engine on random input, in units of 1/255."""
    planes = torch.rand(
        1, CHANNELS[network.colour], height, width, generator=torch.Generator().manual_seed(0)
    )
    with torch.inference_mode():
        expected = network(planes)
    return float(
        F.l1_loss(torch.from_numpy(exported(planes.numpy())), expected, reduction="none").max() * 255
    )
