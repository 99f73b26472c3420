"""DICOM segmentations, written by highdicom, come back voxel by voxel on the FLAIR's grid."""

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from scipy.spatial.transform import Rotation

from MSLesionSegLib.errors import DependencyError, StudyError
from MSLesionSegLib.grid import Grid
from MSLesionSegTrainingLib.cases import index_cases
from MSLesionSegTrainingLib.mask_files import read_mask

AXES = Rotation.from_euler("xyz", (11, -7, 5), degrees=True).as_matrix()
SPACING, ORIGIN, SIZE = (0.9, 1.1, 5.0), (-60.25, -70.5, 12.125), (20, 26, 12)
LESION = Code("52988006", "SCT", "Lesion")
BRAIN = Code("12738006", "SCT", "Brain")


def flair() -> sitk.Image:
    image = sitk.Image(SIZE, sitk.sitkInt16)
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN)
    image.SetDirection(AXES.ravel().tolist())
    return image


def mask() -> np.ndarray:
    """Voxels in slices 2, 3 and 9 only, and none symmetric."""
    array = np.zeros(SIZE[::-1], bool)
    array[2:4, 5:9, 3:6] = True
    array[9, 20, 17] = True
    return array


def brain() -> np.ndarray:
    array = np.zeros(SIZE[::-1], bool)
    array[1:11, 4:22, 2:18] = True
    return array


def series() -> list[pydicom.Dataset]:
    """The FLAIR's slices as DICOM, from head to foot as some scanners send them."""
    study, stack, frame = (hd.UID() for _ in range(3))
    slices = []
    for number in reversed(range(SIZE[2])):
        one = pydicom.Dataset()
        one.file_meta = pydicom.dataset.FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.SOPClassUID, one.SOPInstanceUID = MRImageStorage, hd.UID()
        one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = study, stack, frame
        one.PatientName = "case^"
        one.PatientID = one.AccessionNumber = one.StudyID = "case"
        one.PatientBirthDate = one.PatientSex = one.StudyDate = one.StudyTime = one.ReferringPhysicianName = ""
        one.Modality, one.InstanceNumber, one.SeriesNumber = "MR", number + 1, 1
        one.Columns, one.Rows = SIZE[:2]
        one.PixelSpacing, one.SliceThickness, one.SpacingBetweenSlices = [SPACING[1], SPACING[0]], 4.0, SPACING[2]
        one.ImageOrientationPatient = [*AXES[:, 0], *AXES[:, 1]]
        one.ImagePositionPatient = list(np.asarray(ORIGIN) + AXES[:, 2] * SPACING[2] * number)
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 0
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.PixelData = bytes(2 * SIZE[0] * SIZE[1])
        slices.append(one)
    return slices


def write(path, arrays, codes, kind="BINARY", **options):
    """A SEG of (z, y, x) arrays; slices without voxels are left out where others have some."""
    described = [
        hd.seg.SegmentDescription(
            number, name, Code("49755003", "SCT", "Morphologically Altered Structure"), code, "MANUAL"
        )
        for number, (name, code) in enumerate(codes, start=1)
    ]
    pixels = np.stack([array[::-1] for array in arrays], -1)
    segmentation = hd.seg.Segmentation(
        series(),
        pixels if kind == "FRACTIONAL" else pixels.astype(np.uint8),
        kind,
        described,
        hd.UID(),
        2,
        hd.UID(),
        1,
        "maker",
        "model",
        "1",
        "0",
        omit_empty_frames=True,
        **options,
    )
    segmentation.save_as(path)
    return path


def read(path, **options):
    return read_mask(path, Grid.of(flair()), **options)


def test_a_lesion_in_three_of_twelve_oblique_thick_slices_comes_back_exactly(tmp_path):
    path = write(tmp_path / "m.dcm", [mask()], [("lesions", LESION)])
    assert pydicom.dcmread(path).NumberOfFrames == 3
    assert np.array_equal(read(path), mask())


def test_of_two_overlapping_segments_the_lesions_are_known_by_their_code_or_by_name(tmp_path):
    path = write(tmp_path / "m.dcm", [brain(), mask()], [("brain", BRAIN), ("spots", LESION)])
    assert np.array_equal(read(path), mask())
    assert np.array_equal(read(path, segments=["brain"]), brain())
    assert np.array_equal(read(path, segments=["brain", "spots"]), brain() | mask())
    with pytest.raises(StudyError, match="has no segment 'tumour'") as caught:
        read(path, segments=["tumour"])
    assert caught.value.hint == "Its segments are: brain, spots."


