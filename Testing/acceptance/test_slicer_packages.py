"""What the engine needs can be installed beside what Slicer brings, on each system; asks the package index."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

pytestmark = pytest.mark.acceptance

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHON = "3.12"
#: What each Slicer brings and the engine or its packages also use, read from its build files.
BUNDLED = {
    "5.10": {"numpy": "2.0.2", "scipy": "1.13.1", "simpleitk": "2.5.2", "pydicom": "2.4.4", "requests": "2.32.3"},
    "5.12": {
        "numpy": "2.4.6",
        "scipy": "1.17.1",
        "simpleitk": "2.5.5",
        "pydicom": "3.0.2",
        "highdicom": "0.27.0",
        "requests": "2.34.2",
    },
}
SYSTEMS = {
    "linux": [f"manylinux{tag}_x86_64" for tag in ("2014", "_2_17", "_2_26", "_2_27", "_2_28")],
    "windows": ["win_amd64"],
    "macos": [f"macosx_{release}_x86_64" for release in ("10_9", "10_12", "10_13", "11_0", "12_0", "13_0")],
}


def resolved(folder: Path, slicer: str, system: str, requirements: list[str]) -> dict[str, str]:
    """The distributions that pip would install into an empty folder of packages; name -> version."""
    constraints = folder / "constraints.txt"
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in BUNDLED[slicer].items()))
    platforms = [word for tag in SYSTEMS[system] for word in ("--platform", tag)]
    words = ["install", "--dry-run", "--quiet", "--only-binary=:all:", "--target", str(folder / "nothing")]
    words += ["--python-version", PYTHON, "--implementation", "cp", "--constraint", str(constraints)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *words, "--report", str(folder / "report.json"), *platforms, *requirements],
        capture_output=True,
        encoding="utf-8",
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "report.json").read_text("utf-8"))
    return {one["metadata"]["name"].lower(): one["metadata"]["version"] for one in report["install"]}


def project() -> dict:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("slicer", BUNDLED)
def test_the_base_packages_fit_what_slicer_brings(tmp_path, slicer, system):
    dependencies = project()["dependencies"]
    found = resolved(tmp_path, slicer, system, dependencies)
    assert {Requirement(text).name.lower() for text in dependencies} <= found.keys()
    kept = {name: version for name, version in BUNDLED[slicer].items() if name in found}
    assert {name: found[name] for name in kept} == kept
    assert {"numpy", "scipy", "simpleitk"} <= kept.keys()


@pytest.mark.parametrize("system", ["linux", "windows"])
@pytest.mark.parametrize("slicer", BUNDLED)
def test_openvino_fits_what_slicer_brings(tmp_path, slicer, system):
    found = resolved(
        tmp_path, slicer, system, [*project()["dependencies"], *project()["optional-dependencies"]["fast"]]
    )
    assert found["numpy"] == BUNDLED[slicer]["numpy"]
    assert "openvino" in found
