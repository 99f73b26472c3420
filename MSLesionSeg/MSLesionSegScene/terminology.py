"""The terminology of a lesion segment: SNOMED CT 52988006 Lesion, in the brain."""

from __future__ import annotations


def register_terminology() -> bool:
    """Have Slicer know the module's own terminology; whether its terminologies module took it."""
    raise NotImplementedError


def lesion_terminology() -> str:
    """The entry of a lesion segment, as ``vtkSegment.SetTerminology`` takes it."""
    raise NotImplementedError
