"""The commands of docs/scientist.md, in an empty folder: data set in, bundle out, and it segments."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import pytest

pytestmark = pytest.mark.acceptance

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = os.pathsep.join(str(REPOSITORY / module) for module in ("MSLesionSeg", "MSLesionSegTraining"))


def documented() -> list[list[str]]:
    """The words of each command in the first block of docs/scientist.md."""
    block = re.search(r"```\n(.*?)```", (REPOSITORY / "docs/scientist.md").read_text("utf-8"), re.DOTALL).group(1)
    return [shlex.split(line) for line in block.strip().splitlines()]


def test_the_documented_commands_lead_from_an_empty_folder_to_a_segmentation(tmp_path):
    commands = documented()
    assert [words[1] for words in commands] == ["example", "cases", "train", "models", "models", "segment"]
    began = time.monotonic()
    for words in commands:
        assert words[0] == "mslesionseg"
        program = [sys.executable, "-m", "MSLesionSegTrainingLib", *words[1:]]
        environment = {**os.environ, "PYTHONPATH": MODULES}
        done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=2400)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    print(f"{time.monotonic() - began:.0f} s")
    provenance = json.loads((tmp_path / "RESULT" / "provenance.json").read_text())
    assert provenance["models"]["lesion"]["name"] == "trial"
    found = nib.load(tmp_path / "RESULT" / "lesion_mask.nii.gz").get_fdata() > 0
    truth = tmp_path / "DATA/derivatives/annotations/sub-01/anat/sub-01_label-lesion_mask.nii.gz"
    truth = nib.load(truth).get_fdata() > 0
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.5
