"""Tiny ONNX graphs of the published shape: one normalised picture in, maps out.

Each map is a 1 x 1 convolution of the picture, optionally behind a sigmoid: small enough to compute
by hand, and it tells colour channels, scaling and polarity apart.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_graph(
    path: Path,
    *weights: tuple[float, float, float],
    bias: float = 0.0,
    sigmoid: bool = False,
    size: tuple[int | str, int | str] = (16, 24),
    batch: int | str = 1,
    dtype: int = TensorProto.FLOAT,
) -> Path:
    """An ONNX file with one output map per triple of channel weights."""
    as_numpy = helper.tensor_dtype_to_np_dtype(dtype)
    nodes, constants, outputs = [], [], []
    for index, channels in enumerate(weights):
        kernel = np.asarray(channels, as_numpy).reshape(1, 3, 1, 1)
        constants += [
            numpy_helper.from_array(kernel, f"w{index}"),
            numpy_helper.from_array(np.asarray([bias], as_numpy), f"b{index}"),
        ]
        mixed = f"mixed{index}" if sigmoid else f"out{index}"
        nodes.append(helper.make_node("Conv", ["picture", f"w{index}", f"b{index}"], [mixed]))
        if sigmoid:
            nodes.append(helper.make_node("Sigmoid", [mixed], [f"out{index}"]))
        outputs.append(helper.make_tensor_value_info(f"out{index}", dtype, [batch, 1, *size]))
    picture = helper.make_tensor_value_info("picture", dtype, [batch, 3, *size])
    graph = helper.make_graph(nodes, "tiny", [picture], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path
