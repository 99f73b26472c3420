"""The lesion table: volumes, positions, diameters, and the CSV file."""

import time

import numpy as np
import pytest
import SimpleITK as sitk

from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.lesion_table import Lesion, lesion_table, longest_diameter, read_lesion_csv, write_lesion_csv
from MSLesionSegLib.lesions import label_lesions

OBLIQUE = (0.8, 0.0, -0.6, 0.0, -1.0, 0.0, -0.6, 0.0, -0.8)


def images(array: np.ndarray, spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0), direction=None, probability=None):
    labels = sitk.GetImageFromArray(label_lesions(array))
    values = sitk.GetImageFromArray((array if probability is None else probability).astype(np.float32))
    for image in (labels, values):
        image.SetSpacing(spacing)
        image.SetOrigin(origin)
        image.SetDirection(direction or (1, 0, 0, 0, 1, 0, 0, 0, 1))
    return labels, values


def test_box_lesion_on_a_plain_grid():
    array = np.zeros((10, 20, 20))
    array[2:4, 5:8, 10:14] = 0.5
    array[2, 5, 10] = 1.0
    (lesion,) = lesion_table(*images(array, spacing=(0.5, 0.5, 3.0), origin=(-10.0, -20.0, 30.0)))
    assert lesion == Lesion(
        id=1,
        volume_ml=0.018,  # 24 voxels of 0.75 mm3
        centroid_r=4.25,  # LPS x = -10 + 0.5 * 11.5
        centroid_a=17.0,  # LPS y = -20 + 0.5 * 6
        centroid_s=37.5,  # 30 + 3 * 2.5
        longest_diameter_mm=round((1.5**2 + 1.0**2 + 3.0**2) ** 0.5, 2),
        mean_probability=round((23 * 0.5 + 1.0) / 24, 4),
        max_probability=1.0,
        location="",
    )


def test_centroid_follows_an_oblique_flipped_grid():
    array = np.zeros((8, 9, 10))
    array[4, 5, 6] = 1
    (lesion,) = lesion_table(*images(array, (2.0, 1.0, 3.0), (7.0, -3.0, 11.0), OBLIQUE))
    # LPS = origin + direction * (12, 5, 12) = (7 + 9.6 - 7.2, -3 - 5, 11 - 7.2 - 9.6)
    assert (lesion.centroid_r, lesion.centroid_a, lesion.centroid_s) == (-9.4, 8.0, -5.8)


def test_one_voxel_has_diameter_zero_and_a_row_counts_between_centres():
    array = np.zeros((5, 5, 9))
    array[1, 1, 1] = 1
    array[3, 3, 2:7] = 1
    row, single = lesion_table(*images(array, spacing=(0.5, 0.5, 3.0)))
    assert row.longest_diameter_mm == 2.0
    assert single.longest_diameter_mm == 0.0


def test_diameters_and_centroids_equal_those_of_itk():
    rng = np.random.default_rng(3)
    blobs = sitk.GetArrayFromImage(
        sitk.SmoothingRecursiveGaussian(sitk.GetImageFromArray(rng.random((40, 60, 60))), 2.0)
    )
    labels, values = images(blobs > np.quantile(blobs, 0.9), (0.7, 0.9, 2.5), (12.0, -34.0, 56.0), OBLIQUE)
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.ComputeFeretDiameterOn()
    shape.Execute(labels)
    table = lesion_table(labels, values)
    assert len(table) == len(shape.GetLabels()) > 20
    for lesion in table:
        assert lesion.longest_diameter_mm == pytest.approx(shape.GetFeretDiameter(lesion.id), abs=0.0051)
        left, posterior, superior = shape.GetCentroid(lesion.id)
        assert (lesion.centroid_r, lesion.centroid_a, lesion.centroid_s) == pytest.approx(
            (-left, -posterior, superior), abs=0.0051
        )
        assert lesion.volume_ml == pytest.approx(shape.GetPhysicalSize(lesion.id) / 1000, abs=0.000051)


@pytest.mark.parametrize("size", [(40, 40, 40), (1, 90, 90)])
def test_diameter_of_a_large_block_is_its_diagonal_even_when_flat(size):
    index = np.argwhere(np.ones(size, dtype=bool))[:, ::-1]
    expected = np.linalg.norm((np.array(size)[::-1] - 1) * (1.0, 2.0, 3.0))
    assert longest_diameter(index, np.diag((1.0, 2.0, 3.0))) == pytest.approx(expected, abs=1e-9)


