"""Annotated cases, tissue maps and masks as canvases and shapes, by way of the cache of prepared cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from MSLesionSegLib.bundle_files import file_sha256
from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.grid import Grid, model_grid, resample
from MSLesionSegLib.images import read_image
from MSLesionSegLib.model_store import default_model
from MSLesionSegLib.normalise import NORMALISATION
from MSLesionSegLib.prepare import prepare
from MSLesionSegLib.protocol import Progress, SilentProgress
from MSLesionSegLib.study import CONTRASTS, Study, read_study

from .background_labels import FALSE_LESION, SURE_LESION, UNSURE_PLACE, read_background
from .brain_place import MNI_BOX
from .canvases import Canvas, ShapeMask, background_canvas, real_canvas, shape_mask, tissue_canvas
from .case_hash import voxel_sha256
from .case_index import index_case, load_index, save_index, with_hard_negatives
from .cases import Case
from .mask_files import read_mask
from .prepared_cache import PreparedCache

SPACING_MM = 1.0
FORMAT = 3
"""To be raised whenever preparation changes what it gives for the same files."""
MARGIN = 8
"""Voxels kept around the brain; as far as the predictor's windows reach beyond it."""


def load_case(cache: PreparedCache, case: Case, progress: Progress | None = None) -> tuple[Canvas, str]:
    """Prepare an annotated case with the engine's own preparation, or find it prepared.

    Args:
        cache: where prepared cases lie.
        case: with a mask.
        progress: may cancel the preparation.

    Returns:
        The canvas, its channels float16 and mapped from the disk; and the SHA-256 of the FLAIR's voxels.

    Raises:
        StudyError: an image or the mask cannot be used.
        OutputError: the cache cannot be written.
    """
    folder = cache.entry(prepared_facts(case), lambda place: _prepare_case(case, place, progress or SilentProgress()))
    facts = _read_json(folder / "case.json")
    canvas = real_canvas(
        case.name,
        _mapped(folder / "channels.npy"),
        _mapped(folder / "brain.npy"),
        _mapped(folder / "lesion.npy"),
        tuple(name in facts["contrasts"] for name in CONTRASTS),
        load_index(folder / "index.npy"),
    )
    return canvas, facts["flair_sha256"]


def load_background(cache: PreparedCache, case: Case, progress: Progress | None = None) -> tuple[Canvas, str]:
    """Prepare a case that nobody annotated, to be trained on as ``backgrounds.py`` says; see `load_case`.

    Args:
        cache: where prepared cases lie.
        case: with a background.
        progress: may cancel the preparation.

    Raises:
        StudyError: an image or the background cannot be used.
        OutputError: the cache cannot be written.
    """
    folder = cache.entry(
        prepared_facts(case), lambda place: _prepare_background(case, place, progress or SilentProgress())
    )
    facts = _read_json(folder / "case.json")
    canvas = background_canvas(
        case.name,
        *(_mapped(folder / f"{name}.npy") for name in ("channels", "brain", "lesion", "unsure")),
        tuple(name in facts["contrasts"] for name in CONTRASTS),
        load_index(folder / "index.npy"),
    )
    return canvas, facts["flair_sha256"]


def prepared_facts(case: Case) -> dict[str, Any]:
    """What the prepared case depends on, by which the cache knows it; ``case`` has a mask or a background."""
    return {
        "kind": "case" if case.mask else "background",
        "format": FORMAT,
        "normalisation": NORMALISATION,
        "spacing_mm": SPACING_MM,
        "brain_model": default_model("brain").name,
        "files": _sums({**case.images, "mask": case.mask or case.background}),
    }


def load_tissue(cache: PreparedCache, folder: Path) -> Canvas:
    """Bring the tissue map of one patient to the model grid, cropped to the brain.

    Args:
        cache: where prepared cases lie.
        folder: ``derivatives/tissue/sub-XX/anat`` with ``*_dseg``, ``*_desc-brain_mask`` and ``*_label-lesion_mask``
            (``.nii.gz``) on one grid: 1 CSF, 2 grey matter, 3 white matter.

    Raises:
        StudyError: a file is missing or cannot be read.
        OutputError: the cache cannot be written.
    """
    files = {name: _only(folder, f"*_{name}.nii.gz") for name in ("dseg", "desc-brain_mask", "label-lesion_mask")}
    facts = {"kind": "tissue", "format": FORMAT, "spacing_mm": SPACING_MM, "files": _sums(files)}
    place = cache.entry(facts, lambda partial: _prepare_tissue(files, partial))
    arrays = (_mapped(place / f"{name}.npy") for name in ("tissue", "brain", "lesion"))
    return tissue_canvas(folder.parent.name, *arrays, load_index(place / "index.npy"))


def load_shapes(cache: PreparedCache, path: Path) -> ShapeMask | None:
    """A mask in MNI space (152, 1 mm) whose lesions are painted into others; None where it holds no lesion.

    Raises:
        StudyError: the file cannot be read.
        OutputError: the cache cannot be written.
    """

    def build(place: Path) -> None:
        mask = _read_label(path)
        array = sitk.GetArrayFromImage(resample(mask, model_grid(mask, SPACING_MM), interpolator="nearest"))
        np.save(place / "lesion.npy", (array > 0).astype(np.uint8))

    facts = {"kind": "shapes", "format": FORMAT, "spacing_mm": SPACING_MM, "files": _sums({"mask": path})}
    return shape_mask(_mapped(cache.entry(facts, build) / "lesion.npy"), MNI_BOX)


