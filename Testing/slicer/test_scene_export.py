"""What leaves Slicer reads back equal, and the training package reads the case."""

import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.slicer.scene_results import (
    OBLIQUE,
    add_volume,
    flair_image,
    mask_of,
    probability_map,
    reviewed_result,
    write_result,
)

from MSLesionSegLib.errors import OutputError, StudyError, UsageError
from MSLesionSegLib.grid import Grid
from MSLesionSegLib.lesion_table import read_lesion_csv
from MSLesionSegTrainingLib.cases import index_cases
from MSLesionSegTrainingLib.mask_files import read_mask

slicer = pytest.importorskip("slicer")

from MSLesionSegScene.data_set import add_to_data_set  # noqa: E402
from MSLesionSegScene.export import export_mask, export_segmentation, export_table  # noqa: E402
from MSLesionSegScene.result_nodes import load_result  # noqa: E402
from MSLesionSegScene.segments import read_segment, write_segment  # noqa: E402
from MSLesionSegScene.state import ModuleState  # noqa: E402
from MSLesionSegScene.study_loading import load_files  # noqa: E402
from MSLesionSegScene.volumes import node_to_image  # noqa: E402


@pytest.fixture
def state(scene, tmp_path):
    """A review in which the middle lesion is rejected, the large one accepted and the small one edited."""
    state, review = reviewed_result(scene, tmp_path)
    review.decide("1", "accepted")
    review.decide("2", "rejected")
    mask = read_segment(state.segmentation, "reader", state.flair)
    mask[16, 36:38, 30:32] = True
    write_segment(state.segmentation, "reader", state.flair, mask)
    return state


def expected() -> np.ndarray:
    mask = mask_of("large", "small")
    mask[16, 36:38, 30:32] = True
    return mask


def add(state, root, **options):
    return add_to_data_set(state, root, annotator="Reader 1", seconds_spent=95.25, **options)


def other_study(scene, folder, seed=3, name="other"):
    """Another study in the same scene, segmented."""
    state = ModuleState(scene)
    state.flair = add_volume(scene, flair_image(seed), name)
    load_result(scene, state, write_result(folder / f"result {seed}", flair_image(seed), probability_map()))
    return state


def test_the_mask_is_the_readers_on_the_flairs_grid(state, tmp_path):
    export_mask(state, tmp_path / "mask.nii.gz")
    image, flair = sitk.ReadImage(str(tmp_path / "mask.nii.gz")), flair_image()
    assert np.array_equal(sitk.GetArrayFromImage(image), expected())
    assert image.GetSize() == flair.GetSize()
    for read in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert np.allclose(getattr(image, read)(), getattr(flair, read)(), rtol=0, atol=1e-5)


def test_the_mask_of_a_left_handed_file_is_in_the_order_of_the_file(scene, tmp_path):
    flair = flair_image()
    flair.SetDirection((OBLIQUE @ np.diag([1, 1, -1])).ravel().tolist())
    sitk.WriteImage(flair, str(tmp_path / "FLAIR.nii.gz"))
    state = ModuleState(scene)
    (state.flair,) = load_files(scene, [tmp_path / "FLAIR.nii.gz"])
    written = node_to_image(state.flair)
    assert np.linalg.det(np.reshape(written.GetDirection(), (3, 3))) > 0  # as Slicer has it
    turned = probability_map()[::-1]
    load_result(scene, state, write_result(tmp_path / "result", written, turned))
    export_mask(state, tmp_path / "mask.nii.gz")
    mask = sitk.ReadImage(str(tmp_path / "mask.nii.gz"))
    assert np.array_equal(sitk.GetArrayFromImage(mask), mask_of("large", "middle", "small"))
    for read in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert np.allclose(getattr(mask, read)(), getattr(flair, read)(), rtol=0, atol=1e-5)
    # The case of the data set is known again by the file, though its slices are turned.
    (tmp_path / "set" / "sub-04" / "anat").mkdir(parents=True)
    shutil.copyfile(tmp_path / "FLAIR.nii.gz", tmp_path / "set/sub-04/anat/sub-04_FLAIR.nii.gz")
    with pytest.raises(StudyError, match="already, as sub-04"):
        add(state, tmp_path / "set")


