"""The synthetic study as sample data of Slicer: made on this computer, nothing is downloaded."""

from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError
from MSLesionSegLib.protocol import Progress
from MSLesionSegScene.study_loading import load_files

CATEGORY = "MSLesionSeg"
SAMPLE = "MSLesionSegPhantom"
THUMBNAIL = "Resources/Icons/MSLesionSegPhantom.png"
_SERIES = ("FLAIR", "T1w", "T2w")


def register_sample_data() -> bool:
    """Offer the phantom in Slicer's module Sample Data; call it when Slicer has started.

    Returns:
        Whether it is offered now; False in a Slicer without that module. A second call changes nothing.
    """
    try:
        from SampleData import SampleDataLogic, SampleDataSource
    except ImportError:
        return False
    source = {
        "sampleName": SAMPLE,
        "uris": f"local:{SAMPLE}",  # a source has to have one; the function below makes the files
        "fileNames": f"{SAMPLE}.nii.gz",
        "nodeNames": SAMPLE,
        "thumbnailFileName": str(Path(__file__).resolve().parents[1] / THUMBNAIL),
        "customDownloader": load_phantom,
    }
    if hasattr(SampleDataLogic, "registerCustomSampleDataCategory"):  # Slicer 5.12
        SampleDataLogic.registerCustomSampleDataCategory(CATEGORY, _("MS lesions"))
    if not SampleDataLogic.isSampleDataSourceRegistered(CATEGORY, SampleDataSource(**source)):
        SampleDataLogic.registerCustomSampleDataSource(CATEGORY, **source)
    return True


def load_phantom(_source: Any = None) -> list[Any]:
    """Make the synthetic study, about ten seconds the first time, and load it.

    The files stay in Slicer's cache folder. What cannot be done is told in a message.

    Returns:
        The volume nodes FLAIR, T1w and T2w; none where it could not be made.
    """
    from MSLesionSegLib.phantom import make_phantom

    folder = Path(slicer.app.cachePath) / SAMPLE
    try:
        with slicer.util.WaitCursor():
            make_phantom(folder, progress=_StatusBar())
            return load_files(slicer.mrmlScene, [folder / f"{name}.nii.gz" for name in _SERIES])
    except MSLesionSegError as error:
        slicer.util.errorDisplay(f"{error.message} {error.hint}".strip())
        return []


class _StatusBar(Progress):
    """Progress in Slicer's status bar."""

    def _show(self) -> None:
        slicer.util.showStatusMessage(_("Making the synthetic study: {step}").format(step=self._message), 3000)
        slicer.app.processEvents(qt.QEventLoop.ExcludeUserInputEvents)
