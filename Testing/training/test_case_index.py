"""A case is indexed once; the index lies in a file and is mapped from there."""

from dataclasses import fields

import numpy as np
import pytest

from MSLesionSegLib.errors import StudyError
from MSLesionSegTrainingLib.case_index import CaseIndex, index_case, load_index, save_index, with_hard_negatives

SHAPE = (40, 50, 60)


@pytest.fixture
def case() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """FLAIR at 0 with a bright slab and a bright lesion, brain, lesion of 64 voxels and a single voxel."""
    brain = np.zeros(SHAPE, bool)
    brain[5:35, 5:45, 5:55] = True
    lesion = np.zeros(SHAPE, bool)
    lesion[10:14, 10:14, 10:14] = lesion[30, 30, 30] = True
    flair = np.where(lesion, 2.0, 0.0)
    flair[20, :, :] = 1.5
    return flair, brain, lesion


def arrays(index: CaseIndex) -> dict[str, np.ndarray]:
    """Every array of an index by name."""
    of_case = {f.name: getattr(index, f.name) for f in fields(index) if f.name not in ("shape", "lesions")}
    return of_case | {name: getattr(index.lesions, name) for name in ("sizes", "voxels", "starts", "specks")}


def test_the_places_kept_are_what_they_are_called(case):
    flair, brain, lesion = case
    index = index_case(*case)
    assert index.shape == SHAPE
    assert index.lesions.sizes.tolist() == [64]
    assert index.lesions.specks.tolist() == [[30, 30, 30]]
    assert brain[tuple(index.brain_voxels.T)].all()
    assert (brain & ~lesion)[tuple(index.background_voxels.T)].all()
    # The slab of 40 x 50 voxels is kept whole; the lesion, brighter still, is no hard negative.
    assert len(index.bright_voxels) == 40 * 50
    assert set(index.bright_voxels[:, 0]) == {20}


def test_the_places_kept_are_at_most_twenty_thousand_and_reach_through_the_whole_brain(case):
    index = index_case(*case)
    assert len(index.brain_voxels) == 20000
    assert len(np.unique(index.brain_voxels, axis=0)) == 20000
    assert index.brain_voxels.min(0).tolist() == [5, 5, 5]
    assert index.brain_voxels.max(0).tolist()[0] == 34
    # Each of the 30 slices of the brain has the same share of the sample.
    assert abs(np.bincount(index.brain_voxels[:, 0])[5:35] - 20000 / 30).max() <= 1


def test_without_a_flair_there_are_no_hard_negatives(case):
    _, brain, lesion = case
    assert index_case(None, brain, lesion).bright_voxels.shape == (0, 3)


def test_an_empty_brain_is_refused(case):
    flair, brain, lesion = case
    with pytest.raises(StudyError, match="brain mask is empty"):
        index_case(flair, np.zeros_like(brain), lesion)


def test_an_index_is_read_back_exactly_and_mapped_instead_of_read(case, tmp_path):
    index = with_hard_negatives(index_case(*case), np.argwhere(case[1])[:7])
    save_index(tmp_path / "index.npy", index)
    again = load_index(tmp_path / "index.npy")
    assert again.shape == index.shape
    for name, array in arrays(index).items():
        read = arrays(again)[name]
        assert read.dtype == array.dtype and np.array_equal(read, array), name
        assert not read.flags.owndata and not read.flags.writeable, name
    assert [file.name for file in tmp_path.iterdir()] == ["index.npy"]


def test_an_index_of_a_healthy_case_is_read_back(case, tmp_path):
    _, brain, lesion = case
    save_index(tmp_path / "index.npy", index_case(None, brain, np.zeros_like(lesion)))
    again = load_index(tmp_path / "index.npy")
    assert len(again.lesions) == 0 and len(again.lesions.specks) == 0
    assert len(again.bright_voxels) == 0 and len(again.brain_voxels) == 20000


@pytest.mark.parametrize("content", [None, b"", b"not an index", "cut", "other"])
def test_a_file_that_is_no_index_is_named(case, tmp_path, content):
    path = tmp_path / "index.npy"
    if content == "cut":
        save_index(path, index_case(*case))
        path.write_bytes(path.read_bytes()[:-100])
    elif content == "other":
        np.save(path, np.zeros(5))
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(StudyError, match="index.npy"):
        load_index(path)


def test_hard_negatives_outside_the_volume_are_refused(case):
    with pytest.raises(ValueError, match="outside the volume"):
        with_hard_negatives(index_case(*case), np.array([[0, 0, 60]]))
