"""Slicer packages only what CMake lists, so every Lib file and resource has to be listed."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = ("MSLesionSeg", "MSLesionSegTraining")
IGNORED_PARTS = ("__pycache__", "Testing")


def listed(module: str, name: str) -> list[str]:
    """The entries of ``set(NAME ...)`` in a module's CMakeLists.txt."""
    text = (REPOSITORY / module / "CMakeLists.txt").read_text("utf-8")
    block = re.search(rf"^set\({name}\n(.*?)^\s*\)$", text, re.MULTILINE | re.DOTALL)
    return block.group(1).split() if block else []


def present(module: str, pattern: str) -> set[str]:
    folder = REPOSITORY / module
    files = (file.relative_to(folder) for file in folder.glob(pattern) if file.is_file())
    return {file.as_posix() for file in files if not set(file.parts) & set(IGNORED_PARTS)}


@pytest.mark.parametrize("module", MODULES)
def test_every_python_file_is_listed_once_and_exists(module):
    scripts = listed(module, "MODULE_PYTHON_SCRIPTS")
    assert scripts == sorted(present(module, "**/*.py"))


@pytest.mark.parametrize("module", MODULES)
def test_every_resource_is_listed_once_and_exists(module):
    resources = listed(module, "MODULE_PYTHON_RESOURCES")
    assert resources == sorted(present(module, "Resources/**/*"))


@pytest.mark.parametrize("module", MODULES)
def test_both_lists_reach_slicers_macro(module):
    text = (REPOSITORY / module / "CMakeLists.txt").read_text("utf-8")
    call = re.search(r"slicerMacroBuildScriptedModule\((.*?)\n\s*\)$", text, re.MULTILINE | re.DOTALL).group(1)
    assert "SCRIPTS ${MODULE_PYTHON_SCRIPTS}" in call
    assert "RESOURCES ${MODULE_PYTHON_RESOURCES}" in call


def test_the_extension_builds_both_modules_and_asks_for_pytorch():
    text = (REPOSITORY / "CMakeLists.txt").read_text("utf-8")
    assert "project(MSLesionSeg)" in text
    assert re.findall(r"^add_subdirectory\((\w+)\)$", text, re.MULTILINE) == list(MODULES)
    assert 'set(EXTENSION_DEPENDS "PyTorch")' in text
