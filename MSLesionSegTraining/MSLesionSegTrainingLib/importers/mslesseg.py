"""MSLesSeg: 75 patients, one to four dates, by Guarnera et al.

The set's paper is Scientific Data 12, 920, 2025, doi 10.1038/s41597-025-05250-y. Endings of names as in
``registration.py`` of its authors' ``alessiarondinella/MSLesSeg-2024``; the folders are those that public code which
reads the set expects, no description by the authors was found:
``train/P1/T1/P1_T1_{FLAIR,T1,T2,MASK}.nii.gz`` with a folder for each date, and
``test/P54/P54_{FLAIR,T1,T2,MASK}.nii.gz`` with one date a patient. The first T1 of a name is the date, not the
contrast. Images and masks share one MNI grid.
"""

from __future__ import annotations

from pathlib import Path

from MSLesionSegLib.errors import StudyError

from .source import Found, SourceCase, by_number, first_existing


def find(source: Path) -> Found:
    """Find the patients of ``train`` and ``test``, or of the folder itself."""
    roots = [folder for folder in (source, source / "train", source / "test") if folder.is_dir()]
    roots += [folder for folder in source.glob("MSLesSeg*/t*") if folder.name in ("train", "test")]
    cases = []
    for patient in by_number([folder for root in roots for folder in root.glob("P[0-9]*") if folder.is_dir()]):
        dates = by_number([folder for folder in patient.glob("T[0-9]*") if folder.is_dir()]) or [patient]
        for folder in dates:
            date = folder.name if folder != patient else ""
            stem = f"{patient.name}_{date}_" if date else f"{patient.name}_"
            found = {
                contrast: first_existing(folder / f"{stem}{name}.nii.gz")
                for contrast, name in (("FLAIR", "FLAIR"), ("T1w", "T1"), ("T2w", "T2"))
            }
            images = {contrast: path for contrast, path in found.items() if path}
            cases.append(SourceCase(patient.name, date, images, first_existing(folder / f"{stem}MASK.nii.gz")))
    if not cases:
        raise StudyError(f"{source} holds no patient of MSLesSeg.", "Give the folder that holds train/P1/T1.")
    return Found(cases)
