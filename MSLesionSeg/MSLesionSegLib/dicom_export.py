"""A result as DICOM: the lesions as a Segmentation, and what was measured on them as a Structured Report.

Both refer to the FLAIR series that was segmented, slice by slice, and carry its patient and study. The segmentation
has a binary segment a lesion (SNOMED CT: Morphologically Altered Structure 49755003, Lesion 52988006, in Brain
12738006); the report follows TID 1500 with a volumetric group a lesion. Both are written through highdicom. Unlike
other files of this program, two exports differ: each gets new identifiers and the time of day, as DICOM asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from . import __version__
from .command_record import refuse_other_commands, write_record
from .dicom_series import DicomSeries, group_into_series, is_dicom, list_dicom_series, read_series
from .errors import StudyError, UsageError
from .grid import Grid, resample
from .images import ImageSource, hash_source
from .lesion_table import Lesion
from .location import LOCATIONS, LesionLocation
from .provenance import PROVENANCE_FILE, TOOL, file_sha256
from .report import ReadResult
from .results import ResultFolder

if TYPE_CHECKING:
    from highdicom.seg import Segmentation
    from highdicom.sr import Comprehensive3DSR, VolumetricROIMeasurementsAndQualitativeEvaluations
    from pydicom import Dataset

SEG_FILE, SR_FILE = "lesions.seg.dcm", "lesions.sr.dcm"
PRIVATE_SCHEME = "99MSLESIONSEG"
"""Coding scheme of what has no code that we know to be right: locations, mean probability, number of lesions."""
_MILLILITRE = ("mL", "UCUM", "milliliter")
_SEG_SERIES, _SR_SERIES = 9001, 9002
SAME_PLACE_MM = 1e-2
"""What NIfTI's float32 header rounds off is less."""
SAME_VALUE = 1e-3
"""Intensities of a converted series may differ by what float32 rounds off of slope and intercept."""


def write_dicom(
    folder: Path | str,
    out: Path | str,
    *,
    source: Path | None = None,
    mask: Path | None = None,
    lesions: Path | None = None,
) -> dict[str, Any]:
    """Write the DICOM Segmentation and the Structured Report of a result into a folder of their own, all or nothing.

    Args:
        folder: a result of ``segment`` whose FLAIR was read from DICOM, or converted from ``source``.
        out: folder for the two files; an earlier export in it is replaced.
        source: where the DICOM files of the FLAIR lie now; None takes the place they were read from.
        mask, lesions: a reader's, see :class:`~.report.ReadResult`; None of both takes the result's own.

    Returns:
        ``{"seg": path, "sr": path, "lesion_count", "lesion_volume_ml"}``.

    Raises:
        UsageError: ``folder`` holds no result, or its FLAIR was no DICOM series.
        StudyError: the DICOM files are not those that were segmented, or there is no lesion.
        OutputError: ``out`` cannot be written, or is a result itself.
        ModuleNotFoundError: highdicom is not installed.
    """
    started, folder = datetime.now(UTC), Path(folder)
    read = ReadResult(folder, mask, lesions)
    series = source_series(read, source)
    if not read.lesions:
        raise StudyError("There is no lesion, and a DICOM segmentation needs one segment at least.", "")
    images = _slices(series)
    seg = segmentation(read, images, _on_slices(read, series))
    sr = structured_report(read, images, seg)
    with ResultFolder(out) as result:
        refuse_other_commands(result, "dicom")
        seg.save_as(result.file(SEG_FILE))
        sr.save_as(result.file(SR_FILE))
        write_record(
            result,
            "dicom",
            started,
            settings={"own_mask": read.mask_sha256 is not None},
            inputs={"provenance": file_sha256(folder / PROVENANCE_FILE), "mask": read.mask_sha256},
            paths={"result": str(folder)},
        )
        paths = {"seg": str(result.path / SEG_FILE), "sr": str(result.path / SR_FILE)}
    total = round(sum(lesion.volume_ml for lesion in read.lesions), 4)
    return {**paths, "lesion_count": len(read.lesions), "lesion_volume_ml": total}


