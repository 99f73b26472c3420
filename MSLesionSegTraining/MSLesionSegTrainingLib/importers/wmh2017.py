"""WMH-2017: 170 persons with white matter hyperintensities of presumed vascular origin, by Kuijf et al.

Folders as described in ``scripts/wmh/README.md`` of ``mihirneal/brainmarks-smri``, labels as at wmh.isi.uu.nl:
``{training,test}/SITE/[SCANNER/]ID/{orig,pre}/{FLAIR,T1}.nii.gz`` and ``wmh.nii.gz`` on the FLAIR's grid. ``orig`` is
taken, as a scanner would give it; its T1 is already brought to the FLAIR's grid by the organisers. Of the mask, 1 is a
hyperintensity and 2 other pathology, which is no lesion here. They are no lesions of multiple sclerosis.
"""

from __future__ import annotations

from pathlib import Path

from MSLesionSegLib.errors import StudyError

from .source import Found, SourceCase, first_existing


def find(source: Path) -> Found:
    """Find the persons by their folders ``orig``, at any depth up to four below the source."""
    cases = []
    for depth in ("*", "*/*", "*/*/*", "*/*/*/*"):
        for data in sorted(source.glob(f"{depth}/orig")):
            found = {c: first_existing(data / f"{name}.nii.gz") for c, name in (("FLAIR", "FLAIR"), ("T1w", "T1"))}
            images = {contrast: path for contrast, path in found.items() if path}
            mask = first_existing(data.parent / "wmh.nii.gz")
            cases.append(SourceCase(data.parent.relative_to(source).as_posix(), "", images, mask))
    if not cases:
        raise StudyError(f"{source} holds no folder orig.", "Give the folder that holds training or the sites.")
    return Found(cases)
