"""Whether DICOM can be written, and what it takes."""

from typing import Any

from slicer.i18n import tr as _

from MSLesionSegLib.errors import DependencyError

from .install_dialog import ensure_installed
from .install_requirements import DICOM, PYDICOM_OF_HIGHDICOM, SLICER_WITH_HIGHDICOM, installed_version, missing
from .worker_end import INSTALL_HINT
from .worker_settings import interpreter_setting


def ensure_dicom(parent: Any = None) -> None:
    """Let the packages that write DICOM be installed where they can be.

    Another Python than Slicer's own is not looked into: the engine itself says what it lacks.

    Raises:
        DependencyError: this Slicer's pydicom is too old for them, or they are not there after all.
    """
    if interpreter_setting():
        return
    version = installed_version("pydicom")
    if version is not None and missing([PYDICOM_OF_HIGHDICOM]) and missing(DICOM):
        raise DependencyError(
            _("DICOM is written by highdicom, which does not go with the pydicom {version} of this Slicer.").format(
                version=version
            ),
            _("Use Slicer {slicer} or later, or choose another Python under Advanced that has it.").format(
                slicer=SLICER_WITH_HIGHDICOM
            ),
        )
    if not ensure_installed(parent, extra=DICOM, torch=False):
        raise DependencyError(_("What writes DICOM is not installed yet: highdicom."), INSTALL_HINT)
