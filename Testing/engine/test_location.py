"""Where a lesion lies: the rule on drawn anatomy, shares, the tables, dissemination in space."""

import numpy as np
import pytest

from MSLesionSegLib.anatomy import Anatomy
from MSLesionSegLib.dissemination import dissemination_in_space, summary_sentence
from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.lesion_table import Lesion
from MSLesionSegLib.location import LOCATIONS, LesionLocation, exact_shares, lesion_locations
from MSLesionSegLib.location_table import read_location_csv, write_location_csv
from MSLesionSegLib.location_zones import location_zones

SHAPE = (12, 12, 60)
"""A block of brain in 1 mm voxels: ventricle at x < 10, cortex at x >= 50, brain stem at z < 3."""


def zones() -> np.ndarray:
    ventricles, cortex, infratentorial = (np.zeros(SHAPE, dtype=bool) for _ in range(3))
    infratentorial[:3] = True
    ventricles[3:, :, :10] = True
    cortex[3:, :, 50:] = True
    return location_zones(Anatomy(ventricles, cortex, infratentorial), 1.0)


def shares(*boxes: tuple[slice, slice, slice]) -> list[dict[str, float]]:
    labels = np.zeros(SHAPE, dtype=np.int32)
    for number, box in enumerate(boxes, start=1):
        labels[box] = number
    return [one.shares for one in lesion_locations(labels, zones())]


def row(x: slice, z: slice = slice(6, 7)) -> tuple[slice, slice, slice]:
    return z, slice(6, 7), x


@pytest.mark.parametrize(
    ("x", "place"),
    [
        (slice(10, 14), "periventricular"),
        (slice(11, 14), "periventricular"),  # a voxel of partial fluid between
        (slice(12, 16), "deep white matter"),  # near, but 3 mm of tissue between
        (slice(25, 35), "deep white matter"),
        (slice(45, 50), "juxtacortical"),
        (slice(44, 48), "deep white matter"),
        (slice(50, 53), "juxtacortical"),  # inside the cortex
    ],
)
def test_a_lesion_takes_the_place_that_it_touches(x, place):
    (found,) = shares(row(x))
    assert found == {name: float(name == place) for name in LOCATIONS}


def test_a_lesion_of_the_brain_stem_is_infratentorial_also_beside_the_ventricle():
    (found,) = shares(row(slice(5, 20), slice(0, 2)))
    assert found["infratentorial"] == 1.0


def test_a_confluent_lesion_from_ventricle_to_cortex_has_shares_of_each():
    (found,) = shares(row(slice(10, 50)))
    # 10 voxels within 10 mm of the ventricle, 5 within 5 mm of the cortex, 25 between, of 40
    assert found == {
        "periventricular": 0.25,
        "juxtacortical": 0.125,
        "infratentorial": 0.0,
        "deep white matter": 0.625,
    }


def test_a_finger_from_the_ventricle_is_deep_beyond_10_mm():
    (found,) = shares(row(slice(10, 26)))
    assert (found["periventricular"], found["deep white matter"]) == (0.625, 0.375)


def test_a_lesion_across_the_tentorium_is_parted_by_voxels():
    (found,) = shares((slice(0, 6), slice(6, 7), slice(30, 31)))
    assert (found["infratentorial"], found["deep white matter"]) == (0.5, 0.5)


def test_lesions_are_numbered_as_in_the_labels():
    labels = np.zeros(SHAPE, dtype=np.int32)
    labels[row(slice(10, 12))] = 3
    labels[row(slice(30, 32))] = 1
    found = lesion_locations(labels, zones())
    assert [(one.id, one.main) for one in found] == [(1, "deep white matter"), (3, "periventricular")]


def test_shares_of_three_decimals_add_up_to_exactly_one():
    rng = np.random.default_rng(0)
    for counts in rng.integers(0, 50, (500, 4)) + [1, 0, 0, 0]:
        parts = exact_shares([int(count) for count in counts])
        assert sum(round(part * 1000) for part in parts) == 1000
        assert np.abs(np.array(parts) - counts / counts.sum()).max() < 0.001
    assert exact_shares([1, 1, 1, 0]) == [0.334, 0.333, 0.333, 0.0]


def test_no_ventricle_found_leaves_no_lesion_periventricular():
    empty = np.zeros(SHAPE, dtype=bool)
    labels = np.ones(SHAPE, dtype=np.int32)
    (found,) = lesion_locations(labels, location_zones(Anatomy(empty, empty, empty), 1.0))
    assert found.shares["deep white matter"] == 1.0


def location(number: int, *parts: float) -> LesionLocation:
    return LesionLocation(number, dict(zip(LOCATIONS, parts, strict=True)))


def test_the_csv_states_the_rule_and_reads_back_equal(tmp_path):
    table = [location(1, 0.25, 0.125, 0.0, 0.625), location(2, 0.0, 0.0, 1.0, 0.0)]
    write_location_csv(tmp_path / "location.csv", table)
    assert (tmp_path / "location.csv").read_text("utf-8") == (
        "# periventricular: touches a lateral ventricle (within 2 mm), voxels within 10 mm of it\n"
        "# juxtacortical: touches the cortex (within 2 mm), voxels within 5 mm of it\n"
        "# infratentorial: voxels in brain stem or cerebellum; deep white matter: all others; "
        "location: the largest share\n"
        "id,location,periventricular_share,juxtacortical_share,infratentorial_share,deep_white_matter_share\n"
        "1,deep white matter,0.250,0.125,0.000,0.625\n"
        "2,infratentorial,0.000,0.000,1.000,0.000\n"
    )
    assert read_location_csv(tmp_path / "location.csv") == table


def test_a_file_that_is_no_location_table_is_an_error_naming_it(tmp_path):
    (tmp_path / "other.csv").write_text("id,volume\n1,2\n")
    with pytest.raises(StudyError, match=r"other\.csv is not a location table"):
        read_location_csv(tmp_path / "other.csv")


def test_dissemination_names_the_lesions_behind_each_area():
    lesions = [
        Lesion(number, 0.1, 0.0, 0.0, 0.0, length, 0.9, 0.9) for number, length in ((1, 30.0), (2, 2.9), (3, 3.0))
    ]
    places = [location(1, 0.5, 0.05, 0.0, 0.45), location(2, 0.0, 0.0, 1.0, 0.0), location(3, 0.0, 0.04, 0.0, 0.96)]
    items = dissemination_in_space(lesions, places)
    assert [(item.area, item.assessed, item.lesions) for item in items] == [
        ("Periventricular", True, (1,)),
        ("Cortical or juxtacortical", True, (1,)),
        ("Infratentorial", True, ()),  # lesion 2 is shorter than 3 mm
        ("Spinal cord", False, ()),
    ]
    assert summary_sentence(items) == "2 of 3 assessed areas hold a lesion of at least 3 mm."
