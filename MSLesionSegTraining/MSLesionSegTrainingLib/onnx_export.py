"""A network as ``network.onnx``, for runtimes that are faster on a CPU than PyTorch."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

OPSET = 17
_TRACED_EDGE = 32
_SMALLEST_HALVED = 64


def half_precision(network: nn.Module) -> nn.Module:
    """Round the weights of convolutions to float16, in place, and keep them as float32.

    Stored as float16 a model takes half the room; rounding moves a weight by at most 2 to the power -11 of itself.
    """
    for parameter in network.parameters():
        if parameter.dim() > 1:
            parameter.data = parameter.data.half().float()
    return network


def as_halves(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as they are stored: float16 those that ``half_precision`` rounds, the others as they are."""
    return {name: value.half() if value.dim() > 1 else value for name, value in weights.items()}


def export_onnx(network: nn.Module, contrasts: int) -> bytes:
    """Export a network whose convolution weights are float16 values (see ``half_precision``).

    Batch normalisation stays a step of its own, so that the stored weights are those of the network; runtimes fold it.

    Args:
        network: (B, contrasts, z, y, x) to (B, 1, z, y, x), edges in multiples of its stride.
        contrasts: channels of the input.

    Returns:
        The bytes of an ONNX file that takes any batch and window; the same network gives the same bytes.
    """
    example = torch.zeros(1, contrasts, _TRACED_EDGE, _TRACED_EDGE, _TRACED_EDGE)
    axes = {0: "batch", 2: "z", 3: "y", 4: "x"}
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (example,),
            stream,
            dynamo=False,
            training=torch.onnx.TrainingMode.PRESERVE,
            opset_version=OPSET,
            input_names=["channels"],
            output_names=["logits"],
            dynamic_axes={"channels": axes, "logits": axes},
        )
    model = onnx.load_from_string(stream.getvalue())
    _store_halves(model.graph)
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def _store_halves(graph: onnx.GraphProto) -> None:
    """Keep what float16 holds exactly as float16, widened by a Cast where it is used."""
    casts = []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        halves = values.astype(np.float16)
        if values.dtype != np.float32 or values.size < _SMALLEST_HALVED or not np.array_equal(halves, values):
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(halves, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend(casts + nodes)
