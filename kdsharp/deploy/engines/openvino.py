"""OpenVINO: an exported student on x86 processors, in bfloat16 or with 8-bit convolutions where these are fast."""

import copy
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kdsharp.deploy import tiles
from kdsharp.deploy.engines.base import Engine, register, threads_at_hand
from kdsharp.deploy.engines.onnx import OnnxNetwork, to_multiple
from kdsharp.deploy.engines.unpadded import unpadded
from kdsharp.errors import naming_the_extra
from kdsharp.recipes import enlarged

HALVES = ("BF16", "FP16", "AMX", "AVX10")  # in the names of the instruction sets that compute in bfloat16


def openvino_halves() -> bool:
    """Whether OpenVINO computes in bfloat16 here; False where it is not installed.

    Its list of capabilities is the processor's, and ignores the limit that oneDNN, which computes, can be given: at
    `ONEDNN_MAX_CPU_ISA=AVX2` it would choose bfloat16, and find nothing to compute it with.
    """
    try:
        import openvino
    except ImportError:
        return False
    limit = (os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "ALL").upper()
    allowed = limit in ("ALL", "DEFAULT") or any(kind in limit for kind in HALVES)
    return allowed and "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@register("openvino")
class OpenVinoNetwork(Engine):
    """A file of `export.to_onnx` in OpenVINO, compiled for each size of frame when that size first comes.

    `precision` is `f32`, `bf16`, or None for the processor's own best (bfloat16 with AVX-512 BF16 or AMX).
    Raises KdsharpError if OpenVINO is not installed, or as `OnnxNetwork` does.
    """

    package, rank = "openvino", 40

    @classmethod
    def precision(cls, device: str) -> str:
        return "bfloat16" if cls.wants == "onnx" and openvino_halves() else super().precision(device)

    def __init__(self, path: Path, device: str = "cpu", precision: str | None = None) -> None:
        super().__init__(path, device)
        with naming_the_extra(f"The engine '{self.name}' needs"):
            import openvino
        facts = OnnxNetwork(path)  # it reads the metadata, and says what is wrong with a file
        self.scale, self.multiple, self.colour = facts.scale, facts.multiple, facts.colour
        self.restraint, self.output = facts.restraint, facts.output
        self._core = openvino.Core()
        self._settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads_at_hand()}
        if precision or not openvino_halves():
            self._settings["INFERENCE_PRECISION_HINT"] = precision or "f32"
        self._compiled: dict[tuple, Any] = {}
        self._memory: tiles.Memory | None = None

    def __call__(self, planes: np.ndarray) -> np.ndarray:
        return self._run(planes, as_bytes=False)

    def uint8(self, planes: np.ndarray) -> np.ndarray:
        """Scaling and rounding are part of the graph."""
        return self._run(planes, as_bytes=True)

    def remembering(self) -> "OpenVinoNetwork":
        if (reach := unpadded(self._model())) is None:
            return self
        engine = copy.copy(self)
        engine._memory = tiles.Memory(
            tiles.Work(
                partial(self._computed, as_bytes=True),
                partial(self._computed, as_bytes=True, padded=False),
                reach * self.multiple,
                self.scale,
            )
        )
        return engine

    def _run(self, planes: np.ndarray, as_bytes: bool) -> np.ndarray:
        height, width = planes.shape[-2:]
        whole = to_multiple(planes, self.multiple)
        output = self._memory(whole) if self._memory and as_bytes else self._computed(whole, as_bytes)
        output = output[..., : enlarged(height, self.scale), : enlarged(width, self.scale)]
        return self.restrained(planes, output)

    def _computed(self, planes: np.ndarray, as_bytes: bool, padded: bool = True) -> np.ndarray:
        """Planes (N, C, H, W) of sides that are multiples; not `padded`, the answer lacks what the edges reach.

        One picture has a graph of its own, several share one for any number of them, which is a little slower.
        """
        key = (planes.shape if len(planes) == 1 else (-1, *planes.shape[1:]), as_bytes, padded)
        if key not in self._compiled:
            self._compiled[key] = self._compile(*key).create_infer_request()
        # The request's own memory is written again by the next call: the caller gets a copy.
        return self._compiled[key].infer([planes], share_inputs=True, share_outputs=False)[0]

    def _model(self) -> Any:
        """The graph with the output that is asked for, and nothing else."""
        from openvino import Model

        model = self._core.read_model(self.model)
        return Model([model.output(self.output)], model.get_parameters())

    def _compile(self, shape: tuple[int, ...], as_bytes: bool, padded: bool) -> Any:
        from openvino import Type, opset13
        from openvino.preprocess import PrePostProcessor

        model = self._model()
        if not padded:
            unpadded(model)
        model.reshape(shape)
        if as_bytes:
            last = model.output(0).get_node()
            unfold = last.input_value(0).get_node()
            if (
                unfold.get_type_name() == "DepthToSpace"
            ):  # which only moves pixels: as bytes, in a quarter of the time
                last = unfold
            scaled = opset13.round(opset13.multiply(last.input_value(0), np.float32(255)), "half_to_even")
            rounded = opset13.convert(opset13.clamp(scaled, 0, 255), Type.u8)
            last.input(0).replace_source_output(rounded.output(0))
            model.validate_nodes_and_infer_types()
            around = PrePostProcessor(model)
            around.input().tensor().set_element_type(Type.u8)
            around.input().preprocess().convert_element_type(Type.f32).scale(255.0)
            around.output().tensor().set_element_type(Type.u8)
            model = around.build()
        return self._core.compile_model(model, "CPU", self._settings)


@register("openvino-int8")
class OpenVinoInt8(OpenVinoNetwork):
    """The same with 8-bit convolutions: the fastest on a processor."""

    wants, rank = "int8", 45