def test_the_order_of_the_frames_does_not_matter(tmp_path):
    path = write(tmp_path / "m.dcm", [brain(), mask()], [("brain", BRAIN), ("spots", LESION)])
    dataset = pydicom.dcmread(path)
    order = np.random.default_rng(1).permutation(int(dataset.NumberOfFrames))
    frames = dataset.pixel_array[order]
    dataset.PixelData = pydicom.pixels.pack_bits(frames)
    dataset.PerFrameFunctionalGroupsSequence = [dataset.PerFrameFunctionalGroupsSequence[number] for number in order]
    dataset.save_as(path)
    assert np.array_equal(read(path), mask())


def test_a_fractional_segment_is_marked_from_one_half(tmp_path):
    share = np.where(mask(), 0.5, np.where(brain(), 0.49, 0.0)).astype(np.float32)
    path = write(
        tmp_path / "m.dcm",
        [share],
        [("lesions", LESION)],
        kind="FRACTIONAL",
        fractional_type="PROBABILITY",
        max_fractional_value=200,
    )
    assert np.array_equal(read(path), mask())


def test_a_label_map_segmentation_is_read_by_segment_number(tmp_path):
    rim = brain() & ~mask()
    path = write(tmp_path / "m.dcm", [rim, mask()], [("brain", BRAIN), ("spots", LESION)], kind="LABELMAP")
    assert np.array_equal(read(path), mask())


@pytest.mark.filterwarnings("ignore:Encoding an empty segmentation")
def test_an_empty_segmentation_is_a_healthy_case(tmp_path):
    path = write(tmp_path / "m.dcm", [np.zeros_like(mask())], [("lesions", LESION)])
    assert read(path).shape == SIZE[::-1] and not read(path).any()


def test_what_is_no_segmentation_of_this_flair_is_refused(tmp_path):
    path = write(tmp_path / "m.dcm", [mask()], [("lesions", LESION)])
    grid = Grid.of(flair())
    for other, told in (
        (Grid(SIZE, (0.9, 1.1, 2.5), ORIGIN, grid.direction), "lies on another grid than its FLAIR"),
        (Grid(SIZE, SPACING, (-60.25, -70.0, 12.125), grid.direction), "lies on another grid than its FLAIR"),
        (Grid((20, 26, 8), SPACING, ORIGIN, grid.direction), "marks 1 voxels outside its FLAIR"),
    ):
        with pytest.raises(StudyError, match=told) as caught:
            read_mask(path, other)
        assert str(path) in caught.value.message
    series()[0].save_as(tmp_path / "slice.dcm", enforce_file_format=True)
    (tmp_path / "text.dcm").write_text("no image")
    damaged = pydicom.dcmread(path)
    damaged.PixelData = damaged.PixelData[:10]
    damaged.save_as(tmp_path / "cut.dcm")
    for name, told in (
        ("slice.dcm", "is DICOM, but no segmentation"),
        ("text.dcm", "cannot be read"),
        ("gone.dcm", "does not exist"),
        ("cut.dcm", "is damaged or incomplete"),
    ):
        with pytest.raises(StudyError, match=told):
            read(tmp_path / name)


def test_without_pydicom_the_message_says_what_to_install(tmp_path, monkeypatch):
    path = write(tmp_path / "m.dcm", [mask()], [("lesions", LESION)])
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    with pytest.raises(DependencyError) as caught:
        read(path)
    assert caught.value.hint == 'Try: pip install "mslesionseg[dicom]"'


def test_a_dicom_segmentation_is_the_mask_of_a_case(tmp_path):
    images, masks = tmp_path / "sub-01/anat", tmp_path / "derivatives/annotations/sub-01/anat"
    images.mkdir(parents=True)
    masks.mkdir(parents=True)
    sitk.WriteImage(flair(), str(images / "sub-01_FLAIR.nii.gz"))
    path = write(masks / "sub-01_label-lesion_mask.dcm", [mask()], [("lesions", LESION)])
    cases, problems = index_cases(tmp_path)
    assert problems == [] and cases[0].mask == path
    assert np.array_equal(read_mask(path, Grid.of(sitk.ReadImage(str(cases[0].images["FLAIR"])))), mask())
    path.write_text("no image")
    assert [problem.message for problem in index_cases(tmp_path)[1]] == [f"The mask {path} cannot be read."]
