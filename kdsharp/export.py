"""ONNX: the student without PyTorch. One file for pictures of every size, with what it needs to be used.

Two runtimes take the file: ONNX Runtime everywhere, and OpenVINO, which is faster on x86 processors and computes in
bfloat16 on those that can.
"""

import contextlib
import copy
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdsharp import files
from kdsharp.errors import KdsharpError
from kdsharp.student import CHANNELS

OPSET = 18


class _Core(nn.Module):
    """A network for sizes that are multiples of its unshuffle, so that no padding is traced."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, planes: Tensor) -> Tensor:
        return self.network.forward_multiple(planes)


def to_onnx(network: nn.Module, path: Path) -> Path:
    """Write a student as ONNX (opset 18, float32): `input` (1, C, H, W) to `output`, both in [0, 1].

    H and W are free, but multiples of the metadata's `multiple`; the caller pads (`OnnxNetwork` does). The other
    metadata: `scale`, `colour` (rgb or luma) and `range`. The network itself stays as it is: where it lies, its
    precision, and whether it is in training.
    """
    multiple = network.multiple
    core = _Core(copy.deepcopy(network)).eval().cpu().float()
    example = torch.rand(1, CHANNELS[network.colour], 16 * multiple, 24 * multiple)
    rows, columns = torch.export.Dim("rows", min=2, max=4096), torch.export.Dim("columns", min=2, max=4096)
    with _quiet():
        program = torch.onnx.export(
            core,
            (example,),
            input_names=["input"],
            output_names=["output"],
            dynamic_shapes={"planes": {2: multiple * rows, 3: multiple * columns}},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    model = program.model_proto
    facts = {"scale": network.scale, "colour": network.colour, "range": "0..1", "multiple": multiple}
    onnx.helper.set_model_props(model, {key: str(value) for key, value in facts.items()})
    onnx.checker.check_model(model)
    with files.atomic_write(Path(path)) as handle:
        handle.write(model.SerializeToString())
    return Path(path)


class OnnxNetwork:
    """An exported student in ONNX Runtime: float32 (1, C, H, W) in [0, 1] of any size to (1, C, sH, sW).

    `scale`, `colour` and `multiple` are the file's metadata; `threads` are PyTorch's unless given. Raises
    KdsharpError if the file is missing, damaged, or was not written by `to_onnx`.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or torch.get_num_threads()
        # Its threads would burn a core between frames, waiting for the next: no faster here, and slower for all else.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self.session = onnxruntime.InferenceSession(
                str(path), sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime raises a kind of its own for each way to be broken
            raise KdsharpError(f"{path} is missing or no ONNX file: export the student again.") from error
        facts = self.session.get_modelmeta().custom_metadata_map
        if not {"scale", "multiple", "colour"} <= facts.keys():
            raise KdsharpError(
                f"{path} is an ONNX file, but no student of this course: export one with to_onnx."
            )
        self.scale, self.multiple, self.colour = int(facts["scale"]), int(facts["multiple"]), facts["colour"]

    def __call__(self, planes: np.ndarray) -> np.ndarray:
        height, width = planes.shape[-2:]
        output = self.session.run(None, {"input": _padded(planes, self.multiple)})[0]
        return output[..., : height * self.scale, : width * self.scale]


class OpenVinoNetwork:
    """An exported student in OpenVINO on the CPU; called as `OnnxNetwork` is, and with bytes by `uint8`.

    The network is compiled for each size of frame when that size first comes (a fraction of a second).

    Args:
        threads: PyTorch's unless given.
        precision: `f32`, `bf16`, or None for the processor's own best (bfloat16 with AVX-512 BF16 or AMX).

    Raises KdsharpError if OpenVINO is not installed, or as `OnnxNetwork` does.
    """

    def __init__(self, path: Path, threads: int | None = None, precision: str | None = None) -> None:
        try:
            import openvino
        except ImportError as error:
            raise KdsharpError(
                "The engine 'openvino' needs the extra: pip install 'kdsharp[openvino]'."
            ) from error
        facts = OnnxNetwork(path)  # it reads the metadata, and says what is wrong with a file
        self.scale, self.multiple, self.colour = facts.scale, facts.multiple, facts.colour
        self._path, self._core = Path(path), openvino.Core()
        self._settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads or torch.get_num_threads(),
        }
        if precision:
            self._settings["INFERENCE_PRECISION_HINT"] = precision
        self._compiled: dict[tuple, Any] = {}

    def __call__(self, planes: np.ndarray) -> np.ndarray:
        return self._run(planes, as_bytes=False)

    def uint8(self, planes: np.ndarray) -> np.ndarray:
        """`uint8` planes (1, C, H, W) to (1, C, scale H, scale W): scaling and rounding are part of the graph."""
        return self._run(planes, as_bytes=True)

    def _run(self, planes: np.ndarray, as_bytes: bool) -> np.ndarray:
        height, width = planes.shape[-2:]
        planes = _padded(planes, self.multiple)
        key = (*planes.shape, as_bytes)
        if key not in self._compiled:
            self._compiled[key] = self._compile(planes.shape, as_bytes).create_infer_request()
        output = self._compiled[key].infer([planes], share_inputs=True, share_outputs=True)[0]
        return output[..., : height * self.scale, : width * self.scale]

    def _compile(self, shape: tuple[int, ...], as_bytes: bool) -> Any:
        from openvino import Type, opset13
        from openvino.preprocess import PrePostProcessor

        model = self._core.read_model(self._path)
        model.reshape(shape)
        if as_bytes:
            around = PrePostProcessor(model)
            around.input().tensor().set_element_type(Type.u8)
            around.input().preprocess().convert_element_type(Type.f32).scale(255.0)

            def to_bytes(output: Any) -> Any:
                scaled = opset13.round(opset13.multiply(output, np.float32(255)), "half_to_even")
                return opset13.convert(opset13.clamp(scaled, 0, 255), Type.u8).output(0)

            around.output().postprocess().custom(to_bytes)
            model = around.build()
        return self._core.compile_model(model, "CPU", self._settings)


RUNTIMES = {"onnx": OnnxNetwork, "openvino": OpenVinoNetwork}


def _padded(planes: np.ndarray, multiple: int) -> np.ndarray:
    """The last rows and columns repeated up to a multiple."""
    bottom, right = (-side % multiple for side in planes.shape[-2:])
    if bottom or right:
        return np.pad(planes, ((0, 0), (0, 0), (0, bottom), (0, right)), mode="edge")
    return np.ascontiguousarray(planes)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter reports on its own progress and on packages that it could also use: not the reader's concern."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def largest_difference(
    network: nn.Module, exported: OnnxNetwork | OpenVinoNetwork, height: int, width: int
) -> float:
    """Largest absolute difference between PyTorch and a runtime on random input, in units of 1/255."""
    planes = torch.rand(
        1, CHANNELS[network.colour], height, width, generator=torch.Generator().manual_seed(0)
    )
    with torch.inference_mode():
        expected = network(planes)
    return float(
        F.l1_loss(torch.from_numpy(exported(planes.numpy())), expected, reduction="none").max() * 255
    )
