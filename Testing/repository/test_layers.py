"""Imports run one way only: modules -> widgets -> scene -> engine, and likewise over the training package."""

import ast
import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
ENGINE = "MSLesionSeg/MSLesionSegLib"
TRAINING = "MSLesionSegTraining/MSLesionSegTrainingLib"
SCENE = "MSLesionSeg/MSLesionSegScene"
WIDGETS = "MSLesionSeg/MSLesionSegWidgets"
MODULE = "MSLesionSeg/MSLesionSeg.py"
TRAINING_SCENE = "MSLesionSegTraining/MSLesionSegTrainingScene"
TRAINING_WIDGETS = "MSLesionSegTraining/MSLesionSegTrainingWidgets"
TRAINING_MODULE = "MSLesionSegTraining/MSLesionSegTraining.py"

SLICER = {"slicer", "mrml", "ScriptedLoadableModule", "PythonSlicer"}
QT = {"qt", "ctk", "PythonQt", "PySide6", "PyQt5", "PyQt6"}

#: Layer -> the project's own packages that it may import beside itself.
MAY_IMPORT = {
    ENGINE: set(),
    TRAINING: {"MSLesionSegLib"},
    SCENE: {"MSLesionSegLib"},
    WIDGETS: {"MSLesionSegLib", "MSLesionSegScene"},
    MODULE: {"MSLesionSegLib", "MSLesionSegScene", "MSLesionSegWidgets"},
    TRAINING_SCENE: {"MSLesionSegLib", "MSLesionSegScene", "MSLesionSegTrainingLib"},
    TRAINING_WIDGETS: {
        "MSLesionSegLib",
        "MSLesionSegScene",
        "MSLesionSegWidgets",
        "MSLesionSegTrainingLib",
        "MSLesionSegTrainingScene",
    },
    TRAINING_MODULE: {
        "MSLesionSegLib",
        "MSLesionSegScene",
        "MSLesionSegWidgets",
        "MSLesionSegTrainingLib",
        "MSLesionSegTrainingScene",
        "MSLesionSegTrainingWidgets",
    },
}
OWN = {Path(layer).stem for layer in MAY_IMPORT}
PLAIN = (ENGINE, TRAINING)  # know neither Slicer, nor VTK, nor Qt
WITHOUT_QT = (*PLAIN, SCENE, TRAINING_SCENE)


def imported_names(file: Path) -> list[tuple[int, str]]:
    """(line, top-level package) of every absolute import of a file, also inside functions and by ``import_module``.

    A relative import that leaves the file's package is returned as "..".
    """
    found = []
    for node in ast.walk(ast.parse(file.read_text("utf-8"), str(file))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.lineno, node.module if node.level == 0 else ("." * node.level)))
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if function in ("import_module", "__import__") and not str(node.args[0].value).startswith("."):
                found.append((node.lineno, str(node.args[0].value)))
    return [(line, name if name.startswith(".") else name.partition(".")[0]) for line, name in found]


def layer_of(file: Path, root: Path) -> str | None:
    relative = file.relative_to(root).as_posix()
    return next((layer for layer in MAY_IMPORT if relative == layer or relative.startswith(f"{layer}/")), None)


def is_forbidden(name: str, layer: str, depth: int) -> bool:
    if name.startswith("."):
        return len(name) > depth
    if name in OWN:
        return name not in MAY_IMPORT[layer] | {Path(layer).stem}
    if name in SLICER or name.startswith("vtk"):
        return layer in PLAIN
    return name in QT and layer in WITHOUT_QT


def violations(root: Path) -> list[str]:
    """``file:line imports name`` for every import that goes against the layers."""
    found = []
    for module in ("MSLesionSeg", "MSLesionSegTraining"):
        for file in sorted((root / module).rglob("*.py")):
            layer = layer_of(file, root)
            if layer is None:
                continue
            depth = len(file.relative_to(root / layer).parts) if file != root / layer else 0
            found += [
                f"{file.relative_to(root).as_posix()}:{line} imports {name}"
                for line, name in imported_names(file)
                if is_forbidden(name, layer, depth)
            ]
    return found


