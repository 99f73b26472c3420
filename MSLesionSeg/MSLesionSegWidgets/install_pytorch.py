"""PyTorch through Slicer's extension for it, and the removal of one that is half installed."""

import contextlib
import shutil
import sys
from pathlib import Path

import slicer

from .install_outcome import FAILED, REFUSED, RESTART, Outcome
from .install_requirements import TORCH
from .torch_state import torch_leftovers

EXTENSION = "PyTorch"
_AGAIN = "Start Slicer again and press Install before anything else."


def install_pytorch() -> Outcome | None:
    """Install PyTorch as its extension chooses it for this computer; blocks until it is there.

    Returns:
        None where it was installed, else why not.

    Raises:
        subprocess.CalledProcessError: pip failed; what it said went to stdout.
    """
    try:
        import PyTorchUtils
    except ImportError:
        return _install_extension()
    logic = PyTorchUtils.PyTorchUtilsLogic()
    if logic.installTorch(askConfirmation=False, torchVersionRequirement=TORCH.removeprefix("torch")) is None:
        return Outcome(REFUSED, "PyTorch was not installed.", "Press Install again when you want it.")
    return None


def remove_half_installed(site_packages: Path) -> Outcome | None:
    """Remove a half-installed PyTorch by pip and by hand; None where nothing of it is left."""
    if "torch" in sys.modules:
        return Outcome(RESTART, "PyTorch is half installed, and Slicer is using it.", _AGAIN)
    with contextlib.suppress(Exception):  # pip fails where the record is damaged; what is left goes by hand
        slicer.util.pip_uninstall("torch torchvision")
    for folder in torch_leftovers(site_packages):
        shutil.rmtree(folder, ignore_errors=True)
    left = torch_leftovers(site_packages)
    if left:
        return Outcome(RESTART, f"{left[0]} cannot be removed, because it is in use.", _AGAIN)
    return None


def _install_extension() -> Outcome:
    manager = slicer.app.extensionsManagerModel()
    if manager is None:
        return Outcome(FAILED, "This Slicer has no Extensions Manager.", "Choose another Python in the settings.")
    if not manager.isExtensionInstalled(EXTENSION):
        manager.interactive = False  # it asks nothing; pressing Install was the answer
        if not manager.installExtensionFromServer(EXTENSION, False):
            return Outcome(
                FAILED,
                f"Slicer's extension {EXTENSION} could not be installed.",
                "Check the connection, install it in the Extensions Manager, or install from a folder of wheels.",
            )
    return Outcome(
        RESTART, f"Slicer's extension {EXTENSION} was installed.", "Start Slicer again and press Install once more."
    )