def source_series(read: ReadResult, source: Path | None = None) -> DicomSeries:
    """The DICOM series that was segmented, known by the hash of its bytes, or by the voxels of a converted FLAIR.

    Raises:
        UsageError: the FLAIR was not read from DICOM, and no series was given.
        StudyError: the files are gone, or are not those that were segmented.
    """
    path = Path(read.provenance["run"]["inputs"]["FLAIR"]) if source is None else source
    if path.is_dir():
        stacks = list_dicom_series(path)
    elif not path.exists():
        raise StudyError(f"The FLAIR that was segmented no longer lies at {path}.", "Say where with --source FOLDER.")
    elif is_dicom(path):
        stacks = group_into_series([file for file in sorted(path.parent.iterdir()) if is_dicom(file)], path.parent)
    else:
        raise UsageError(
            f"The FLAIR was read from {path}, which is not DICOM, so there is no series that a DICOM file could refer "
            "to.",
            "Segment the DICOM series itself, or give the folder it was converted from with --source.",
        )
    wanted = read.provenance["inputs"]["FLAIR"]["sha256"]
    fitting = [series for series in stacks if series.image_count in read.flair.GetSize()]
    for series in fitting:
        if hash_source(ImageSource(path, "DICOM", series.files, series)) == wanted:
            return series
    for series in fitting:
        if _holds_the_same(series, read.flair):
            return series
    raise StudyError(f"{path} does not hold the FLAIR that was segmented.", "Say where it lies with --source FOLDER.")


def segmentation(read: ReadResult, images: Sequence[Dataset], numbers: np.ndarray) -> Segmentation:
    """The lesions as a binary DICOM Segmentation, a segment each.

    Args:
        read: the result and its lesions.
        images: the slices of the FLAIR.
        numbers: (slice, y, x), lesion numbers on these slices, 0 background.
    """
    from highdicom import UID, AlgorithmIdentificationSequence
    from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
    from pydicom.sr.codedict import codes

    name, version = _algorithm(read)
    family = codes.DCM.ArtificialIntelligence
    kind = (
        SegmentAlgorithmTypeValues.AUTOMATIC if read.mask_sha256 is None else SegmentAlgorithmTypeValues.SEMIAUTOMATIC
    )
    segments = [
        SegmentDescription(
            segment_number=number,
            segment_label=f"Lesion {lesion.id}",
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Lesion,
            algorithm_type=kind,
            algorithm_identification=AlgorithmIdentificationSequence(name=name, family=family, version=version),
            tracking_uid=UID(),
            tracking_id=f"Lesion {lesion.id}",
            anatomic_regions=[codes.SCT.Brain],
        )
        for number, lesion in enumerate(read.lesions, start=1)
    ]
    return Segmentation(
        source_images=images,
        pixel_array=np.searchsorted([0, *(lesion.id for lesion in read.lesions)], numbers).astype(np.uint16),
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=UID(),
        series_number=_SEG_SERIES,
        sop_instance_uid=UID(),
        instance_number=1,
        manufacturer=TOOL,
        manufacturer_model_name=TOOL,
        software_versions=__version__,
        device_serial_number="0",
        content_label="MS_LESIONS",
        content_description="MS lesions, research use only",
        series_description="MS lesions (research use only)",
    )


def structured_report(read: ReadResult, images: Sequence[Dataset], seg: Segmentation) -> Comprehensive3DSR:
    """Volume, diameter, probability and location of each lesion, and their sum, as TID 1500.

    Args:
        read: the result and its lesions.
        images: the slices of the FLAIR.
        seg: the segmentation, whose segments the report refers to.
    """
    from highdicom import UID
    from highdicom.sr import (
        CodedConcept,
        Comprehensive3DSR,
        DeviceObserverIdentifyingAttributes,
        Measurement,
        MeasurementReport,
        MeasurementsAndQualitativeEvaluations,
        ObservationContext,
        ObserverContext,
        TrackingIdentifier,
    )
    from pydicom.sr.codedict import codes

    device = DeviceObserverIdentifyingAttributes(uid=UID(), name=TOOL, model_name=TOOL)
    observer = ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    total = sum(lesion.volume_ml for lesion in read.lesions)
    count = CodedConcept("lesion_count", PRIVATE_SCHEME, "Number of lesions")
    whole = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=UID(), identifier="All lesions"),
        finding_type=codes.SCT.Lesion,
        measurements=[
            Measurement(name=codes.SCT.Volume, value=round(total, 4), unit=CodedConcept(*_MILLILITRE)),
            Measurement(name=count, value=len(read.lesions), unit=codes.UCUM.NoUnits),
        ],
    )
    places = {one.id: one for one in read.locations}
    groups = [_group(lesion, places.get(lesion.id), seg, number) for number, lesion in enumerate(read.lesions, start=1)]
    report = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=observer),
        procedure_reported=CodedConcept("24590-2", "LN", "MR Brain"),
        imaging_measurements=[whole, *groups],
        title=codes.DCM.ImagingMeasurementReport,
    )
    return Comprehensive3DSR(
        evidence=[*images, seg],
        content=report,
        series_instance_uid=UID(),
        series_number=_SR_SERIES,
        sop_instance_uid=UID(),
        instance_number=1,
        manufacturer=TOOL,
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description="MS lesions, measured (research use only)",
    )


