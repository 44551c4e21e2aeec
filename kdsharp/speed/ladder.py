"""The same weights in up to six ways, from naive to fast: each step keeps what the one before gained."""

from collections.abc import Callable

import numpy as np
import torch

from kdsharp import data, deploy
from kdsharp.disk import checkpoints
from kdsharp.student import apply_to_rgb, load_network

Way = Callable[[np.ndarray], np.ndarray]


def ladder(name: str) -> dict[str, Way]:
    """This processor's ways by title, the slowest first; each takes and gives a frame, `uint8` RGB (H, W, 3).

    Of OpenVINO's there are none where it is not installed, and both 32 and 16 bits where it computes in bfloat16.
    """
    network, recipe = load_network(name)

    @torch.inference_mode()
    def naive(frame: np.ndarray) -> np.ndarray:
        """Floats all the way: the whole RGB picture, its luma, the network's answer, and their sum."""
        return data.to_image(apply_to_rgb(network, data.to_tensor(frame)))

    titles = {"torch": "bytes outside", "onnx": "ONNX Runtime", "openvino-int8": "OpenVINO, 8 bits"}
    openvino = deploy.find_engine("openvino")
    halves = openvino.precision("cpu") == "bfloat16"
    titles["openvino"] = "OpenVINO, 16 bits" if halves else "OpenVINO, 32 bits"
    ways: dict[str, Way] = {"naive PyTorch": naive}
    for engine in deploy.engines_at_hand("cpu"):
        if engine == "openvino" and halves:
            whole = openvino(deploy.exported_file(checkpoints.find(name)), precision="f32")
            ways["OpenVINO, 32 bits"] = deploy.Sharpener(recipe, whole)
        ways[titles.get(engine, engine)] = deploy.load_student(name, "cpu", engine)
    return ways
