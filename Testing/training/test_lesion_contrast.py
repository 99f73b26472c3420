"""Lesions as other sequences show them: nearer to white matter on T1w and T2w, the same on FLAIR."""

import numpy as np
import torch

from MSLesionSegTrainingLib.lesion_contrast import vary_lesion_contrast

BRAIN = torch.ones(24, 24, 24)
LESION = torch.zeros(24, 24, 24)
LESION[8:16, 8:16, 8:16] = 1
NOISE = torch.from_numpy(np.random.default_rng(0).normal(0, 0.2, (3, 24, 24, 24)).astype(np.float32))
CHANNELS = NOISE + torch.tensor([2.0, -1.0, 3.0])[:, None, None, None] * LESION


def drawn(lesion: torch.Tensor = LESION) -> list[torch.Tensor]:
    return [vary_lesion_contrast(np.random.default_rng(seed), CHANNELS, lesion, BRAIN) for seed in range(60)]


def test_lesions_come_nearer_to_white_matter_on_t1_and_t2_and_never_change_on_flair():
    core = (slice(10, 14),) * 3
    levels = torch.stack([varied[(slice(None), *core)].mean((1, 2, 3)) for varied in drawn()])
    assert float((levels[:, 0] - CHANNELS[(0, *core)].mean()).abs().max()) == 0
    t1, t2 = levels[:, 1], levels[:, 2]
    assert float(t1.min()) > -1.1 and float(t1.max()) > 0.0
    assert float(t2.max()) < 3.1 and 1.0 < float(t2.min()) < 1.8
    for level, original in ((t1, -1.0), (t2, 3.0)):
        assert 0.3 < float(((level - original).abs() < 0.05).float().mean()) < 0.7


def test_what_is_fine_stays_and_so_does_all_beyond_the_edge():
    fine = NOISE[1, 10:14, 10:14, 10:14]
    for varied in drawn():
        assert torch.equal(varied[:, :5], CHANNELS[:, :5])
        inside = varied[1, 10:14, 10:14, 10:14]
        assert np.corrcoef(inside.flatten(), fine.flatten())[0, 1] > 0.9


def test_without_lesions_nothing_changes():
    assert all(torch.equal(varied, CHANNELS) for varied in drawn(torch.zeros(24, 24, 24)))
