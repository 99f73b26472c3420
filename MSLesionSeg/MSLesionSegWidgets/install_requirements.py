"""What the engine needs beside what Slicer brings, and what of it is there. Plain Python, no Qt.

A test holds the lists to those of ``pyproject.toml``. Nothing here has an upper bound or an exact version, and what
Slicer brings is not asked for, so that no other extension is disturbed.
"""

from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

#: What ``segment`` needs beside torch and beside numpy, scipy and SimpleITK, which Slicer brings.
BASE = ("matplotlib>=3.8", "pydantic>=2.6", "rich>=13", "safetensors>=0.4.3", "typer>=0.15")
#: Runs the network several times as fast on a CPU; the engine works without it.
FAST = ("openvino>=2025.0",)
TORCH = "torch>=2.4"
#: Writes DICOM; Slicer brings it from 5.12 on.
DICOM = ("highdicom>=0.24", "pydicom>=2.4")
#: What ``batch`` needs beside those.
BATCH = ("cryptography>=42", "dask>=2024.12", "distributed>=2024.12")
#: What highdicom itself asks for, and the first Slicer that has it.
PYDICOM_OF_HIGHDICOM, SLICER_WITH_HIGHDICOM = "pydicom>=3.0.1", "5.12"

#: What Slicer 5.10 and 5.12 bring; an installation must leave it at its version.
BUNDLED = (
    "dcmqi",
    "dicomweb-client",
    "highdicom",
    "numpy",
    "packaging",
    "pillow",
    "pip",
    "pydicom",
    "pyjpegls",
    "requests",
    "scipy",
    "setuptools",
    "SimpleITK",
)


def installed_version(name: str) -> str | None:
    """Version of a distribution in this Python; None where it is not there."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def missing(requirements: Sequence[str], version: Callable[[str], str | None] = installed_version) -> list[str]:
    """The requirements that are not met, in their order."""
    from packaging.requirements import Requirement

    unmet = []
    for text in requirements:
        requirement = Requirement(text)
        found = version(requirement.name)
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            unmet.append(text)
    return unmet


def write_constraints(file: Path, version: Callable[[str], str | None] = installed_version) -> None:
    """Write the constraints that keep what Slicer brings at the versions that lie here now."""
    found = [(name, version(name)) for name in BUNDLED]
    # A local part such as +slicer is no version that pip would find again, but it matches the one that lies there.
    file.write_text("".join(f"{name}=={number}\n" for name, number in found if number), "utf-8")