def test_the_segmentation_holds_the_reader_and_own_segments_and_reads_back_equal(state, scene, tmp_path):
    state.segmentation.GetSegmentation().AddEmptySegment("vessel", "vessel")
    write_segment(state.segmentation, "vessel", state.flair, mask_of("faint"))
    nodes = scene.GetNumberOfNodes()
    export_segmentation(state, tmp_path / "lesions.seg.nrrd")
    assert scene.GetNumberOfNodes() == nodes
    assert state.segmentation.GetStorageNode() is None
    loaded = slicer.util.loadSegmentation(str(tmp_path / "lesions.seg.nrrd"))
    segmentation = loaded.GetSegmentation()
    assert [segmentation.GetNthSegmentID(i) for i in range(segmentation.GetNumberOfSegments())] == ["reader", "vessel"]
    assert np.array_equal(read_segment(loaded, "reader", state.flair), expected())
    assert np.array_equal(read_segment(loaded, "vessel", state.flair), mask_of("faint"))
    assert "SCT^52988006^Lesion" in segmentation.GetSegment("reader").GetTerminology()
    assert segmentation.GetSegment("reader").GetColor() == pytest.approx((1.0, 0.8, 0.24), abs=0.01)
    # Training takes the lesions and not the vessel.
    assert np.array_equal(read_mask(tmp_path / "lesions.seg.nrrd", Grid.of(flair_image())), expected())


def test_the_models_segment_comes_along_when_asked_for(state, tmp_path):
    export_segmentation(state, tmp_path / "both.seg.nrrd", with_model=True)
    loaded = slicer.util.loadSegmentation(str(tmp_path / "both.seg.nrrd"))
    assert np.array_equal(read_segment(loaded, "model", state.flair), mask_of("large", "middle", "small"))
    assert np.array_equal(read_segment(loaded, "reader", state.flair), expected())


def test_the_table_leaves_rejected_lesions_out_and_counts_them(state, tmp_path):
    export_table(state, tmp_path / "lesions.csv")
    lesions = read_lesion_csv(tmp_path / "lesions.csv")
    assert [(lesion.id, lesion.volume_ml) for lesion in lesions] == [(1, 0.216), (3, 0.024)]
    first = (tmp_path / "lesions.csv").read_text("utf-8").splitlines()[0]
    assert first.startswith("# reviewed in 3D Slicer: 1 accepted, 1 rejected, 1 undecided, 1 edited;")


@pytest.mark.parametrize(
    ("export", "name"),
    [(export_mask, "mask.nii.gz"), (export_segmentation, "lesions.seg.nrrd"), (export_table, "lesions.csv")],
)
def test_what_cannot_be_written_is_one_sentence_and_leaves_nothing(state, tmp_path, export, name, qt_host):
    with pytest.raises(OutputError, match="cannot be written"):
        export(state, tmp_path / "missing" / name)
    with pytest.raises(OutputError, match="does not end in"):
        export(state, tmp_path / "mask.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["result"]
    qt_host.failures.take()  # the writer of segmentations also complains by itself


def test_nothing_is_exported_without_a_result(scene, tmp_path):
    for export, name in ((export_mask, "m.nii.gz"), (export_segmentation, "l.seg.nrrd"), (export_table, "l.csv")):
        with pytest.raises(StudyError, match="There is no result to export"):
            export(ModuleState(scene), tmp_path / name)
    with pytest.raises(StudyError, match="There is no result to export"):
        add(ModuleState(scene), tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


def test_the_training_package_reads_the_case(state, scene, tmp_path):
    state.t1 = add_volume(scene, flair_image(1), "T1 of Jane Doe")
    assert add(state, tmp_path / "set") == "sub-01"
    cases, problems = index_cases(tmp_path / "set")
    assert problems == []
    (case,) = cases
    assert (case.name, case.patient, sorted(case.images)) == ("sub-01", "sub-01", ["FLAIR", "T1w"])
    grid = Grid.of(sitk.ReadImage(str(case.images["FLAIR"])))
    assert np.array_equal(read_mask(case.mask, grid), expected())
    assert np.array_equal(
        sitk.GetArrayFromImage(sitk.ReadImage(str(case.images["T1w"]))), sitk.GetArrayFromImage(flair_image(1))
    )
    folder = case.mask.parent
    model = sitk.ReadImage(str(folder / "sub-01_label-lesion_desc-model_mask.nii.gz"))
    assert np.array_equal(sitk.GetArrayFromImage(model), mask_of("large", "middle", "small"))
    sidecar = json.loads((folder / "sub-01_label-lesion_mask.json").read_text("utf-8"))
    assert sidecar["Annotator"] == "Reader 1" and sidecar["SecondsSpent"] == 95.2
    assert sidecar["Time"].endswith("+00:00")
    assert sidecar["Lesions"] == {"accepted": 1, "rejected": 1, "undecided": 1, "edited": 1}
    assert sidecar["Model"]["name"] == "test-model" and sidecar["ModelMask"].endswith("desc-model_mask.nii.gz")
    assert (sidecar["Threshold"], sidecar["MinimumLesionMm3"]) == (0.5, 3.0)
    descriptions = [tmp_path / "set", tmp_path / "set/derivatives/annotations"]
    kinds = [json.loads((one / "dataset_description.json").read_text("utf-8"))["DatasetType"] for one in descriptions]
    assert kinds == ["raw", "derivative"]


def test_names_and_dates_of_the_patient_do_not_get_into_the_data_set(state, scene, tmp_path):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "DOE^JANE")
    study = hierarchy.CreateStudyItem(patient, "19770413")
    hierarchy.SetItemAttribute(patient, "DICOM.PatientID", "DOE-4711")
    hierarchy.SetItemAttribute(study, "DICOM.StudyDate", "19770413")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(state.flair), study)
    state.flair.SetName("DOE JANE 19770413")
    key = tmp_path / "keys" / "key.tsv"
    assert add(state, tmp_path / "set", key_file=key) == "sub-01_ses-1"
    import gzip

    for path in (tmp_path / "set").rglob("*"):
        assert "doe" not in path.name.lower() and "1977" not in path.name
        if path.is_file():
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            assert b"DOE" not in content and b"19770413" not in content
    assert key.read_text("utf-8") == (
        "participant_id\tsession_id\toriginal\toriginal_date\nsub-01\tses-1\tDOE-4711\t19770413\n"
    )
    # Another date of the same patient keeps the id; a file without a patient ID is a new patient.
    state = other_study(scene, tmp_path)
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(state.flair), study)
    assert add(state, tmp_path / "set", key_file=key) == "sub-01_ses-2"
    assert add(other_study(scene, tmp_path, 4), tmp_path / "set", key_file=key) == "sub-02_ses-1"
    assert add(other_study(scene, tmp_path, 5), tmp_path / "set", key_file=key) == "sub-03_ses-1"
    cases, problems = index_cases(tmp_path / "set")
    assert problems == []
    assert [case.name for case in cases] == ["sub-01_ses-1", "sub-01_ses-2", "sub-02_ses-1", "sub-03_ses-1"]


