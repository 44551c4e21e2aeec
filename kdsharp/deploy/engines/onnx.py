"""ONNX Runtime: an exported student on every processor, and on GPUs with the package onnxruntime-gpu.

Using a published student through it loads no PyTorch: a small picture is sharpened half a second after the program's
start.
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime

from kdsharp.deploy.engines.base import Engine, register, threads_at_hand
from kdsharp.errors import KdsharpError
from kdsharp.recipes import enlarged


@register("onnx")
class OnnxNetwork(Engine):
    """A file of `export.to_onnx` in ONNX Runtime.

    `scale`, `colour`, `multiple`, `source` and `reach` are the file's metadata; `threads` are all at hand unless given.
    Raises KdsharpError if the provider or the file is missing, or the file is damaged or was not written by `to_onnx`.
    """

    rank = 20
    provider = "CPU"

    @classmethod
    def at_hand(cls, device: str) -> bool:
        return super().at_hand(device) and cls._provider() in onnxruntime.get_available_providers()

    @classmethod
    def _provider(cls) -> str:
        return f"{cls.provider}ExecutionProvider"

    def __init__(self, path: Path, device: str = "cpu", threads: int | None = None) -> None:
        super().__init__(path, device)
        wanted = self._provider()
        if wanted not in onnxruntime.get_available_providers():
            raise KdsharpError(
                f"This ONNX Runtime has no {self.provider}: install onnxruntime-gpu in its place, or take another "
                "engine."
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
                f"ONNX Runtime cannot start {self.provider} here (no GPU, or no driver for it): take another engine."
            )
        facts = self.session.get_modelmeta().custom_metadata_map
        if not {"scale", "multiple", "colour"} <= facts.keys():
            raise KdsharpError(
                f"{path} is an ONNX file, but no student of this course: export one with to_onnx."
            )
        self.scale, self.multiple, self.colour = (
            json.loads(facts["scale"]),
            int(facts["multiple"]),
            facts["colour"],
        )
        self.source, self.restraint = facts.get("source", ""), float(facts.get("restraint", 0))
        self.reach = int(facts["reach"]) if "reach" in facts else None
        self.output = "unrestrained" if self.restraint else "output"

    def __call__(self, planes: np.ndarray) -> np.ndarray:
        height, width = planes.shape[-2:]
        output = self.session.run([self.output], {"input": to_multiple(planes, self.multiple)})[0]
        return self.restrained(
            planes, output[..., : enlarged(height, self.scale), : enlarged(width, self.scale)]
        )


@register("onnx-int8")
class OnnxInt8(OnnxNetwork):
    """The same with 8-bit convolutions, which OpenVINO computes faster."""

    wants, rank, usual = "int8", 25, False


@register("onnx-cuda")
class OnnxCuda(OnnxNetwork):
    """On a GPU, by NVIDIA's CUDA libraries."""

    devices, provider, rank = ("cuda",), "CUDA", 60


@register("tensorrt")
class TensorRt(OnnxNetwork):
    """On a GPU, by NVIDIA's TensorRT."""

    devices, provider, rank = ("cuda",), "Tensorrt", 70


def to_multiple(planes: np.ndarray, multiple: int) -> np.ndarray:
    """The last rows and columns repeated up to a multiple."""
    bottom, right = (-side % multiple for side in planes.shape[-2:])
    if bottom or right:
        return np.pad(planes, ((0, 0), (0, 0), (0, bottom), (0, right)), mode="edge")
    return np.ascontiguousarray(planes)
