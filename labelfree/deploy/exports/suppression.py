"""Nodes of ONNX behind a detector: of the candidates that show one object the surest stays, class by class."""

from __future__ import annotations

from typing import Any

import numpy as np

THRESHOLD = "threshold"


def suppress(graph: Any, threshold: float, overlap: float, most: int) -> None:
    """Replace the outputs `candidates` (1, N, 4) and `class_scores` (1, K, N) of a graph by `corners`, `label` and `score`.

    `threshold`: default of the input of that name. `overlap`: intersection over union above which the less sure of two boxes of a class
    goes. `most`: how many stay.
    """
    from onnx import TensorProto, helper, numpy_helper

    def constant(name: str, value: Any, dtype: type) -> str:
        graph.initializer.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def node(operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> str:
        graph.node.append(helper.make_node(operator, inputs, outputs, **attributes))
        return outputs[0]

    one, last, whole = (constant(f"nms_{name}", [value], np.int64) for name, value in (("one", 1), ("last", 2), ("whole", -1)))
    at_most = constant("nms_most", [most], np.int64)
    graph.input.append(helper.make_tensor_value_info(THRESHOLD, TensorProto.FLOAT, []))
    constant(THRESHOLD, threshold, np.float32)
    least = node("Reshape", [THRESHOLD, whole], ["nms_threshold"])
    share = constant("nms_overlap", [overlap], np.float32)
    chosen = node("NonMaxSuppression", ["candidates", "class_scores", at_most, share, least], ["nms_chosen"])
    rows = {}
    for name, column in (("class", one), ("box", last)):
        both = node("Gather", [chosen, column], [f"nms_{name}_column"], axis=1)
        rows[name] = node("Reshape", [both, whole], [f"nms_{name}"])
    size = node("Shape", ["candidates"], ["nms_shape"])
    count = node("Gather", [size, one], ["nms_count"])
    before = node("Mul", [rows["class"], count], ["nms_before"])
    place = node("Add", [before, rows["box"]], ["nms_place"])
    flat = node("Reshape", ["class_scores", whole], ["nms_flat"])
    found = node("Gather", [flat, place], ["nms_found"])
    there = node("Shape", [found], ["nms_there"])
    kept = node("Min", [there, at_most], ["nms_kept"])
    _, order = "", "nms_order"
    node("TopK", [found, kept], ["score", order])
    node("Gather", [rows["class"], order], ["label"])
    box = node("Gather", [rows["box"], order], ["nms_best"])
    corners = constant("nms_corners", [-1, 4], np.int64)
    node("Gather", [node("Reshape", ["candidates", corners], ["nms_all"]), box], ["corners"])
    del graph.output[:]
    many = "found"  # how many there are is known when the graph is asked
    graph.output.append(helper.make_tensor_value_info("corners", TensorProto.FLOAT, [many, 4]))
    graph.output.append(helper.make_tensor_value_info("label", TensorProto.INT64, [many]))
    graph.output.append(helper.make_tensor_value_info("score", TensorProto.FLOAT, [many]))
