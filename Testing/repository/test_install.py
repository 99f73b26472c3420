"""What reaches a user works without the repository: the files that CMake lists, and the built wheel."""

import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = ("MSLesionSeg", "MSLesionSegTraining")
RESULT_FILES = {
    "FLAIR.nii.gz",
    "T1w.nii.gz",
    "T1w_to_FLAIR.tfm",
    "T2w.nii.gz",
    "T2w_to_FLAIR.tfm",
    "brain_mask.nii.gz",
    "lesion_mask.nii.gz",
    "lesion_probability.nii.gz",
    "lesions.csv",
    "location.csv",
    "location_zones.nii.gz",
    "overview.png",
    "provenance.json",
    "second_probability.nii.gz",
}


def run(words: list[str], folder: Path, **environment: str) -> str:
    """Run a program away from the repository; its stdout. A failure shows what it said."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        words, cwd=folder, env={**clean, **environment}, capture_output=True, encoding="utf-8", timeout=900
    )
    assert done.returncode == 0, f"{words} left with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def segment_words(study: Path, out: Path) -> list[str]:
    words = ["segment", "--progress", "none", "--device", "cpu", "--out", str(out)]
    for option, name in (("--flair", "FLAIR"), ("--t1", "T1w"), ("--t2", "T2w")):
        words += [option, str(study / f"{name}.nii.gz")]
    return words


def listed(module: str) -> list[str]:
    """Every file that a module's CMakeLists.txt hands to Slicer's macro, relative to the module's folder."""
    files, inside = [], False
    for line in (REPOSITORY / module / "CMakeLists.txt").read_text("utf-8").splitlines():
        if line.startswith("set(MODULE_PYTHON_"):
            inside = True
        elif line.strip() == ")":
            inside = False
        elif inside:
            files.append(line.strip())
    return files


def test_a_folder_with_only_what_cmake_lists_segments_the_phantom(tmp_path, phantom_study):
    installed = tmp_path / "qt-scripted-modules"  # as in Slicer: the files of both modules in one folder
    for module in MODULES:
        for name in listed(module):
            (installed / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / module / name, installed / name)
    place = run(
        [sys.executable, "-c", "import MSLesionSegLib; print(MSLesionSegLib.__file__)"],
        tmp_path,
        PYTHONPATH=str(installed),
    )
    assert Path(place.strip()) == installed / "MSLesionSegLib" / "__init__.py"

    engine = [sys.executable, "-m", "MSLesionSegLib"]
    run([*engine, *segment_words(phantom_study, tmp_path / "result")], tmp_path, PYTHONPATH=str(installed))
    assert {file.name for file in (tmp_path / "result").iterdir()} == RESULT_FILES
    whole = run([sys.executable, "-m", "MSLesionSegTrainingLib", "--help"], tmp_path, PYTHONPATH=str(installed))
    assert "segment" in whole


def closure(names: set[str]) -> dict[str, metadata.Distribution]:
    """The distributions of that name installed here and all that they require on this machine, extras left out."""
    found: dict[str, metadata.Distribution] = {}
    waiting = {canonicalize_name(name) for name in names}
    while waiting:
        name = waiting.pop()
        found[name] = metadata.distribution(name)
        for text in found[name].requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting |= {canonicalize_name(requirement.name)} - found.keys()
    return found


def link_into(site: Path, distribution: metadata.Distribution) -> None:
    """Make an installed distribution importable from another environment without copying it."""
    for name in {PurePosixPath(file).parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
        target = site / name
        if not target.exists():
            target.symlink_to(distribution.locate_file(name))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], REPOSITORY)
    (built,) = folder.glob("*.whl")
    return built


def make_environment(folder: Path, *pip_words: str) -> Path:
    """An empty virtual environment into which pip of this one installs; the path of its python."""
    run([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder.parent)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run([sys.executable, "-m", "pip", "--python", str(python), "install", *pip_words], folder.parent)
    return python


def check_installed(python: Path, study: Path, folder: Path) -> None:
    """The console command of the environment segments the study, with the package that lies in the environment."""
    place = run([str(python), "-c", "import MSLesionSegLib; print(MSLesionSegLib.__file__)"], folder)
    assert Path(place.strip()).is_relative_to(python.parents[1])
    command = str(python.with_name("mslesionseg" + python.suffix))
    assert "shipped" in run([command, "models", "list"], folder)
    run([command, *segment_words(study, folder / "result")], folder)
    assert {file.name for file in (folder / "result").iterdir()} == RESULT_FILES


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege on Windows")
def test_the_wheel_with_torch_and_what_it_declares_segments_the_phantom(tmp_path, wheel, phantom_study):
    python = make_environment(tmp_path / "environment", "--no-deps", "--no-index", str(wheel))
    (package,) = (tmp_path / "environment").glob("lib/python*/site-packages/mslesionseg-*.dist-info")
    required = [Requirement(text) for text in metadata.PathDistribution(package).requires or []]
    base = {one.name for one in required if one.marker is None or one.marker.evaluate({"extra": ""})}
    for distribution in closure(base | {"torch"}).values():
        link_into(package.parent, distribution)
    absent = "import importlib.util; print(*(n for n in ('monai', 'pytest', 'pydicom') if importlib.util.find_spec(n)))"
    assert run([str(python), "-c", absent], tmp_path) == "\n"
    check_installed(python, phantom_study, tmp_path)


@pytest.mark.acceptance
def test_pip_installs_the_wheel_with_torch_into_an_empty_environment(tmp_path, wheel, phantom_study):
    constraints = str(REPOSITORY / "constraints.txt")
    python = make_environment(tmp_path / "environment", "--constraint", constraints, str(wheel), "torch")
    check_installed(python, phantom_study, tmp_path)
