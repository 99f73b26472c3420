"""The commands of docs/retraining.md on a small data set and a small model, and the run as the panel would read it."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from Testing.slicer.training_person import small_data_set, small_model

from MSLesionSegTrainingLib.run_cases import read_run_cases
from MSLesionSegTrainingLib.run_following import FollowedRun, RunState

pytestmark = pytest.mark.acceptance

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = os.pathsep.join(str(REPOSITORY / module) for module in ("MSLesionSeg", "MSLesionSegTraining"))


def documented() -> list[list[str]]:
    """The words of each command, the shipped model replaced by the small one."""
    text = (REPOSITORY / "docs/retraining.md").read_text("utf-8")
    block = re.search(r"```\n(.*?)```", text, re.DOTALL).group(1)
    block = block.replace("shipped", "tiny-1.0").replace("--epochs 2 --epoch-steps 100", "--epochs 2 --epoch-steps 2")
    return [shlex.split(line) for line in block.strip().splitlines()]


def test_the_documented_commands_lead_from_a_check_to_a_promoted_model(tmp_path):
    small_model(tmp_path / "models")
    small_data_set(tmp_path / "DATASET")
    commands = documented()
    assert [words[1] for words in commands] == ["preflight", "train", "validation-masks", "compare", "models"]
    environment = {**os.environ, "PYTHONPATH": MODULES, "MSLESIONSEG_MODELS": str(tmp_path / "models")}
    for words in commands:
        assert words[0] == "mslesionseg"
        program = [sys.executable, "-m", "MSLesionSegTrainingLib", *words[1:]]
        done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=2400)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    run = FollowedRun(tmp_path / "RUN")
    run.read()
    assert run.state is RunState.done and [epoch.epoch for epoch in run.epochs] == [1, 2]
    cases = read_run_cases(tmp_path / "RUN")
    assert list(cases.validation) == ["sub-03"] and cases.known == ()
    assert {path.name for path in (tmp_path / "MASKS").glob("*.nii.gz")} == {
        "annotation.nii.gz",
        "after.nii.gz",
        "before.nii.gz",
    }
    told = json.loads((tmp_path / "REPORT/before_after.json").read_text("utf-8"))
    assert told["models"]["after"]["name"] == "the run RUN"
    assert (tmp_path / "models/ours-1.0/model.json").is_file() and (tmp_path / "models/tiny/model.json").is_file()
