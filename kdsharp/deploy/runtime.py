"""Run an exported student without PyTorch: ONNX Runtime everywhere, OpenVINO where it is faster.

Importing this module, or using a published student through it, loads no PyTorch: a small picture is sharpened half a
second after the program's start.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from kdsharp.errors import KdsharpError

HALVES = ("BF16", "FP16", "AMX", "AVX10")  # in the names of the instruction sets that compute in bfloat16


def threads_at_hand() -> int:
    """OMP_NUM_THREADS where it is set, as PyTorch has it, else the processors that this process may use."""
    if value := os.environ.get("OMP_NUM_THREADS"):
        return int(value)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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


class OnnxNetwork:
    """An exported student in ONNX Runtime: float32 (1, C, H, W) in [0, 1] of any size to (1, C, sH, sW).

    `scale`, `colour`, `multiple` and `source` are the file's metadata; `threads` are all at hand unless given.
    `provider` is `CPU`, `CUDA` or `Tensorrt`; the last two need the package onnxruntime-gpu.
    Raises KdsharpError if the provider or the file is missing, or the file is damaged or was not written by `to_onnx`.
    """

    def __init__(self, path: Path, threads: int | None = None, provider: str = "CPU") -> None:
        wanted = f"{provider}ExecutionProvider"
        if wanted not in onnxruntime.get_available_providers():
            raise KdsharpError(
                f"This ONNX Runtime has no {provider}: install onnxruntime-gpu in its place, or take another engine."
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or threads_at_hand()
        # Its threads would burn a core between frames, waiting for the next: no faster here, and slower for all else.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self.session = onnxruntime.InferenceSession(str(path), sess_options=options, providers=[wanted])
        except Exception as error:  # ONNX Runtime raises a kind of its own for each way to be broken
            raise KdsharpError(f"{path} is missing or no ONNX file: export the student again.") from error
        if wanted not in self.session.get_providers():  # it goes on without a word, on the processor
            raise KdsharpError(
                f"ONNX Runtime cannot start {provider} here (no GPU, or no driver for it): take another engine."
            )
        facts = self.session.get_modelmeta().custom_metadata_map
        if not {"scale", "multiple", "colour"} <= facts.keys():
            raise KdsharpError(
                f"{path} is an ONNX file, but no student of this course: export one with to_onnx."
            )
        self.scale, self.multiple, self.colour = int(facts["scale"]), int(facts["multiple"]), facts["colour"]
        self.source = facts.get("source", "")

    def __call__(self, planes: np.ndarray) -> np.ndarray:
        height, width = planes.shape[-2:]
        output = self.session.run(None, {"input": _padded(planes, self.multiple)})[0]
        return output[..., : height * self.scale, : width * self.scale]


class OpenVinoNetwork:
    """An exported student in OpenVINO on the CPU; called as `OnnxNetwork` is, and with bytes by `uint8`.

    The network is compiled for each size of frame when that size first comes (a fraction of a second).

    Args:
        threads: all at hand unless given.
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
            "INFERENCE_NUM_THREADS": threads or threads_at_hand(),
        }
        if precision or not openvino_halves():
            self._settings["INFERENCE_PRECISION_HINT"] = precision or "f32"
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
        # The request's own memory is written again by the next call: the caller gets a copy.
        output = self._compiled[key].infer([planes], share_inputs=True, share_outputs=False)[0]
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


RUNTIMES: dict[str, Callable[[Path], OnnxNetwork | OpenVinoNetwork]] = {
    "onnx": OnnxNetwork,
    "onnx-cuda": partial(OnnxNetwork, provider="CUDA"),
    "tensorrt": partial(OnnxNetwork, provider="Tensorrt"),
    "openvino": OpenVinoNetwork,
    "onnx-int8": OnnxNetwork,
    "openvino-int8": OpenVinoNetwork,
}
GPU_RUNTIMES = ("onnx-cuda", "tensorrt")


def _padded(planes: np.ndarray, multiple: int) -> np.ndarray:
    """The last rows and columns repeated up to a multiple."""
    bottom, right = (-side % multiple for side in planes.shape[-2:])
    if bottom or right:
        return np.pad(planes, ((0, 0), (0, 0), (0, bottom), (0, right)), mode="edge")
    return np.ascontiguousarray(planes)
