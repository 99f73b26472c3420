"""The terminology of a lesion segment: SNOMED CT 52988006 Lesion, in the brain.

Slicer's own lists hold no term for a white-matter lesion; the module brings two small files in Slicer's format.
"""

from __future__ import annotations

from pathlib import Path

import slicer

CONTEXT = "MSLesionSeg"
FOLDER = Path(__file__).resolve().parent.parent / "Resources" / "Terminology"
_CATEGORY = "SCT^49755003^Morphologically Altered Structure"
_TYPE = "SCT^52988006^Lesion"
_REGION = "SCT^12738006^Brain"


def register_terminology(logic: slicer.vtkSlicerTerminologiesModuleLogic) -> None:
    """Have Slicer offer the module's terminology, where a segment's type is chosen; a second time does nothing.

    Args:
        logic: ``slicer.modules.terminologies.logic()``.

    Raises:
        FileNotFoundError: the module is not installed whole.
    """
    if not logic.IsTerminologyContextLoaded(CONTEXT):
        logic.LoadTerminologyFromFile(_file("MSLesionSeg.term.json"))
        logic.LoadRegionContextFromFile(_file("MSLesionSeg.region.term.json"))


def lesion_terminology() -> str:
    """The entry of a lesion segment, as ``vtkSegment.SetTerminology`` takes it."""
    return "~".join((CONTEXT, _CATEGORY, _TYPE, "^^", CONTEXT, _REGION, "^^"))


def _file(name: str) -> str:
    path = FOLDER / name
    if not path.is_file():
        raise FileNotFoundError(path)
    return str(path)
