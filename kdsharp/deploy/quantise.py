"""Eight bits instead of thirty-two: an exported student whose convolutions multiply bytes.

Post-training static quantisation (Jacob et al. 2018): weights become `int8` with one scale per output channel, and
what enters a convolution becomes `uint8` on the range that calibration pictures span. Input and correction meet in
float32, so the picture itself loses nothing; only the correction is coarser. Processors with VNNI multiply four bytes
where they multiply one float.

Processors without VNNI (AVX2) add two such products in 16 bits, and cut the sum off at 32767 (`vpmaddubsw`): 255 x 127
twice is 64770. A network with full 8-bit weights loses up to 0.3 dB there. So each output channel gets a scale at which
no two neighbours can reach that far: about 7.7 bits of precision, and the same picture on every processor.
"""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from kdsharp import data, recipes, student
from kdsharp.degradation import degrade
from kdsharp.disk import files
from kdsharp.errors import quiet
from kdsharp.recipes import Degradation, VideoCall

CALIBRATION_SIDE = 384  # pixels: the middle of each photograph
CALIBRATION_DRAWS = 3  # of the degradation, for each
# Of calls, the usual ones: ranges that also span rare frames (Lanczos' overshoot) cost call-s 0.05 dB on these.
CALIBRATION_CALLS = ((1.5, 85.0), (2.0, 70.0), (3.0, 50.0))


def to_int8(exported: Path, path: Path, planes: Iterable[np.ndarray]) -> Path:
    """Write the 8-bit form of a file of `export.to_onnx`, calibrated on `planes`: float32 (1, C, H, W) in [0, 1]."""
    single = onnx.load(exported)
    facts = {entry.key: entry.value for entry in single.metadata_props}
    with TemporaryDirectory() as folder, quiet():
        beside = Path(folder) / "int8.onnx"
        quantize_static(
            str(exported),
            str(beside),
            _Reader(planes),
            op_types_to_quantize=["Conv"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # What a convolution gives stays in float32 until the next one takes it: the last one's is the correction.
            extra_options={
                "OpTypesToExcludeOutputQuantization": ["Conv"],
                "TensorQuantOverrides": _weight_ranges(single),
            },
        )
        model = onnx.load(beside)
    onnx.helper.set_model_props(model, facts)
    with files.atomic_write(Path(path)) as handle:
        handle.write(model.SerializeToString())
    return Path(path)


def largest_pair(weights: np.ndarray) -> np.ndarray:
    """For each output channel of (O, I, kH, kW): the largest sum of a pair of weights of one sign.

    Engines add products in pairs along the channels of one position; an odd last one stays alone (oneDNN), or makes a
    pair with the next position's first (ONNX Runtime).
    """
    outputs, inputs = weights.shape[:2]
    along = weights.transpose(0, 2, 3, 1)
    alone = np.pad(along, ((0, 0), (0, 0), (0, 0), (0, inputs % 2))).reshape(outputs, -1)
    flat = along.reshape(outputs, -1)
    flat = np.pad(flat, ((0, 0), (0, flat.shape[1] % 2)))
    signed = (np.maximum(sign * rows, 0) for sign in (1, -1) for rows in (alone, flat))
    return np.max([(part[:, ::2] + part[:, 1::2]).max(1) for part in signed], axis=0)


def _weight_ranges(model: onnx.ModelProto) -> dict[str, list[dict]]:
    """What becomes 127 in each output channel of each convolution, in the form that ONNX Runtime asks for.

    A pair then sums up to 127, and 128 when both are rounded up: 255 x 128 is 32640.
    """
    tensors = {item.name: item for item in model.graph.initializer}
    names = [node.input[1] for node in model.graph.node if node.op_type == "Conv"]
    ranges = {name: largest_pair(numpy_helper.to_array(tensors[name])) for name in names}
    return {
        name: [{"axis": 0, "rmin": -reach, "rmax": reach} for reach in channels]
        for name, channels in ranges.items()
    }


def calibration_planes(degradation: Degradation, colour: str) -> Iterator[np.ndarray]:
    """The embedded training photographs as a student of that `colour` meets them after the degradation."""
    generator = torch.Generator().manual_seed(0)
    meetings: list[Degradation] = [degradation] * CALIBRATION_DRAWS
    if isinstance(degradation, VideoCall):
        meetings = [recipes.fixed_call(*call) for call in CALIBRATION_CALLS]
    multiple = math.lcm(8, recipes.whole_steps(recipes.scale_of(degradation))[0])
    for photo in data.embedded_photos("train"):
        hr = data.to_tensor(
            data.crop_to_multiple(data.centre(data.read_image(photo), CALIBRATION_SIDE), multiple)
        )
        for meeting in meetings:
            met = degrade(hr, meeting, generator).input
            yield (student.to_luma(met) if colour == "luma" else met).numpy()


class _Reader(CalibrationDataReader):
    """ONNX Runtime's way to ask for calibration pictures."""

    def __init__(self, planes: Iterable[np.ndarray]) -> None:
        self._planes = iter(planes)

    def get_next(self) -> dict[str, np.ndarray] | None:
        planes = next(self._planes, None)
        return None if planes is None else {"input": np.ascontiguousarray(planes)}
