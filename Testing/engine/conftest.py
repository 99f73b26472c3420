"""Fixtures of the engine's suite: a finished result of a small made-up study."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation
from Testing.engine.dicom_files import write_series

from MSLesionSegLib.dicom_export import write_dicom
from MSLesionSegLib.finish import BRAIN_FILE, FLAIR_FILE, ZONES_FILE, finish, write_probability
from MSLesionSegLib.images import input_sha256
from MSLesionSegLib.location import Zone
from MSLesionSegLib.nifti import compact
from MSLesionSegLib.provenance import PROVENANCE_FILE, build_provenance, read_provenance, write_provenance
from MSLesionSegLib.results import ResultFolder
from MSLesionSegLib.study import SeriesSource, Study

SIZE_ZYX = (24, 60, 50)
PEAKS = {(6, 20, 15): 0.95, (12, 30, 30): 0.8, (12, 40, 12): 0.6, (18, 25, 25): 0.42}


def _small_images() -> tuple[sitk.Image, np.ndarray, sitk.Image]:
    """FLAIR (float32), probability (z, y, x) and brain mask (uint8) on one grid."""
    z, y, x = np.indices(SIZE_ZYX, dtype=np.float32)
    inside = ((z - 12) / 11) ** 2 + ((y - 30) / 27) ** 2 + ((x - 25) / 22) ** 2 < 1
    probability = np.zeros(SIZE_ZYX, dtype=np.float32)
    for (pz, py, px), peak in PEAKS.items():
        probability += peak * np.exp(-(((z - pz) / 1.5) ** 2 + ((y - py) / 3) ** 2 + ((x - px) / 3) ** 2))
    noise = np.random.default_rng(0).normal(0, 10, SIZE_ZYX)
    flair = sitk.GetImageFromArray(np.rint(inside * (300 + 200 * probability) + noise).astype(np.float32))
    flair.SetSpacing((3.0, 2.9, 6.0))
    flair.SetOrigin((-71.123456789, -80.2, -60.3))
    flair.SetDirection(Rotation.from_euler("xyz", (9, -4, 6), degrees=True).as_matrix().ravel().tolist())
    brain = sitk.GetImageFromArray(inside.astype(np.uint8))
    brain.CopyInformation(flair)
    return flair, probability, brain


def _small_zones(flair: sitk.Image) -> sitk.Image:
    """The lower slices are infratentorial, the lesion at (12, 30, 30) touches the ventricle, all others are deep."""
    zones = np.zeros(SIZE_ZYX, dtype=np.uint8)
    zones[:9] = Zone.INFRATENTORIAL
    zones[9:, :, 28:] = Zone.TOUCHES_VENTRICLE | Zone.NEAR_VENTRICLE
    image = sitk.GetImageFromArray(zones)
    image.CopyInformation(flair)
    return image


def _write_small_result(folder: Path, threshold: float = 0.5, min_mm3: float = 3.0) -> dict:
    """What ``segment`` does after the network; returns the provenance."""
    flair, probability, brain = _small_images()
    study = Study(flair=flair, sources={"FLAIR": SeriesSource(Path("/somewhere/Jane Doe/flair.nii.gz"), "f" * 64)})
    with ResultFolder(folder) as result:
        result.write_image(FLAIR_FILE, compact(flair))
        result.write_image(BRAIN_FILE, brain)
        write_probability(result, probability, flair)
        result.write_image(ZONES_FILE, _small_zones(flair))
        provenance = build_provenance(
            study,
            models={"lesion": {"name": "small", "version": "1.0", "sha256": "a" * 64}},
            settings={"threshold": threshold, "min_lesion_mm3": min_mm3},
            device="cpu",
            runtime="torch",
            notes=["T1w was not given."],
        )
        return finish(result, provenance)


@pytest.fixture(scope="session")
def small_images() -> tuple[sitk.Image, np.ndarray, sitk.Image]:
    """FLAIR, probability (z, y, x) and brain mask of the small study."""
    return _small_images()


@pytest.fixture(scope="session")
def write_small_result() -> Callable[..., dict]:
    """``write_small_result(folder, threshold=0.5, min_mm3=3.0)`` writes a result and returns its provenance."""
    return _write_small_result


@pytest.fixture(scope="session")
def dicom_result(tmp_path_factory) -> Path:
    """A small result that says it was made from a DICOM series, which lies beside it as ``series``."""
    folder = tmp_path_factory.mktemp("from-dicom")
    _write_small_result(folder / "result", threshold=0.3)
    series = write_series(folder / "series", _small_images()[0])
    record = read_provenance(folder / "result")
    record["inputs"]["FLAIR"]["sha256"] = input_sha256(series)
    record["run"]["inputs"]["FLAIR"] = str(series)
    write_provenance(folder / "result" / PROVENANCE_FILE, record)
    return folder / "result"


@pytest.fixture(scope="session")
def dicom_export(dicom_result, tmp_path_factory) -> Path:
    """The folder of the DICOM files of that result."""
    out = tmp_path_factory.mktemp("export") / "out"
    write_dicom(dicom_result, out)
    return out
