"""One study from its files to a finished result: read, prepare, predict, measure, write."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from .brain_mask import find_in_head, read_off
from .errors import StudyError
from .finish import BRAIN_FILE, FLAIR_FILE, SECOND_FILE, ZONES_FILE, finish, write_probability
from .grid import resample
from .images import input_sha256, read_image
from .lesions import SMALL_MM3, check_settings, hold_back_small, quantise_probability, small_bar
from .location_zones import zones_on_flair
from .model_store import default_model
from .nifti import compact
from .prepare import PreparedStudy, prepare
from .provenance import build_provenance
from .quality import check_quality
from .results import ResultFolder
from .runtime import choose_runtime, load_network
from .second_pass import calibration_for, second_pass
from .study import CONTRASTS, SeriesSource, Study, check_brain_volume, read_study

if TYPE_CHECKING:
    from .bundle import Bundle
    from .predictor import Predictor
    from .protocol import Progress


@dataclass(frozen=True)
class SegmentRequest:
    """What a user asks of ``segment``.

    Attributes:
        flair: FLAIR, image file or DICOM folder.
        out: folder for the result.
        t1w, t2w: T1w and T2w of the same examination, or None.
        flair_series, t1_series, t2_series: number of the series where a DICOM folder holds several.
        model: name or path of a lesion model; None takes the shipped one.
        device: "auto", "cpu" or "cuda".
        runtime: "auto", "torch" or "openvino", see ``runtime``.
        threshold: probability from which a voxel is lesion; None takes the model's.
        min_lesion_mm3: smallest lesion in mm3; None takes the model's.
        brain_mask: the user's own brain mask, an image file; None finds one.
        registered: T1w and T2w already lie on the FLAIR.
        confidence: run the network a second time where there may be lesions, to say how sure each is.
    """

    flair: Path
    out: Path
    t1w: Path | None = None
    t2w: Path | None = None
    flair_series: int | None = None
    t1_series: int | None = None
    t2_series: int | None = None
    model: str | Path | None = None
    device: str = "auto"
    runtime: str = "auto"
    threshold: float | None = None
    min_lesion_mm3: float | None = None
    brain_mask: Path | None = None
    registered: bool = False
    confidence: bool = True


def segment(request: SegmentRequest, progress: Progress) -> dict[str, Any]:
    """Find the lesions of one study and write the result, whole or not at all.

    What can fail at once (settings, output folder, model, device) is tried before the images are read.

    Args:
        request: what to do.
        progress: hears of each step, and may cancel.

    Returns:
        The provenance of the result as written (see :func:`~.finish.finish`).

    Raises:
        MSLesionSegError: see ``errors``; nothing is written then, and an earlier result stays.
    """
    from .lesion_model import load_lesion_model

    started = datetime.now(UTC)
    reserve_blas()
    progress.stage("read", "the model")
    _, bundle = load_lesion_model(request.model)
    settings = _settings(request, bundle)
    with ResultFolder(request.out) as result:
        predictor, runtime = _predictor(request, bundle)
        progress.update(0.5, "the images")
        study, mask, mask_source = _read(request)
        models = {"lesion": _identity(bundle)}
        prepared = prepare(
            study,
            brain_mask=mask,
            registered=request.registered,
            spacing_mm=bundle.model.spacing_mm,
            progress=progress,
            find_brain=lambda flair: _find_brain(flair, models, progress),
        )
        quality = check_quality(study, prepared)
        for warning in quality:
            progress.warn(warning.message)
        progress.stage("network", f"on {predictor.device} ({runtime})")
        channels = prepared.channels[[CONTRASTS.index(name) for name in bundle.model.contrasts]]
        probability = predictor.predict(channels, prepared.brain, progress)
        confidence, confidence_notes = _confidence_rule(request, bundle, study)
        second = None
        if confidence is not None:
            progress.stage("confidence")
            second = second_pass(
                predictor,
                channels,
                bundle.model.contrasts,
                confidence["left_out"],
                prepared.brain,
                probability,
                progress,
            )
        progress.stage("lesions")
        on_flair, held_back = listed_on_flair(probability, prepared, study.flair, bundle.model.threshold)
        zones, zone_notes = _zones(prepared, probability, study.flair)
        provenance = build_provenance(
            study,
            models=models,
            settings=settings,
            device=predictor.device.type,
            runtime=runtime,
            notes=[*prepared.notes, *([predictor.note] if predictor.note else []), *zone_notes, *confidence_notes],
            quality=[asdict(warning) for warning in quality],
            brain_mask=mask_source,
            started=started,
        )
        provenance["confidence"] = confidence
        provenance["held_back"] = {
            "count": held_back,
            "below_mm3": SMALL_MM3,
            "below_probability": small_bar(bundle.model.threshold),
            "threshold": bundle.model.threshold,
        }
        progress.stage("write")
        _write_images(result, study, prepared)
        write_probability(result, on_flair, study.flair)
        if second is not None:
            write_probability(result, probability_on_flair(second, prepared, study.flair), study.flair, SECOND_FILE)
        if zones is not None:
            result.write_image(ZONES_FILE, zones)
        progress.update(0.4)
        finished = finish(result, provenance)
        progress.check()
    return finished


def reserve_blas() -> None:
    """Let OpenBLAS take its working memory now: where it finds none later, it ends the process without a word."""
    square = np.ones((256, 256))
    np.dot(square, square)


def probability_on_flair(probability: np.ndarray, prepared: PreparedStudy, flair: sitk.Image) -> np.ndarray:
    """Bring a probability map from the model's grid to the FLAIR's.

    Args:
        probability: (z, y, x) on the model grid, 0 to 1.
        prepared: gives the grid and the brain mask on the FLAIR.
        flair: gives the target grid.

    Returns:
        (z, y, x) on the FLAIR's grid, 0 to 1, 0 outside the brain. A thick slice holds the mean over its thickness.
    """
    on_flair = sitk.GetArrayFromImage(resample(prepared.grid.image(probability), flair))
    on_flair[sitk.GetArrayViewFromImage(prepared.brain_on_flair) == 0] = 0.0
    return np.clip(on_flair, 0.0, 1.0)


def listed_on_flair(
    probability: np.ndarray, prepared: PreparedStudy, flair: sitk.Image, threshold: float
) -> tuple[np.ndarray, int]:
    """`probability_on_flair` in the steps in which it is stored, with small faint lesions held back.

    Args:
        probability, prepared, flair: as there.
        threshold: the model's.

    Returns:
        (z, y, x) float32 on the FLAIR's grid, and the number of lesions held back (see ``hold_back_small``).
    """
    on_flair = quantise_probability(probability_on_flair(probability, prepared, flair))
    return hold_back_small(on_flair, threshold, flair.GetSpacing())


def _settings(request: SegmentRequest, bundle: Bundle) -> dict[str, Any]:
    """The settings of the run as plain values without paths, checked."""
    model = bundle.model
    threshold = model.threshold if request.threshold is None else request.threshold
    min_mm3 = model.min_lesion_mm3 if request.min_lesion_mm3 is None else request.min_lesion_mm3
    check_settings(threshold, min_mm3)
    return {
        "threshold": threshold,
        "min_lesion_mm3": min_mm3,
        "registered": request.registered,
        "spacing_mm": model.spacing_mm,
        "flip": model.flip,
        "own_brain_mask": request.brain_mask is not None,
        "confidence": request.confidence,
    }


def _predictor(request: SegmentRequest, bundle: Bundle) -> tuple[Predictor, str]:
    """The predictor, and what runs its network."""
    from .device import choose_device
    from .predictor import Predictor

    device, _ = choose_device(request.device)
    runtime = choose_runtime(request.runtime, bundle, device.type)
    network = load_network(bundle, runtime)
    return Predictor(network, patch=bundle.model.patch, device=request.device, flip=bundle.model.flip), runtime


def _read(request: SegmentRequest) -> tuple[Study, sitk.Image | None, SeriesSource | None]:
    study = read_study(
        request.flair,
        request.t1w,
        request.t2w,
        flair_series=request.flair_series,
        t1_series=request.t1_series,
        t2_series=request.t2_series,
    )
    if request.brain_mask is None:
        return study, None, None
    mask = read_image(request.brain_mask)
    check_brain_volume(mask, request.brain_mask)
    return study, mask, SeriesSource(request.brain_mask, input_sha256(request.brain_mask))


def _find_brain(flair: sitk.Image, models: dict[str, dict[str, str]], progress: Progress) -> sitk.Image:
    """The brain mask of the FLAIR; where it took the brain model, that is entered in ``models``."""
    from .bundle import load_bundle

    mask = read_off(flair)
    if mask is not None:
        return mask
    bundle = load_bundle(default_model("brain"), kind="brain")
    models["brain"] = _identity(bundle)
    return find_in_head(flair, bundle=bundle, progress=progress)


def _zones(prepared: PreparedStudy, probability: np.ndarray, flair: sitk.Image) -> tuple[sitk.Image | None, list[str]]:
    """The image that gives lesions their locations; none, and a note, for a brain that the atlas does not fit."""
    try:
        return zones_on_flair(prepared, probability, flair), []
    except StudyError as error:
        return None, [error.message]


def _confidence_rule(request: SegmentRequest, bundle: Bundle, study: Study) -> tuple[dict[str, Any] | None, list[str]]:
    """How lesions get their confidence, as plain values; none where it is not wanted, or, with a note, not known."""
    if not request.confidence or bundle.model.calibration is None:
        return None, []
    entry = calibration_for(bundle.model, study.contrasts)
    if entry is None:
        given = " + ".join(study.contrasts)
        return None, [f"Lesions have no confidence: the model was not calibrated for {given}."]
    calibration = bundle.model.calibration
    return {
        **entry.model_dump(mode="json"),
        "fitted_on": list(calibration.fitted_on),
        "voxel_temperature": calibration.voxel_temperature,
    }, []


def _identity(bundle: Bundle) -> dict[str, str]:
    return {"name": bundle.model.name, "version": bundle.model.version, "sha256": bundle.sha256}


def _write_images(result: ResultFolder, study: Study, prepared: PreparedStudy) -> None:
    """The series as read, the brain mask, and the transforms that bring T1w and T2w to the FLAIR."""
    result.write_image(FLAIR_FILE, compact(study.flair))
    result.write_image(BRAIN_FILE, prepared.brain_on_flair)
    for name in study.contrasts:
        if name != "FLAIR":
            result.write_image(f"{name}.nii.gz", compact(study.image(name)))
            result.write_transform(f"{name}_to_FLAIR.tfm", prepared.transforms[name])
