"""A student's graph in OpenVINO without the zeros that convolutions put around a picture.

Its answer is smaller by what the edges reach, and each value of it is what the padded graph gives in the middle of a
larger picture. That is what a tile needs: with zeros, all that its halo computes would be thrown away.
"""

from typing import Any

import numpy as np

# Kinds of operations that look at one position, or at shapes. Any other could look at the whole picture.
_LOCAL = {
    "Parameter", "Result", "Constant", "Add", "Subtract", "Multiply", "Divide", "Relu", "PRelu", "Clamp", "Convert",
    "FakeQuantize", "Round", "Sigmoid", "Reshape", "Transpose", "Concat", "Split", "VariadicSplit", "Slice",
    "StridedSlice", "Gather", "Squeeze", "Unsqueeze", "Broadcast", "Tile", "ShapeOf", "DepthToSpace", "SpaceToDepth",
}  # fmt: skip


def unpadded(model: Any) -> int | None:
    """Take the padding of all convolutions away, in place.

    Returns how far an answer reaches, in positions of the folded picture on each side. None if the model is no plain
    student: it is of no use then. `model` has one output, and free sides.
    """
    from openvino import opset13
    from openvino.utils import replace_node

    reached: dict[str, int] = {}  # of what depends on the picture, by the name of the operation
    for operation in model.get_ordered_ops():
        kind, name = operation.get_type_name(), operation.get_friendly_name()
        if kind == "Parameter":
            reached[name] = 0
        sources = [given.get_source_output().get_node().get_friendly_name() for given in operation.inputs()]
        depths = {number: reached[source] for number, source in enumerate(sources) if source in reached}
        if kind == "ShapeOf" or not depths:
            continue
        reached[name] = deepest = max(depths.values())
        if kind == "Convolution":
            about, (height, width) = operation.get_attributes(), operation.input(1).get_shape()[-2:]
            reach = about["pads_begin"][0]
            if {*about["pads_begin"], *about["pads_end"]} != {reach} or height != width:
                return None
            bare = opset13.convolution(
                operation.input_value(0),
                operation.input_value(1),
                about["strides"],
                [0, 0],
                [0, 0],
                about["dilations"],
            )
            bare.set_friendly_name(name)
            replace_node(operation, bare)
            reached[name] = deepest + reach
        elif kind not in _LOCAL:
            return None
        else:
            for number, depth in depths.items():
                if less := deepest - depth:
                    start, stop, step, axes = ([less] * 2, [-less] * 2, [1, 1], [2, 3])
                    parts = (np.array(values) for values in (start, stop, step, axes))
                    cut = opset13.slice(operation.input_value(number), *parts)
                    operation.input(number).replace_source_output(cut.output(0))
    return reached[model.output(0).get_node().get_friendly_name()]