def flair_sha256(cache: PreparedCache, flair: Path) -> str:
    """SHA-256 of the voxels of a FLAIR (see ``voxel_sha256``), read once."""

    def build(place: Path) -> None:
        (place / "case.json").write_text(json.dumps({"flair_sha256": voxel_sha256(read_image(flair))}) + "\n")

    facts = {"kind": "hash", "format": FORMAT, "files": _sums({"FLAIR": flair})}
    return _read_json(cache.entry(facts, build) / "case.json")["flair_sha256"]


def as_white_matter(tissue: np.ndarray, lesion: np.ndarray) -> np.ndarray:
    """Tissue shares with white matter where the lesions are.

    FAST, going by T1w, calls lesions grey matter: left so, they would be painted as spots of grey matter in white
    matter that no label names. Grey matter within 1 mm of a lesion becomes white matter as well.

    Args:
        tissue: (3, z, y, x) uint8, shares of CSF, grey and white matter in 255ths.
        lesion: (z, y, x) bool.
    """
    filled = tissue.copy()
    rim = ndimage.binary_dilation(lesion, np.ones((3, 3, 3))) & ~lesion
    filled[2][rim] += filled[1][rim]
    filled[1][rim] = 0
    filled[:, lesion] = np.array([0, 0, 255], np.uint8)[:, None]
    return filled


def _prepare_case(case: Case, place: Path, progress: Progress) -> None:
    study = _read_images(case)
    mask = Grid.of(study.flair).image(read_mask(case.mask, Grid.of(study.flair)))
    channels, brain, lesion = _prepare_images(study, mask, place, progress)
    lesion = (lesion > 0) & brain
    np.save(place / "lesion.npy", lesion.astype(np.uint8))
    save_index(place / "index.npy", index_case(channels[0], brain, lesion))


def _prepare_background(case: Case, place: Path, progress: Progress) -> None:
    study = _read_images(case)
    labels = Grid.of(study.flair).image(read_background(case.background, Grid.of(study.flair)))
    channels, brain, label = _prepare_images(study, labels, place, progress)
    unsure = (label == UNSURE_PLACE) & brain
    lesion = (label == SURE_LESION) & brain
    np.save(place / "unsure.npy", unsure.astype(np.uint8))
    np.save(place / "lesion.npy", lesion.astype(np.uint8))
    index = index_case(channels[0], brain & ~unsure, lesion)
    wrong = np.argwhere((label == FALSE_LESION) & brain)
    save_index(place / "index.npy", with_hard_negatives(index, wrong))


def _read_images(case: Case) -> Study:
    return read_study(*(case.images.get(name) for name in CONTRASTS))


def _prepare_images(
    study: Study, labels: sitk.Image, place: Path, progress: Progress
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prepare the images and write what every case has; channels, brain, and the labels beside them."""
    prepared = prepare(study, spacing_mm=SPACING_MM, progress=_OnlyCancel(progress))
    # Interpolated, a lesion of a single slice or voxel would shrink; so its volume stays.
    label = sitk.GetArrayFromImage(resample(labels, prepared.grid, interpolator="nearest"))
    box = _box(prepared.brain)
    channels, brain = np.ascontiguousarray(prepared.channels[(slice(None), *box)]), prepared.brain[box]
    np.save(place / "channels.npy", channels.astype(np.float16))
    np.save(place / "brain.npy", brain.astype(np.uint8))
    facts = {"flair_sha256": voxel_sha256(study.flair), "contrasts": list(prepared.present)}
    (place / "case.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return channels, brain, label[box]


def _prepare_tissue(files: dict[str, Path], place: Path) -> None:
    classes = _read_label(files["dseg"])
    grid = model_grid(classes, SPACING_MM)
    brain, lesion = (
        sitk.GetArrayFromImage(resample(_read_label(files[name]) != 0, grid)) > 0.5
        for name in ("desc-brain_mask", "label-lesion_mask")
    )
    box = _box(brain)
    shares = [sitk.GetArrayFromImage(resample(classes == value, grid))[box] for value in (1, 2, 3)]
    tissue = np.stack([np.clip(np.rint(share * 255), 0, 255).astype(np.uint8) for share in shares])
    np.save(place / "tissue.npy", as_white_matter(tissue, lesion[box]))
    np.save(place / "brain.npy", brain[box].astype(np.uint8))
    np.save(place / "lesion.npy", lesion[box].astype(np.uint8))
    save_index(place / "index.npy", index_case(None, brain[box], lesion[box]))


class _OnlyCancel(SilentProgress):
    """Hears nothing of the stages of a preparation, and passes a cancel on."""

    def __init__(self, outer: Progress) -> None:
        super().__init__()
        self._outer = outer

    def check(self) -> None:
        self._outer.check()

    def warn(self, message: str) -> None:
        self._outer.warn(message)


def _box(brain: np.ndarray) -> tuple[slice, slice, slice]:
    found = np.argwhere(brain)
    return tuple(
        slice(max(0, low - MARGIN), high + 1 + MARGIN) for low, high in zip(found.min(0), found.max(0), strict=True)
    )


def _mapped(path: Path) -> np.ndarray:
    """An array as it lies on the disk; what is written to it stays in memory, as PyTorch wants it writable."""
    return np.load(path, mmap_mode="c", allow_pickle=False)


def _sums(files: dict[str, Path | None]) -> dict[str, str]:
    return {name: file_sha256(path) for name, path in files.items() if path is not None}


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def _read_label(path: Path) -> sitk.Image:
    try:
        return sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkUInt8)
    except RuntimeError as error:
        raise StudyError(f"The label image {path} cannot be read.", "Copy or export it again.") from error


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise StudyError(f"{folder} holds {len(found)} files named {pattern}.", "A tissue map needs one of each.")
    return found[0]
