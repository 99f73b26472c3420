"""Copy a public set into the layout of annotated cases: voxels and headers stay as they are, names become ids."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MSLesionSegLib import __version__
from MSLesionSegLib.errors import OutputError, StudyError, UsageError
from MSLesionSegLib.folder_lock import FolderLock
from MSLesionSegLib.grid import Grid
from MSLesionSegLib.itk_quiet import itk_quiet
from MSLesionSegLib.nifti import write_nifti
from MSLesionSegLib.protocol import Progress

from ..cases import ANNOTATIONS
from ..mask_lattice import steps_to_flair
from .source import Extra, Found, SourceCase
from .table import SETS, PublicSet

_CHUNK = 1 << 20
LOCK, PARTIAL_FOLDER = ".import.lock", ".partial-"


@dataclass(frozen=True)
class Imported:
    """What was imported.

    Attributes:
        cases: how many cases the data set holds.
        left_out: a sentence for each case or other file that is not in it.
    """

    cases: int
    left_out: list[str]


def import_set(name: str, source: Path, dataset: Path, progress: Progress, key: Path | None = None) -> Imported:
    """Import a public set; a case is there whole or not at all, and those that are there already are kept.

    What a killed import left behind is removed by the next one.

    Args:
        name: of the set, as in ``SETS``.
        source: folder of the set as downloaded.
        dataset: a folder that is new, empty, or holds an import of the same set.
        progress: told how far it is; may cancel.
        key: file for the ids and the set's own names, outside the data set; none is written where None.

    Raises:
        UsageError: the set is not known, or the key lies in the data set.
        StudyError: the source holds no case of that set.
        OutputError: the data set holds something else, or other cases under the same ids, or cannot be written, or
            another process imports into it.
    """
    if name not in SETS:
        raise UsageError(f"The set {name} is not known.", f"Known are {', '.join(SETS)}.")
    if key is not None and key.resolve().is_relative_to(dataset.resolve()):
        raise UsageError(f"The key {key} would lie inside the data set.", "Name a file outside it.")
    public = SETS[name]
    found = public.find(source)
    lock = FolderLock(dataset / LOCK)
    try:
        dataset.mkdir(parents=True, exist_ok=True)
        lock.acquire(dataset)
        return _import(name, public, found, dataset, progress, key)
    except OSError as error:
        raise OutputError(f"{dataset} cannot be written ({error.strerror}).", "Name another folder.") from error
    finally:
        lock.release()


def _import(
    name: str, public: PublicSet, found: Found, dataset: Path, progress: Progress, key: Path | None
) -> Imported:
    """`import_set` in a folder that is ours alone."""
    ids = _ids(found.cases)
    left_out, imported, total = [], 0, len(found.cases) + len(found.extras)
    _describe(dataset, public)
    _remove_leftovers(dataset)
    for number, case in enumerate(found.cases):
        inner = ids[number]
        progress.update(number / total, inner.parts[0])
        try:
            _add_case(dataset, inner, case, name, public)
            imported += 1
        except StudyError as error:
            left_out.append(f"{'_'.join(inner.parts)}: {error.message}")
    for number, extra in enumerate(found.extras, start=len(found.cases)):
        progress.update(number / total, extra.target.name)
        if extra.source.is_file():
            _add_extra(dataset, extra, name)
        else:
            left_out.append(f"{extra.target.name}: {extra.source} does not exist.")
    if key is not None:
        _write_key(key, ids, found.cases)
    return Imported(imported, left_out)


def _ids(cases: list[SourceCase]) -> list[Path]:
    """``sub-XX`` or ``sub-XX/ses-Y`` for each case: patients in their order, or by the number that they keep."""
    patients = list(dict.fromkeys(case.patient for case in cases))
    width = max(2, len(str(len(patients))))
    dates: dict[str, int] = {}
    ids = []
    for case in cases:
        number = patients.index(case.patient) + 1 if case.number is None else case.number
        folder = Path(f"sub-{number:0{width}d}")
        if case.date:
            dates[case.patient] = dates.get(case.patient, 0) + 1
            folder /= f"ses-{dates[case.patient]}"
        ids.append(folder)
    return ids


def _add_case(dataset: Path, inner: Path, case: SourceCase, name: str, public: PublicSet) -> None:
    if "FLAIR" not in case.images:
        raise StudyError(f"{case.patient} {case.date} has no FLAIR.".replace("  ", " "), "")
    stem = "_".join(inner.parts)
    images, masks = dataset / inner / "anat", dataset / ANNOTATIONS / inner / "anat"
    flair = images / f"{stem}_FLAIR.nii.gz"
    if flair.exists() and _content(flair) != _content(case.images["FLAIR"]):
        raise OutputError(
            f"{flair} is another image than {case.images['FLAIR']}, which would be imported under the same id.",
            "Import the changed set into a new folder.",
        )
    if flair.exists() and (case.mask is None or masks.is_dir()):
        return
    lesion = None if case.mask is None else _lesion(case.mask, case.images["FLAIR"], public)
    with tempfile.TemporaryDirectory(dir=dataset, prefix=PARTIAL_FOLDER) as temporary:
        new_images, new_masks = Path(temporary, "images"), Path(temporary, "masks")
        new_images.mkdir()
        for contrast, path in case.images.items():
            _copy(path, new_images / f"{stem}_{contrast}.nii.gz")
        if lesion is not None:
            new_masks.mkdir()
            write_nifti(new_masks / f"{stem}_label-lesion_mask.nii.gz", lesion)
            _write_sidecar(new_masks / f"{stem}_label-lesion_mask.json", name)
        if images.exists():
            shutil.rmtree(images)
        images.parent.mkdir(parents=True, exist_ok=True)
        os.replace(new_images, images)
        if lesion is not None:
            masks.parent.mkdir(parents=True, exist_ok=True)
            os.replace(new_masks, masks)


def _add_extra(dataset: Path, extra: Extra, name: str) -> None:
    target = dataset / extra.target
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    _copy(extra.source, partial)
    if extra.lesion:
        _write_sidecar(target.with_name(target.name.replace(".nii.gz", ".json")), name)
    os.replace(partial, target)


def _lesion(path: Path, flair: Path, public: PublicSet) -> sitk.Image:
    """The mask as 0 and 1 (uint8), its voxels where they were."""
    try:
        with itk_quiet():
            mask, image = sitk.ReadImage(str(path)), sitk.ReadImage(str(flair))
    except RuntimeError as error:
        raise StudyError(f"{path} or {flair} cannot be read.", "Download it again.") from error
    values = sitk.GetArrayViewFromImage(mask)
    others = np.setdiff1d(np.unique(values), (0, 1, *public.no_lesion))
    if others.size:
        shown = ", ".join(f"{value:g}" for value in others[:5])
        raise StudyError(f"The mask {path} holds the values {shown} beside 0 and 1.", "")
    steps_to_flair(path, Grid.of(mask), Grid.of(image))
    return Grid.of(mask).image(values == 1)


def _copy(source: Path, target: Path) -> None:
    """The same NIfTI bytes, packed where they were not."""
    if source.name.endswith(".gz"):
        shutil.copyfile(source, target)
        return
    with (
        source.open("rb") as plain,
        target.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as packed,
    ):
        shutil.copyfileobj(plain, packed, _CHUNK)


def _content(path: Path) -> str:
    """SHA-256 of the unpacked bytes."""
    digest = hashlib.sha256()
    try:
        with gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb") as stream:
            while piece := stream.read(_CHUNK):
                digest.update(piece)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise StudyError(f"{path} is damaged: it cannot be unpacked.", "Download it again.") from error
    return digest.hexdigest()


def _write_sidecar(path: Path, name: str) -> None:
    values = {
        "Annotator": f"imported: {name}",
        "Time": datetime.now(UTC).isoformat(timespec="seconds"),
        "Tool": "mslesionseg import",
        "ToolVersion": __version__,
    }
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _describe(dataset: Path, public: PublicSet) -> None:
    """``dataset_description.json`` of the data set and of its annotations, and the README."""
    path = dataset / "dataset_description.json"
    if any(one.name not in (LOCK, f"{path.name}.partial") for one in dataset.iterdir()):
        try:
            ours = json.loads(path.read_text(encoding="utf-8")).get("Name") == public.title
        except (OSError, ValueError, AttributeError):
            ours = False
        if not ours:
            raise OutputError(f"{dataset} holds other files.", "Name a new or an empty folder.")
    common = {"Name": public.title, "BIDSVersion": "1.10.0", "License": public.licence, "DatasetDOI": public.doi}
    made = {"GeneratedBy": [{"Name": "mslesionseg import", "Version": __version__}]}
    for place, values in (
        (path, {**common, "DatasetType": "raw"}),
        (dataset / ANNOTATIONS / path.name, {**common, "DatasetType": "derivative", **made}),
    ):
        place.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(place, json.dumps(values, indent=2) + "\n")
    _write_whole(
        dataset / "README",
        f"{public.title} ({public.doi}), in the layout of annotated cases.\n\nLicence: {public.licence}.\n"
        f"Cite: {public.citation}.\nVoxels and headers are those of the original; names were replaced by ids.\n",
    )


def _remove_leftovers(dataset: Path) -> None:
    """Remove half-written cases of an import that was killed; single files are written over."""
    for folder in dataset.glob(f"{PARTIAL_FOLDER}*"):
        shutil.rmtree(folder)


def _write_key(key: Path, ids: list[Path], cases: list[SourceCase]) -> None:
    rows = ["participant_id\tsession_id\toriginal\toriginal_date"]
    for inner, case in zip(ids, cases, strict=True):
        session = inner.parts[1] if len(inner.parts) > 1 else "n/a"
        rows.append(f"{inner.parts[0]}\t{session}\t{case.patient}\t{case.date or 'n/a'}")
    _write_whole(key, "\n".join(rows) + "\n")


def _write_whole(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8", newline="\n")
    os.replace(partial, path)
