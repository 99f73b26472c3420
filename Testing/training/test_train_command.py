"""The training commands answer a mistake with a sentence."""

import pytest

from MSLesionSegLib.errors import StudyError, UsageError
from MSLesionSegTrainingLib.open_ms_data import labelled_patients
from MSLesionSegTrainingLib.release import release_bundle


def test_a_folder_without_studies_is_named(tmp_path):
    with pytest.raises(StudyError, match="holds no cross-sectional/sub-") as caught:
        labelled_patients(tmp_path)
    assert str(tmp_path) in caught.value.message
    assert caught.value.hint == "docs/scientist.md shows how the folder is laid out."


def test_a_folder_that_is_no_run_is_not_released(tmp_path):
    with pytest.raises(UsageError, match="is no training run: it holds no settings.json"):
        release_bundle(tmp_path, tmp_path, tmp_path / "bundle", name="trial", version="0.1", folds=[tmp_path])
    assert not (tmp_path / "bundle").exists()


def test_the_labelled_patients_are_found(data_dir):
    assert labelled_patients(data_dir) == ["sub-07", "sub-19"]
