"""The commands of docs/annotator.md, in an empty folder: synthetic studies, the model's masks, the work list."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from MSLesionSegTrainingLib.worklist.work_list import work_list

pytestmark = pytest.mark.acceptance

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = os.pathsep.join(str(REPOSITORY / module) for module in ("MSLesionSeg", "MSLesionSegTraining"))


def test_the_documented_commands_make_a_work_list_of_pre_segmented_cases(tmp_path):
    text = (REPOSITORY / "docs/annotator.md").read_text("utf-8")
    commands = [
        shlex.split(line) for line in re.search(r"```\n(.*?)```", text, re.DOTALL).group(1).strip().splitlines()
    ]
    assert [words[1] for words in commands] == ["example", "batch", "worklist"]
    for words in commands:
        program = [sys.executable, "-m", "MSLesionSegTrainingLib", *words[1:]]
        environment = {**os.environ, "PYTHONPATH": MODULES}
        done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=2400)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    cases = work_list(tmp_path / "DATA")
    assert [case.name for case in cases] == ["sub-01", "sub-02"]
    assert all(
        (tmp_path / "DATA/derivatives/presegmented" / case.name / "lesion_mask.nii.gz").exists() for case in cases
    )
    assert all(case.uncertain_ml > 0 for case in cases)
    assert (tmp_path / "DATA/derivatives/worklist/summary.html").is_file()
