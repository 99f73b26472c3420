"""Smooth fields and matrices along the axes of a patch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from MSLesionSegTrainingLib.spatial import along_axes, smooth_field


@pytest.mark.parametrize(("nodes", "size"), [(3, 64), (5, 32), (32, 64)])
def test_a_smooth_field_is_trilinear_between_its_nodes(nodes, size):
    coarse = np.random.default_rng(2).standard_normal((2, nodes, nodes, nodes)).astype(np.float32)
    expected = F.interpolate(torch.from_numpy(coarse)[None], (size,) * 3, mode="trilinear", align_corners=True)[0]
    assert torch.allclose(smooth_field(np.random.default_rng(2), 2, size, nodes), expected, atol=1e-5)


def test_matrices_act_along_z_y_and_x_in_this_order():
    volume = torch.zeros(1, 2, 3, 4)
    volume[0, 1, 2, 3] = 1
    pick_z, pick_y, pick_x = torch.eye(2)[1:], torch.eye(3)[2:], torch.eye(4)[3:]
    assert along_axes(volume, (pick_z, pick_y, pick_x)).tolist() == [[[[1.0]]]]
    assert along_axes(volume, (torch.eye(2), 2 * torch.eye(3), torch.eye(4))).tolist() == (2 * volume).tolist()
