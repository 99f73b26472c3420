"""Two panels in two processes on one folder, and a panel that is killed: nothing is lost, doubled or broken."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import SimpleITK as sitk
from Testing.slicer.worklist_studies import make_studies

from MSLesionSegLib.nifti import read_nifti
from MSLesionSegTrainingLib.cases import index_cases
from MSLesionSegTrainingLib.worklist.claims import CLAIM_FILE, see_claim, take_case
from MSLesionSegTrainingLib.worklist.drafts import read_draft
from MSLesionSegTrainingLib.worklist.work_list import work_folder, work_list


def panel(root: Path, who: str, seconds: float, *words: str) -> subprocess.Popen:
    program = [sys.executable, str(Path(__file__).with_name("annotate_in_panel.py")), str(root), who, str(seconds)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.Popen(
        [*program, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )


def digest(image: sitk.Image) -> str:
    return hashlib.sha256(sitk.GetArrayFromImage(image)).hexdigest()


def many_studies(folder: Path, number: int) -> Path:
    """A folder of small studies with the model's results."""
    make_studies(folder)
    for copy in range(4, number + 1):
        name = f"sub-{copy:02d}"
        for place in (folder, folder / "derivatives/presegmented"):
            shutil.copytree(place / "sub-01", place / name)
        for file in (folder / name).rglob("sub-01*"):
            file.rename(file.with_name(file.name.replace("sub-01", name)))
    return folder


def told_by(text: str) -> list[tuple[str, str]]:
    """Case and digest of each line."""
    return [tuple(line.split()) for line in text.splitlines() if line.startswith("sub-")]


def annotate_together(root: Path, seconds: float) -> int:
    """Two annotators until the time is over; one panel is killed in the middle and comes back; how many were done."""
    people = {who: panel(root, who, seconds) for who in ("Anna", "Ben")}
    first = people["Ben"].stdout.readline()
    people["Ben"].kill()
    told = told_by(first + people["Ben"].communicate()[0])
    for row in work_list(root, measure=False):
        if row.claim is not None and row.claim.who == "Ben":  # what he had when he was killed
            take_case(work_folder(root, row.name), "Ben", take_over="killed").release()
    people["Ben"] = panel(root, "Ben", seconds)
    for who, process in people.items():
        out, err = process.communicate(timeout=seconds + 300)
        assert process.returncode == 0, f"{who}\n{err}"
        told += told_by(out)
    check(root, told)
    return len(told)


def check(root: Path, told: list[tuple[str, str]]) -> None:
    """Each finished case was finished once, its mask is the one that was told, and all masks can be trained on."""
    names = [name for name, _ in told]
    assert len(names) == len(set(names))
    cases = {case.name: case for case in work_list(root, measure=False)}
    done = [case for case in cases.values() if case.state == "done"]
    assert set(names) <= {case.name for case in done}
    assert len(names) >= len(done) - 1  # who was killed may have finished one and not said so
    for name, expected in told:
        assert digest(read_nifti(cases[name].mask)) == expected
    assert index_cases(root)[1] == []
    assert not [file for file in root.rglob("*") if ".partial" in file.name or file.name.startswith(".annotated-")]


def test_a_killed_panel_leaves_its_last_draft_whole_and_another_goes_on_from_it(tmp_path):
    root = make_studies(tmp_path / "studies")
    process = panel(root, "Anna", 0, "--draft")
    (name, expected) = told_by(process.stdout.readline())[0]
    process.kill()
    process.wait()
    folder = work_folder(root, name)
    assert digest(read_draft(folder).mask) == expected
    assert see_claim(folder).who == "Anna"
    past = time.time() - 700
    os.utime(folder / CLAIM_FILE, (past, past))
    claim = take_case(folder, "Ben", take_over="the machine broke down")
    assert digest(read_draft(claim.folder).mask) == expected and read_draft(folder).review is not None


@pytest.mark.acceptance
def test_two_panels_work_for_a_minute_on_one_folder_and_one_is_killed(tmp_path):
    done = annotate_together(many_studies(tmp_path / "studies", 99), 60)
    assert done >= 10
