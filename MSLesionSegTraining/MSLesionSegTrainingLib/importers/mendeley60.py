"""Mendeley-60: 60 patients of Baghdad, by Muslim et al. (doi 10.17632/8bctsm8jz7.1, paper 10.1016/j.dib.2022.108139).

Folders as described in the README of ``nshkr/MRI_height_orientation_modifier``: ``Patient-1/1-{Flair,T1,T2}.nii`` and
``1-LesionSeg-{Flair,T1,T2}.nii``. The scans are not registered to each other, and each has a mask of its own; the
FLAIR's mask is taken, the other two lie on other grids and are left out. The headers give no orientation and 1 mm for
the thickness of slices that are thicker: that README says so, and voxels and headers are copied as they are.
"""

from __future__ import annotations

from pathlib import Path

from MSLesionSegLib.errors import StudyError

from .source import Found, SourceCase, by_number, first_existing


def find(source: Path) -> Found:
    """Find the folders ``Patient-N``."""
    cases = []
    for folder in by_number([path for path in source.glob("Patient-*") if path.is_dir()]):
        number = folder.name.removeprefix("Patient-")
        found = {
            contrast: first_existing(folder / f"{number}-{name}.nii")
            for contrast, name in (("FLAIR", "Flair"), ("T1w", "T1"), ("T2w", "T2"))
        }
        images = {contrast: path for contrast, path in found.items() if path}
        cases.append(SourceCase(folder.name, "", images, first_existing(folder / f"{number}-LesionSeg-Flair.nii")))
    if not cases:
        raise StudyError(f"{source} holds no folder Patient-1.", "Give the folder that holds the patients' folders.")
    return Found(cases)