def test_ids_go_on_from_the_highest_and_another_date_can_be_named(state, scene, tmp_path):
    root = tmp_path / "set"
    (root / "sub-07" / "anat").mkdir(parents=True)
    assert add(state, root) == "sub-08"
    assert add(other_study(scene, tmp_path), root, patient="sub-08") == "sub-08_ses-2"
    with pytest.raises(UsageError, match="holds no patient sub-99"):
        add(other_study(scene, tmp_path, 4), root, patient="sub-99")


def test_a_flair_is_in_the_data_set_once_and_its_annotation_can_be_replaced(state, tmp_path):
    root = tmp_path / "set"
    add(state, root)
    mask = root / "derivatives/annotations/sub-01/anat/sub-01_label-lesion_mask.nii.gz"
    before = mask.read_bytes()
    write_segment(state.segmentation, "reader", state.flair, mask_of("large"))
    with pytest.raises(StudyError, match="in the data set already, as sub-01"):
        add(state, root)
    assert mask.read_bytes() == before
    assert add(state, root, replace=True) == "sub-01"
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(mask))), mask_of("large"))
    assert [case.name for case in index_cases(root)[0]] == ["sub-01"]
    assert not list(root.glob(".*"))


def test_a_flair_that_came_by_another_way_is_known_by_its_voxels(state, tmp_path):
    root = tmp_path / "set"
    (root / "sub-03" / "anat").mkdir(parents=True)
    sitk.WriteImage(sitk.Cast(flair_image(), sitk.sitkFloat32), str(root / "sub-03/anat/sub-03_FLAIR.nii.gz"))
    with pytest.raises(StudyError, match="already, as sub-03"):
        add(state, root)


def test_a_key_in_the_data_set_no_annotator_and_a_folder_of_other_things_are_refused(state, tmp_path):
    root = tmp_path / "set"
    with pytest.raises(UsageError, match="would lie inside the data set"):
        add(state, root, key_file=root / "derivatives" / "key.tsv")
    with pytest.raises(UsageError, match="annotator's name is missing"):
        add_to_data_set(state, root, annotator=" ", seconds_spent=1)
    assert not root.exists()
    root.mkdir()
    (root / "thesis.docx").write_bytes(b"")
    with pytest.raises(OutputError, match="is no data set and not empty"):
        add(state, root)
    (tmp_path / "notes.txt").write_text("my notes")
    shutil.rmtree(root)
    with pytest.raises(UsageError, match="is no key of a data set"):
        add(state, root, key_file=tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "my notes"
    assert not list(root.glob("sub-*"))
