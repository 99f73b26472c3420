"""open_ms_data: 30 patients of the University of Ljubljana, by Lesjak et al.

Folders as in ``cross_sectional/README.md`` and the file list of the repository ``muschellij2/open_ms_data``:
``MNI/patientXX/{FLAIR,T1,T2}_N4_noneck_reduced_winsor_regtoFLAIR_brain_N4_regtoMNI.nii.gz`` (for some patients) and
``GOLD_STANDARD_N4_noneck_reduced_winsor_regtoFLAIR_regtoMNI.nii.gz`` (for all), or ``raw`` and ``coregistered`` with
``patientXX/{FLAIR,T1W,T2W,consensus_gt}.nii.gz``, each perhaps with ``patientXX_`` before the name; and the same images
under BIDS names (``sub-XX/anat/sub-XX_space-MNI_*``, ``derivatives/{consensus,tissue}``, see docs/scientist.md).
Patients keep their numbers, since published figures name them. A mask without images is kept for its lesion shapes.
"""

from __future__ import annotations

from pathlib import Path

from MSLesionSegLib.errors import StudyError

from .source import Extra, Found, SourceCase, first_existing

_MNI_IMAGE = "{}_N4_noneck_reduced_winsor_regtoFLAIR_brain_N4_regtoMNI.nii.gz"
_MNI_MASK = "GOLD_STANDARD_N4_noneck_reduced_winsor_regtoFLAIR_regtoMNI.nii.gz"
_TISSUE = ("dseg", "desc-brain_mask", "label-lesion_mask")


def find(source: Path) -> Found:
    """Find the patients; the repository's MNI images where its root or ``cross_sectional`` was given."""
    for folder in (source / "cross_sectional" / "MNI", source / "MNI", source):
        patients = sorted(path for path in folder.glob("patient*") if path.is_dir())
        if patients:
            return _of_repository(patients)
    for folder in (source / "cross-sectional", source):
        if (folder / "derivatives" / "consensus").is_dir():
            return _of_bids(folder)
    raise StudyError(f"{source} holds no patient of open_ms_data.", "Give the folder of the repository, or its raw.")


def _of_repository(patients: list[Path]) -> Found:
    cases, extras = [], []
    for folder in patients:
        number = int(folder.name.removeprefix("patient"))
        images = {}
        for contrast, mni, plain in (("FLAIR", "FLAIR", "FLAIR"), ("T1w", "T1", "T1W"), ("T2w", "T2", "T2W")):
            path = first_existing(folder / _MNI_IMAGE.format(mni), *_plain(folder, plain))
            if path:
                images[contrast] = path
        mask = first_existing(folder / _MNI_MASK, *_plain(folder, "consensus_gt"))
        if "FLAIR" in images:
            cases.append(SourceCase(folder.name, "", images, mask, number))
        elif mask and mask.name.endswith("regtoMNI.nii.gz"):
            extras.append(_shape(mask, number))
    return Found(cases, extras)


def _of_bids(root: Path) -> Found:
    cases, extras = [], []
    for folder in sorted((root / "derivatives" / "consensus").glob("sub-*")):
        name, number = folder.name, int(folder.name.removeprefix("sub-"))
        mask = folder / "anat" / f"{name}_space-MNI_label-lesion_mask.nii.gz"
        found = {c: root / name / "anat" / f"{name}_space-MNI_{c}.nii.gz" for c in ("FLAIR", "T1w", "T2w")}
        images = {contrast: path for contrast, path in found.items() if path.is_file()}
        if "FLAIR" in images:
            cases.append(SourceCase(name, "", images, mask, number))
        else:
            extras.append(_shape(mask, number))
    for folder in sorted((root / "derivatives" / "tissue").glob("sub-*")):
        name = f"sub-{int(folder.name.removeprefix('sub-')):02d}"
        for kind in _TISSUE:
            target = Path("derivatives", "tissue", name, "anat", f"{name}_{kind}.nii.gz")
            path = folder / "anat" / f"{folder.name}_space-orig_{kind}.nii.gz"
            extras.append(Extra(path, target, kind == "label-lesion_mask"))
    return Found(cases, extras)


def _plain(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}.nii.gz", folder / f"{folder.name}_{name}.nii.gz"


def _shape(mask: Path, number: int) -> Extra:
    name = f"sub-{number:02d}"
    target = Path("derivatives", "shapes", name, "anat", f"{name}_space-MNI_label-lesion_mask.nii.gz")
    return Extra(mask, target, True)