def _group(
    lesion: Lesion, place: LesionLocation | None, seg: Segmentation, number: int
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    """One lesion of the report."""
    from highdicom.sr import (
        AlgorithmIdentification,
        CodedConcept,
        FindingSite,
        Measurement,
        QualitativeEvaluation,
        ReferencedSegment,
        TrackingIdentifier,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )
    from pydicom.sr.codedict import codes

    segment = seg.SegmentSequence[number - 1]
    algorithm = segment.SegmentationAlgorithmIdentificationSequence[0]
    percent = {
        name: CodedConcept(f"{name.replace(' ', '_')}", PRIVATE_SCHEME, f"Share {name}"[:64]) for name in LOCATIONS
    }
    shares = place.shares if place is not None else {}
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=segment.TrackingUID, identifier=segment.TrackingID),
        referenced_segment=ReferencedSegment.from_segmentation(seg, segment_number=number),
        finding_type=codes.SCT.Lesion,
        algorithm_id=AlgorithmIdentification(name=algorithm.AlgorithmName, version=algorithm.AlgorithmVersion),
        finding_sites=[FindingSite(anatomic_location=codes.SCT.Brain)],
        measurements=[
            Measurement(name=codes.SCT.Volume, value=lesion.volume_ml, unit=CodedConcept(*_MILLILITRE)),
            Measurement(name=codes.SCT.Diameter, value=lesion.longest_diameter_mm, unit=codes.UCUM.Millimeter),
            Measurement(
                name=CodedConcept("mean_probability", PRIVATE_SCHEME, "Mean probability of lesion"),
                value=lesion.mean_probability,
                unit=codes.UCUM.NoUnits,
            ),
            *(
                Measurement(name=percent[name], value=round(100.0 * share, 1), unit=codes.UCUM.Percent)
                for name, share in shares.items()
                if share > 0
            ),
        ],
        qualitative_evaluations=[
            QualitativeEvaluation(
                name=CodedConcept("location", PRIVATE_SCHEME, "Location by largest share"),
                value=CodedConcept(lesion.location.replace(" ", "_"), PRIVATE_SCHEME, lesion.location),
            )
        ]
        if lesion.location
        else None,
    )


def _holds_the_same(series: DicomSeries, flair: sitk.Image) -> bool:
    """Whether a series has the voxels of the FLAIR, in whatever order a conversion has left its axes."""
    try:
        image = read_series(series, series.files[0].parent)
    except StudyError:
        return False
    converted = resample(flair, image, interpolator="nearest")
    same_place = np.allclose(Grid.of(image).centre, Grid.of(flair).centre, rtol=0, atol=SAME_PLACE_MM)
    same_size = sorted(image.GetSize()) == sorted(flair.GetSize())
    voxels = [sitk.GetArrayViewFromImage(one) for one in (image, converted)]
    return bool(same_place and same_size and np.allclose(*voxels, rtol=SAME_VALUE, atol=SAME_VALUE))


def _on_slices(read: ReadResult, series: DicomSeries) -> np.ndarray:
    """Lesion numbers (slice, y, x) on the slices of a series.

    Raises:
        StudyError: the slices are not the FLAIR's.
    """
    target = Grid.of(read_series(series, series.files[0].parent))
    moved = resample(read.labels, target, interpolator="nearest")
    numbers, own = sitk.GetArrayFromImage(moved), sitk.GetArrayViewFromImage(read.labels)
    if not np.array_equal(np.bincount(numbers.ravel()), np.bincount(own.ravel())):
        raise StudyError("The mask does not lie on the slices of the DICOM series.", "Segment the series again.")
    return numbers


def _slices(series: DicomSeries) -> list[Dataset]:
    """The slices with all their tags."""
    import pydicom

    return [pydicom.dcmread(file) for file in series.files]


def _algorithm(read: ReadResult) -> tuple[str, str]:
    model = read.provenance["models"].get("lesion", {})
    name = f"{TOOL} {model.get('name', '')}".strip()
    return (
        name if read.mask_sha256 is None else f"{name}, corrected by a reader"
    ), f"{model.get('version', __version__)}"