def test_imports_run_one_way():
    assert violations(REPOSITORY) == []


def test_every_python_file_of_the_two_modules_belongs_to_a_layer():
    homeless = [
        file.relative_to(REPOSITORY).as_posix()
        for module in ("MSLesionSeg", "MSLesionSegTraining")
        for file in (REPOSITORY / module).rglob("*.py")
        if layer_of(file, REPOSITORY) is None and "Testing" not in file.parts
    ]
    assert homeless == []


@pytest.mark.parametrize(
    ("file", "line", "name"),
    [
        (f"{ENGINE}/grid.py", "import slicer", "slicer"),
        (f"{ENGINE}/grid.py", "from vtkmodules.util import numpy_support", "vtkmodules"),
        (f"{ENGINE}/grid.py", "def late():\n    from MSLesionSegTrainingLib import cli", "MSLesionSegTrainingLib"),
        (f"{ENGINE}/networks/build.py", "import importlib; importlib.import_module('qt')", "qt"),
        (f"{ENGINE}/grid.py", "from ..MSLesionSegScene import nodes", ".."),
        (f"{ENGINE}/networks/build.py", "from ...MSLesionSegScene import nodes", "..."),
        (f"{TRAINING}/cli.py", "import qt", "qt"),
        (f"{TRAINING}/cli.py", "import MSLesionSegWidgets.table", "MSLesionSegWidgets"),
        (f"{SCENE}/nodes.py", "from MSLesionSegWidgets import table", "MSLesionSegWidgets"),
        (f"{SCENE}/nodes.py", "import qt", "qt"),
        (f"{WIDGETS}/table.py", "import MSLesionSegTrainingLib", "MSLesionSegTrainingLib"),
        (f"{TRAINING}/cli.py", "import MSLesionSegTrainingScene.training_state", "MSLesionSegTrainingScene"),
        (f"{TRAINING_SCENE}/case_nodes.py", "import qt", "qt"),
        (f"{TRAINING_SCENE}/case_nodes.py", "from MSLesionSegWidgets import worker", "MSLesionSegWidgets"),
        (MODULE, "from MSLesionSegTrainingLib import cli", "MSLesionSegTrainingLib"),
    ],
)
def test_a_planted_import_against_the_layers_is_found(tmp_path, file, line, name):
    ignore = shutil.ignore_patterns("__pycache__", "Resources")
    for module in ("MSLesionSeg", "MSLesionSegTraining"):
        shutil.copytree(REPOSITORY / module, tmp_path / module, ignore=ignore)
    planted = tmp_path / file
    planted.parent.mkdir(exist_ok=True)
    before = planted.read_text("utf-8") if planted.exists() else ""
    planted.write_text(f"{before}\n{line}\n", "utf-8")
    number = len(planted.read_text("utf-8").splitlines())
    assert violations(tmp_path) == [f"{file}:{number} imports {name}"]


@pytest.mark.parametrize(
    ("file", "line"),
    [
        (f"{SCENE}/nodes.py", "import slicer, vtk\nfrom MSLesionSegLib import grid"),
        (f"{WIDGETS}/table.py", "import qt, ctk\nfrom MSLesionSegScene import nodes"),
        (f"{TRAINING_SCENE}/nodes.py", "import slicer\nfrom MSLesionSegTrainingLib import studies"),
        (f"{TRAINING_WIDGETS}/tab.py", "import qt\nfrom MSLesionSegTrainingScene import training_state"),
        (TRAINING_MODULE, "import qt\nfrom MSLesionSegTrainingLib import cli\nfrom MSLesionSegWidgets import table"),
        (f"{ENGINE}/networks/build.py", "from ..errors import ModelError"),
    ],
)
def test_imports_along_the_layers_are_fine(tmp_path, file, line):
    planted = tmp_path / file
    planted.parent.mkdir(parents=True)
    planted.write_text(line, "utf-8")
    assert violations(tmp_path) == []
