"""What training needs beside what ``segment`` needs, in Slicer's own Python."""

import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import DependencyError
from MSLesionSegWidgets.install_dialog import ensure_installed
from MSLesionSegWidgets.worker_end import INSTALL_HINT

#: The extra ``train`` of ``pyproject.toml`` without torch, which is asked for anyway; a test holds the two together.
TRAIN = ("lightning-fabric>=2.4", "monai>=1.4", "onnx>=1.16", "tensorboardX>=2.6")


def need_train_packages() -> None:
    """Let what is missing be installed; another Python than Slicer's own is not looked into.

    Raises:
        DependencyError: it is still missing.
    """
    if not ensure_installed(slicer.util.mainWindow(), extra=TRAIN):
        raise DependencyError(_("What the training needs is not installed yet."), INSTALL_HINT)
