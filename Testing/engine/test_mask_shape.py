"""Largest piece, holes and depth of masks are those that SciPy gives."""

import numpy as np
import pytest
from scipy import ndimage

from MSLesionSegLib.mask_shape import bounding_box, depth, fill_holes, largest_piece


@pytest.fixture(scope="module")
def blobs() -> np.ndarray:
    """Several pieces with holes, some at the array's edge, (30, 34, 38)."""
    noise = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((30, 34, 38)), 2)
    mask = np.abs(noise) > 0.04
    mask[10:20, 10:20, 10:20] = True
    mask[12:16, 13:15, 14] = False
    return mask


def test_holes_are_those_that_faces_do_not_leave(blobs):
    assert fill_holes(blobs).sum() > blobs.sum()
    assert np.array_equal(fill_holes(blobs), ndimage.binary_fill_holes(blobs))


def test_largest_piece_counts_corners_as_contact():
    mask = np.zeros((6, 6, 6), bool)
    mask[1, 1, 1] = mask[2, 2, 2] = mask[3, 3, 3] = True
    mask[5, 0, 0:2] = True
    assert np.argwhere(largest_piece(mask)).tolist() == [[1, 1, 1], [2, 2, 2], [3, 3, 3]]


def test_depth_is_the_distance_to_the_nearest_voxel_outside(blobs):
    assert np.allclose(depth(blobs, 1.5), ndimage.distance_transform_edt(blobs, sampling=1.5), atol=1e-5)


def test_an_empty_mask_has_no_box_and_stays_empty():
    empty = np.zeros((4, 5, 6), bool)
    assert bounding_box(empty) is None
    assert not largest_piece(empty).any() and not fill_holes(empty).any() and not depth(empty, 1.0).any()
