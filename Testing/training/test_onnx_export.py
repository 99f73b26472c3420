"""The exported network is the network: same logits, half the room, same bytes each time."""

import numpy as np
import onnx
import openvino
import pytest
import torch

from MSLesionSegLib.networks import build_network
from MSLesionSegTrainingLib.onnx_export import as_halves, export_onnx, half_precision

ARCHITECTURE = {"type": "efficientnet3d_unet", "widths": [8, 8, 12, 12, 16], "depths": [1, 1, 1, 1]}


@pytest.fixture(params=["batch", "instance"])
def network(request):
    torch.manual_seed(0)
    network = build_network({**ARCHITECTURE, "norm": request.param})
    torch.nn.init.normal_(network.logit.weight)
    return half_precision(network).eval()


def test_weights_are_rounded_to_what_float16_holds(network):
    assert all(torch.equal(p, p.half().float()) for p in network.parameters() if p.dim() > 1)
    stored = as_halves(network.state_dict())
    assert stored["logit.weight"].dtype == torch.float16 and stored["logit.bias"].dtype == torch.float32


def test_logits_agree_on_a_window_of_another_size_than_the_exported_one(network):
    window = torch.randn(1, 3, 48, 32, 64, generator=torch.Generator().manual_seed(1))
    core = openvino.Core()
    model = core.read_model(export_onnx(network, 3))
    model.reshape(list(window.shape))
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    with torch.inference_mode():
        expected = network(window).numpy()
    assert np.abs(expected).max() > 0.1
    assert np.allclose(compiled(window.numpy())[0], expected, atol=1e-3)


def test_the_file_is_the_same_each_time_and_its_weights_take_two_bytes(network):
    exported = export_onnx(network, 3)
    assert exported == export_onnx(network, 3)
    graph = onnx.load_from_string(exported).graph
    large = [weight for weight in graph.initializer if np.prod(weight.dims) >= 1000]
    assert large and {weight.data_type for weight in large} == {onnx.TensorProto.FLOAT16}
