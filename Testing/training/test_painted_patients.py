"""A painted patient: lesions of one in the brain of another, and a mask that is exact."""

from dataclasses import replace

import numpy as np
import pytest

from MSLesionSegTrainingLib.painted_patients import paint_patient
from MSLesionSegTrainingLib.painting import LesionLevels

LEVELS = LesionLevels(np.array([2.5, -0.5, 1.5]), np.diag([0.01] * 3), np.array([0.05] * 3))


def painted(brain, shapes, seed=0):
    return paint_patient(np.random.default_rng(seed), "sub-02", brain, shapes, LEVELS)


def test_a_painted_lesion_is_brighter_than_its_surroundings_and_lies_where_it_lay(map_canvas, shapes):
    canvas = painted(map_canvas, shapes[0])
    lesion, flair = canvas.lesion[0].numpy() > 0, canvas.channels[0].float().numpy()
    assert np.abs(np.argwhere(lesion).mean(0) - (30, 20, 20)).max() < 2
    assert 60 < lesion.sum() < 200  # a ball of 123 voxels
    white = (map_canvas.tissue[2].numpy() == 255) & ~lesion
    assert flair[lesion].mean() > flair[white].mean() + 1.2
    assert len(canvas.index.lesions) >= 1 and canvas.name == "sub-02"
    assert float(canvas.channels.abs().sum(0)[canvas.brain[0] == 0].max()) == 0


def test_the_lesions_that_a_tissue_map_had_of_its_own_are_neither_shown_nor_marked(map_canvas, shapes):
    own = map_canvas.lesion[0].numpy() > 0
    assert not (painted(map_canvas, shapes[0]).lesion[0].numpy()[own] > 0).any()


def test_the_lesions_of_a_real_brain_stay_beside_the_painted_ones(study_canvas, shapes):
    canvas = painted(study_canvas, shapes[0])
    own = study_canvas.lesion[0].numpy() > 0
    marked = canvas.lesion[0].numpy() > 0
    assert marked[own].all() and marked.sum() > own.sum() + 40


def test_the_same_seed_paints_the_same_patient_and_a_missing_contrast_stays_missing(study_canvas, shapes):
    one, same, other = (painted(study_canvas, shapes[0], seed) for seed in (1, 1, 2))
    assert (one.channels == same.channels).all() and (one.lesion == same.lesion).all()
    assert (one.channels != other.channels).any()
    alone = painted(replace(study_canvas, present=(True, False, False)), shapes[0])
    assert alone.present == (True, False, False)
    assert float(alone.channels[1:].abs().max()) == 0 and float(alone.channels[0].abs().max()) > 1


@pytest.mark.parametrize("length", [40, 48])
def test_brains_of_any_size_are_painted_on_their_own_grid(study_canvas, shapes, length):
    cut = replace(
        study_canvas,
        channels=study_canvas.channels[:, :length],
        brain=study_canvas.brain[:, :length],
        lesion=study_canvas.lesion[:, :length],
    )
    assert painted(cut, shapes[0]).channels.shape == (3, length, 48, 48)
