"""EfficientNet3D-UNet and the conventional U-Net: sizes, blocks, compound scaling."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from MSLesionSegLib.bundle import load_bundle
from MSLesionSegLib.errors import ModelError, UsageError
from MSLesionSegLib.model_store import default_model
from MSLesionSegLib.networks import build_network
from MSLesionSegLib.networks.blocks import DepthwiseConv3d, FusedMBConv3d, MBConv3d, SqueezeExcitation, StochasticDepth
from MSLesionSegLib.networks.efficientnet3d_unet import (
    PRESETS,
    EfficientNet3DUNet,
    preset_architecture,
    preset_scaling,
)

TINY = {"type": "efficientnet3d_unet", "widths": [8, 8, 16, 16, 24], "depths": [1, 1, 1, 1]}


def count_flops(preset: str) -> int:
    network = build_network(preset_architecture(preset)).eval().to("meta")
    edge = preset_scaling(preset).patch
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.empty(1, 3, edge, edge, edge, device="meta"))
    return counter.get_total_flops()


def assert_true_mbconv(network: EfficientNet3DUNet) -> None:
    """Every encoder block at a quarter of the resolution and below is MBConv: depthwise, squeezed and excited."""
    for stage in network.stages[1:]:
        assert len(stage) >= 1
        for block in stage:
            assert isinstance(block, MBConv3d)
            assert block.depthwise.groups == block.depthwise.in_channels == block.depthwise.out_channels > 8
            assert block.depthwise.kernel_size[0] >= 3
            assert isinstance(block.excite, SqueezeExcitation)
            assert block.expand[0].kernel_size == block.project.kernel_size == (1, 1, 1)


def test_each_step_of_phi_doubles_the_work_within_15_per_cent():
    flops = [count_flops(preset) for preset in ("small", "b0", "b1", "b2", "b3", "b4")]
    assert list(PRESETS.values()) == [-1.0, 0.0, 1.0, 2.0, 3.0, 4.0]
    assert all(1.7 <= larger / smaller <= 2.3 for smaller, larger in zip(flops, flops[1:], strict=False))


@pytest.mark.parametrize("preset", ["small", "b0", "b4"])
def test_every_preset_has_true_mbconv_from_a_quarter_of_the_resolution_down(preset):
    assert_true_mbconv(build_network(preset_architecture(preset)))


def test_the_shipped_lesion_network_has_true_mbconv_from_a_quarter_of_the_resolution_down():
    network = load_bundle(default_model("lesion")).load_network()
    assert isinstance(network, EfficientNet3DUNet)
    assert_true_mbconv(network)


def test_the_faithful_form_is_mbconv_at_every_stage():
    network = build_network({**TINY, "faithful": True})
    assert all(isinstance(block, MBConv3d) for stage in network.stages for block in stage)
    default = build_network(TINY)
    assert all(isinstance(block, FusedMBConv3d) for block in default.stages[0])


@pytest.mark.parametrize("size", [(16, 16, 32), (17, 23, 40), (33, 16, 16)])
def test_logits_have_the_size_of_the_input(size):
    network = build_network(TINY).eval()
    assert network(torch.zeros(2, 3, *size)).shape == (2, 1, *size)


def test_a_lesion_moved_by_the_stride_moves_the_logits_with_it():
    torch.manual_seed(0)
    network = build_network(
        {"type": "efficientnet3d_unet", "in_channels": 1, "widths": [8, 8, 8, 8, 8], "depths": [1, 1, 1, 1]}
    )
    image = torch.zeros(1, 1, 64, 64, 64)
    image[..., 24:28, 24:28, 24:28] = 1
    with torch.inference_mode():
        logits = network.eval()(image)
        moved = network(image.roll(16, 4))
    inner = (slice(None), slice(None), slice(22, 30), slice(22, 30))
    assert torch.allclose(moved[(*inner, slice(38, 46))], logits[(*inner, slice(22, 30))], atol=0.02)


def test_stochastic_depth_is_the_identity_outside_training_and_keeps_the_mean_in_it():
    torch.manual_seed(0)
    drop = StochasticDepth(0.5)
    ones = torch.ones(4000, 1, 1, 1, 1)
    assert torch.equal(drop.eval()(ones), ones)
    assert abs(float(drop.train()(ones).mean()) - 1.0) < 0.06


def test_depthwise_convolution_stays_float32_on_the_cpu_under_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        assert DepthwiseConv3d(8, 3)(torch.zeros(1, 8, 8, 8, 8, dtype=torch.bfloat16)).dtype == torch.float32


def test_the_conventional_unet_is_built_from_plain_values():
    network = build_network({"type": "unet3d", "in_channels": 3, "features": [8, 8, 16, 16, 32, 8]}).eval()
    assert network(torch.zeros(1, 3, 20, 16, 16)).shape == (1, 1, 20, 16, 16)
    assert not any(isinstance(m, nn.Conv3d) and m.groups > 1 for m in network.modules())


def test_unknown_types_and_arguments_are_named():
    with pytest.raises(ModelError, match="'vit', which this version does not know"):
        build_network({"type": "vit"})
    with pytest.raises(ModelError, match="does not take these arguments.*'depth'"):
        build_network({**TINY, "depth": 3})
    with pytest.raises(UsageError, match="There is no preset 'b9'"):
        preset_architecture("b9")


@pytest.mark.parametrize("members", [1, 9, 2.0, "two"])
def test_a_model_of_an_impossible_number_of_networks_is_refused(members):
    with pytest.raises(ModelError, match="may average 2 to 8 networks, not "):
        build_network({**TINY, "members": members})
