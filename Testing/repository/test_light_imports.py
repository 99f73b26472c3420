"""What Slicer's own process imports works before torch or anything else is installed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ENGINE = Path(__file__).resolve().parents[2] / "MSLesionSeg"
TRAINING = ENGINE.with_name("MSLesionSegTraining")
LIGHT = (
    "annotated_case",
    "contrast_guess",
    "dissemination",
    "errors",
    "finish",
    "grid",
    "images",
    "lesion_confidence",
    "lesion_table",
    "lesions",
    "location",
    "model_store",
    "protocol",
    "provenance",
    "quality",
    "results",
    "rethreshold",
    "study",
)

#: Makes every import fail that is not of the standard library, numpy, scipy, SimpleITK or the engine.
BLOCK = """
import sys
class Block:
    allowed = {*sys.stdlib_module_names, "numpy", "scipy", "SimpleITK", "MSLesionSegLib", "MSLesionSegTrainingLib"}
    def find_spec(self, name, path=None, target=None):
        # The standard library also holds _sysconfigdata_<platform>, which sys.stdlib_module_names leaves out.
        if name.partition(".")[0] not in self.allowed and not name.startswith("_sysconfigdata"):
            raise ModuleNotFoundError(f"{name} is not installed", name=name)
sys.meta_path.insert(0, Block())
"""


def run_blocked(text: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ENGINE, TRAINING)))}
    return subprocess.run(
        [sys.executable, "-c", BLOCK + text], capture_output=True, text=True, env=environment, timeout=120
    )


def imported_by_the_training_panel() -> set[str]:
    """The files of the training package that the module MSLesionSegTraining imports in Slicer's process."""
    files = [*TRAINING.glob("MSLesionSegTrainingScene/*.py"), *TRAINING.glob("MSLesionSegTrainingWidgets/*.py")]
    found = [re.findall(r"from (MSLesionSegTrainingLib[\w.]*) import", file.read_text("utf-8")) for file in files]
    return {name for names in found for name in names}


def test_the_light_modules_need_only_numpy_scipy_and_simpleitk():
    training = imported_by_the_training_panel()
    assert "MSLesionSegTrainingLib.worklist.work_list" in training
    done = run_blocked(
        "".join(f"import {name}\n" for name in [*(f"MSLesionSegLib.{name}" for name in LIGHT), *training])
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["torch", "pydantic", "typer", "rich", "matplotlib", "safetensors"])
def test_the_block_holds(name):
    done = run_blocked(f"import {name}")
    assert done.returncode == 1
    assert f"{name} is not installed" in done.stderr


def test_the_shipped_models_can_be_listed_before_anything_is_installed():
    done = run_blocked(
        "import json\nfrom MSLesionSegLib import model_store\n"
        "print(json.dumps([[m.name, m.kind, m.problem] for m in model_store.list_models() if m.shipped]))"
    )
    assert done.returncode == 0, done.stderr
    shipped = json.loads(done.stdout)
    assert {kind for _, kind, _ in shipped} >= {"lesion"}
    assert [problem for _, _, problem in shipped] == [""] * len(shipped)