def test_diameter_of_a_large_ragged_flat_lesion_on_a_diagonal_plane():
    y, x = np.mgrid[0:60, 0:60].reshape(2, -1)
    index = np.column_stack((x, y, x))  # one plane, not along an axis: no hull in 3D
    assert longest_diameter(index, np.eye(3)) == pytest.approx(59 * 3**0.5)


def test_five_hundred_lesions_in_a_large_image_take_about_a_second():
    array = np.zeros((192, 512, 512), dtype=np.float32)
    centres = np.stack(np.meshgrid(range(10, 180, 20), range(20, 500, 60), range(20, 500, 60), indexing="ij"), -1)
    for number, (z, y, x) in enumerate(centres.reshape(-1, 3)[:500]):
        radius = 1 + number % 7
        array[z - radius : z + radius, y - radius : y + radius, x - radius : x + radius] = 0.7
    labels, values = images(array, (0.5, 0.5, 1.0))
    start = time.process_time()
    table = lesion_table(labels, values)
    assert time.process_time() - start < 4.0  # measured 0.3 s
    assert len(table) == 500


def test_images_of_two_sizes_are_refused():
    with pytest.raises(StudyError, match="do not fit"):
        lesion_table(sitk.Image(4, 4, 4, sitk.sitkInt32), sitk.Image(4, 4, 5, sitk.sitkFloat32))


CSV = """\
# lesion: 26-connected component of probability >= 0.4, at least 3 mm3
# model: small 1.0
# volumes in mL; centroids in mm, RAS; longest diameter in mm between voxel centres (0: one voxel)
# confidence: probability that a lesion is real, fitted on a few patients; it need not hold at another site
id,volume_ml,centroid_r_mm,centroid_a_mm,centroid_s_mm,longest_diameter_mm,mean_probability,max_probability,location,confidence,doubtful
1,0.0180,4.25,-17.00,37.50,3.50,0.5208,1.0000,,,
2,0.0030,0.00,0.00,-0.10,0.00,0.5000,0.5000,"périventriculaire, left",0.10,low probability
"""
ROWS = [
    Lesion(1, 0.018, 4.25, -17.0, 37.5, 3.5, 0.5208, 1.0),
    Lesion(2, 0.003, 0.0, 0.0, -0.1, 0.0, 0.5, 0.5, "périventriculaire, left", 0.1, "low probability"),
]


def test_csv_is_exactly_this_text(tmp_path):
    write_lesion_csv(tmp_path / "lesions.csv", ROWS, threshold=0.4, min_mm3=3.0, model="small 1.0")
    assert (tmp_path / "lesions.csv").read_bytes() == CSV.encode("utf-8")


def test_csv_reads_back_equal(tmp_path):
    rng = np.random.default_rng(0)
    array = (rng.random((20, 20, 20)) > 0.97).astype(np.float32)
    table = lesion_table(*images(array, (0.71, 0.93, 2.9), (3.3, -4.4, 5.5), OBLIQUE, rng.random((20, 20, 20))))
    write_lesion_csv(tmp_path / "lesions.csv", table, threshold=0.5, min_mm3=3.0)
    assert len(table) > 50
    assert read_lesion_csv(tmp_path / "lesions.csv") == table


def test_csv_without_lesions_has_a_header_and_reads_as_no_rows(tmp_path):
    write_lesion_csv(tmp_path / "lesions.csv", [], threshold=0.5, min_mm3=3.0)
    assert (tmp_path / "lesions.csv").read_text().splitlines()[-1].startswith("id,volume_ml,")
    assert read_lesion_csv(tmp_path / "lesions.csv") == []


@pytest.mark.parametrize("text", ["a,b\n1,2\n", CSV.replace("0.0180", "many"), "\x00\x01"])
def test_a_file_that_is_no_lesion_table_is_an_error_naming_it(tmp_path, text):
    (tmp_path / "other.csv").write_text(text)
    with pytest.raises(StudyError, match=r"other\.csv"):
        read_lesion_csv(tmp_path / "other.csv")
