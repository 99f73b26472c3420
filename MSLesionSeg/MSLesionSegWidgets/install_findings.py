"""What is looked at before anything is installed, each as one sentence. Plain Python, no Qt."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from .torch_state import ABSENT, HALF, OLD, TorchState

GOOD, LOOK, STOP = "good", "look", "stop"

#: PyTorch for the CPU, OpenVINO and the rest unpack to 1 GB; the same again for downloads and as a reserve.
GIGABYTES_CPU = 2.5
#: Builds of PyTorch with CUDA bring NVIDIA's libraries.
GIGABYTES_CUDA = 12.0
#: The longest name of a file in PyTorch 2.13, counted from the folder of packages.
LONGEST_NAME = 171
#: Windows' limit without its setting for long paths, the closing zero left out.
LONGEST_PATH = 259


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        level: "good", "look" (goes on, but the user should know) or "stop" (an installation would fail).
        message: one sentence.
        hint: what to do about it; empty where it is good.
    """

    level: str
    message: str
    hint: str = ""


def disk(free_gigabytes: float, nvidia: bool) -> Finding:
    """Whether there is room, on the disk that Slicer's packages lie on."""
    needed = GIGABYTES_CUDA if nvidia else GIGABYTES_CPU
    if free_gigabytes >= needed:
        return Finding(GOOD, f"There is room on the disk ({free_gigabytes:.0f} GB).")
    return Finding(
        STOP,
        f"The disk that Slicer lies on has {free_gigabytes:.1f} GB free, and about {needed:g} GB are needed.",
        "Make room, or choose a Python on another disk in the settings.",
    )


def path_length(site_packages: str, platform: str, long_paths: bool) -> Finding:
    """Whether PyTorch's longest file name fits below the folder of packages; a limit of Windows only."""
    length = len(site_packages) + 1 + LONGEST_NAME
    if platform != "win32" or long_paths or length <= LONGEST_PATH:
        return Finding(GOOD, "The names of the files will not be too long.")
    return Finding(
        STOP,
        f"Slicer's folder {site_packages} is {length - LONGEST_PATH} characters too deep for the files of PyTorch.",
        "Install Slicer in a shorter folder such as C:\\Slicer, or switch on long paths in Windows.",
    )


def writable(site_packages: Path) -> Finding:
    """Whether files can be made in the folder of packages; tried with one."""
    trial = site_packages / f".mslesionseg-{os.getpid()}"
    try:
        trial.touch()
        trial.unlink()
    except OSError:
        return Finding(
            STOP,
            f"You may not write to {site_packages}, where Slicer keeps its Python packages.",
            "Ask whoever installed Slicer, or install Slicer in a folder of your own.",
        )
    return Finding(GOOD, "Slicer's Python packages may be changed.")


def torch(state: TorchState, platform: str, machine: str) -> Finding:
    """What the state of PyTorch means for an installation."""
    if state.kind == HALF:
        return Finding(
            LOOK,
            f"PyTorch is only half installed ({state.reason}).",
            "Install removes what is left of it first.",
        )
    if state.kind in (ABSENT, OLD) and platform == "darwin" and machine == "x86_64":
        return Finding(
            STOP,
            "There is no current PyTorch for the Python of this Slicer, which is one for Intel Macs.",
            "Choose a Python 3.11 or later that is made for this Mac's processor in the settings.",
        )
    if state.kind == OLD:
        return Finding(LOOK, f"PyTorch {state.version} is installed, which is too old.", "Install brings a newer one.")
    if state.kind == ABSENT:
        return Finding(LOOK, "PyTorch is not installed.", "Install brings it, a download of 0.2 to 3 GB.")
    return Finding(GOOD, f"PyTorch {state.version} is installed.")


def packages(lacking: list[str]) -> Finding:
    """What of the smaller packages is missing."""
    if not lacking:
        return Finding(GOOD, "The other Python packages are installed.")
    return Finding(LOOK, f"Missing Python packages: {', '.join(lacking)}.", "Install brings them.")


def wheels(folder: Path) -> Finding:
    """Whether a folder given for an installation without a network holds wheels at all."""
    if not folder.is_dir():
        return Finding(STOP, f"There is no folder {folder}.", "Choose the folder that holds the .whl files.")
    if not any(folder.glob("*.whl")):
        return Finding(STOP, f"The folder {folder} holds no .whl files.", "Choose the folder that holds them.")
    return Finding(GOOD, f"Packages are taken from {folder}.")


def free_gigabytes(folder: Path) -> float:
    """Free room on the disk of a folder, in units of 10^9 bytes."""
    return shutil.disk_usage(folder).free / 1e9


def windows_long_paths() -> bool:
    """Whether Windows is set to take long paths; False on other systems, where nobody asks."""
    if sys.platform != "win32":
        return False
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
            return winreg.QueryValueEx(key, "LongPathsEnabled")[0] == 1
    except OSError:
        return False
