"""Which DICOM files a volume was loaded from, for what refers to them."""

from __future__ import annotations

import os
from pathlib import Path

import slicer

FORMAT = "MSLesionSeg.Format"
"""Attribute of a volume that the module itself has loaded from DICOM; its value is then ``DICOM``."""


def is_from_dicom(node: slicer.vtkMRMLVolumeNode) -> bool:
    """Whether the volume was loaded from DICOM, by this module or by Slicer's DICOM module."""
    return node.GetAttribute(FORMAT) == "DICOM" or bool(node.GetAttribute("DICOM.instanceUIDs"))


def dicom_folder(node: slicer.vtkMRMLVolumeNode) -> Path | None:
    """The folder that holds the volume's files in Slicer's DICOM database; None where that does not know them."""
    instances = (node.GetAttribute("DICOM.instanceUIDs") or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    if not instances or database is None:
        return None
    files = [database.fileForInstance(instance) for instance in instances]
    if not all(file and Path(file).is_file() for file in files):
        return None
    return Path(os.path.commonpath([Path(file).parent for file in files]))
