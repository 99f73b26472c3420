"""MSSEG-2016: 53 patients of four scanners, by Commowick et al. (NeuroImage 244, 2021).

Folders as read by ``Sllambias/yucca``, ``yucca/pipeline/task_conversion/Task011_MSSEG1.py``:
``{training,Testing}/Center_XX/Patient_YY/Preprocessed_Data/{FLAIR,T1,T2}_preprocessed.nii.gz`` and
``Masks/Consensus.nii.gz``. The preprocessed images of a patient share one grid with the consensus.
"""

from __future__ import annotations

from pathlib import Path

from MSLesionSegLib.errors import StudyError

from .source import Found, SourceCase, first_existing


def find(source: Path) -> Found:
    """Find the patients by their folders ``Preprocessed_Data``, at any depth up to three below the source."""
    cases = []
    for depth in ("*", "*/*", "*/*/*"):
        for data in sorted(source.glob(f"{depth}/Preprocessed_Data")):
            found = {
                contrast: first_existing(data / f"{name}_preprocessed.nii.gz")
                for contrast, name in (("FLAIR", "FLAIR"), ("T1w", "T1"), ("T2w", "T2"))
            }
            images = {contrast: path for contrast, path in found.items() if path}
            mask = first_existing(data.parent / "Masks" / "Consensus.nii.gz")
            cases.append(SourceCase(data.parent.relative_to(source).as_posix(), "", images, mask))
    if not cases:
        raise StudyError(f"{source} holds no folder Preprocessed_Data.", "Give the folder that holds the centres.")
    return Found(cases)
