"""What annotators leave passes the validator of BIDS: ``bids-validator-deno``, or what ``BIDS_VALIDATOR`` names."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from Testing.training.cohort import make_cohort

from MSLesionSegLib.images import read_image
from MSLesionSegTrainingLib.cases import index_cases
from MSLesionSegTrainingLib.split import extend_split, write_split
from MSLesionSegTrainingLib.worklist.claims import take_case
from MSLesionSegTrainingLib.worklist.saving import add_second_reading, finish_case
from MSLesionSegTrainingLib.worklist.work_list import work_folder

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def validator() -> str:
    name = "bids-validator-deno"
    found = (
        os.environ.get("BIDS_VALIDATOR") or shutil.which(name) or shutil.which(name, path=Path(sys.executable).parent)
    )
    if not found:
        pytest.skip(f"{name} is not installed; set BIDS_VALIDATOR")
    return found


def errors(validator: str, folder: Path) -> list[str]:
    words = [validator, str(folder), "--format", "json", "--ignoreWarnings"]
    done = subprocess.run(words, capture_output=True, encoding="utf-8", timeout=300)
    issues = json.loads(done.stdout)["issues"]["issues"]
    return [f"{one['code']} {one.get('location')}" for one in issues if one["severity"] == "error"]


@pytest.fixture
def annotated(tmp_path) -> Path:
    """Two finished cases, one of them read twice, one that was only begun, and a split."""
    root = make_cohort(tmp_path / "set", 3, broken=False)
    for name, who in (("sub-01", "Anna"), ("sub-02", "Ben")):
        mask = read_image(root / name / "anat" / f"{name}_FLAIR.nii.gz") > 500
        finish_case(root, take_case(work_folder(root, name), who), mask, 60.0, {"accepted": 2})
    add_second_reading(root, take_case(work_folder(root, "sub-01"), "Ben"), mask, 30.0)
    take_case(work_folder(root, "sub-03"), "Anna")
    return root


def test_the_studies_and_their_annotations_pass(validator, annotated):
    cases, problems = index_cases(annotated)
    assert problems == [] and sum(case.mask is not None for case in cases) == 2
    write_split(annotated, extend_split({}, [case.patient for case in cases]))
    assert errors(validator, annotated) == []
    assert errors(validator, annotated / "derivatives/annotations") == []


def test_the_validator_finds_a_mask_under_another_name(validator, annotated):
    (mask,) = annotated.glob("derivatives/annotations/sub-02/anat/*_label-lesion_mask.nii.gz")
    mask.rename(mask.with_name("sub-02_lesions.nii.gz"))
    assert errors(validator, annotated / "derivatives/annotations")
