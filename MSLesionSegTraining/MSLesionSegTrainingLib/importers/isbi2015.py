"""ISBI-2015: five patients with masks, four or five dates each, by Carass et al. (NeuroImage 148, 2017).

Folders as read by ``vignettes/mimosa.R`` of ``avalcarcel9/mimosa``:
``training/training01/preprocessed/training01_01_{flair,mprage,t2}_pp.nii`` and ``masks/training01_01_mask{1,2}.nii``.
Each date has the masks of two raters; the first rater's is taken, on the grid of the preprocessed images.
"""

from __future__ import annotations

from pathlib import Path

from MSLesionSegLib.errors import StudyError

from .source import Found, SourceCase, first_existing


def find(source: Path) -> Found:
    """Find the patients; ``source`` is the folder ``training`` or the one that holds it."""
    root = source / "training" if (source / "training").is_dir() else source
    cases = []
    for patient in sorted(path for path in root.glob("training*") if path.is_dir()):
        for flair in sorted((patient / "preprocessed").glob(f"{patient.name}_*_flair_pp.nii*")):
            stem = flair.name.partition("_flair_pp")[0]
            found = {
                contrast: first_existing(flair.parent / f"{stem}_{name}_pp.nii")
                for contrast, name in (("FLAIR", "flair"), ("T1w", "mprage"), ("T2w", "t2"))
            }
            images = {contrast: path for contrast, path in found.items() if path}
            mask = first_existing(patient / "masks" / f"{stem}_mask1.nii")
            cases.append(SourceCase(patient.name, stem.removeprefix(f"{patient.name}_"), images, mask))
    if not cases:
        raise StudyError(f"{source} holds no folder training01.", "Give the folder that holds training01.")
    return Found(cases)
