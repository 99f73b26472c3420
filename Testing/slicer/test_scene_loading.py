"""Files, folders and DICOM become volume nodes, and the contrasts among them are found."""

import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from Testing.slicer.scene_results import OBLIQUE, add_volume, flair_image, reviewed_result

from MSLesionSegLib.errors import StudyError

slicer = pytest.importorskip("slicer")

from MSLesionSegScene.state import ModuleState  # noqa: E402
from MSLesionSegScene.study_loading import assign, load_files, node_tags  # noqa: E402
from MSLesionSegScene.volumes import node_to_image, write_study  # noqa: E402


def write_dicom(folder, seed: int, number: int, slices: int = 20, **tags) -> sitk.Image:
    """The slices of :func:`flair_image` as MR files of one series of Jane Doe."""
    image = flair_image(seed)
    folder.mkdir(parents=True, exist_ok=True)
    array = sitk.GetArrayFromImage(image)
    for index in range(slices):
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = MRImageStorage
        unique = generate_uid(entropy_srcs=[str(number), str(index)])
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = unique
        data.SeriesInstanceUID = generate_uid(entropy_srcs=[str(number)])
        data.Modality, data.PatientName, data.PatientID = "MR", "Doe^Jane", "4711"
        data.SeriesNumber, data.InstanceNumber = number, index + 1
        data.ImagePositionPatient = [round(v, 6) for v in image.TransformIndexToPhysicalPoint((0, 0, index))]
        data.ImageOrientationPatient = [round(v, 9) for v in (*OBLIQUE[:, 0], *OBLIQUE[:, 1])]
        data.PixelSpacing, data.SliceThickness = [1, 1], 2
        data.Rows, data.Columns = array.shape[1:]
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit, data.PixelRepresentation = 15, 1
        data.PixelData = array[index].astype("<i2").tobytes()
        for keyword, value in tags.items():
            setattr(data, keyword, value)
        data.save_as(folder / f"{number}-{(index * 7) % slices:03d}", enforce_file_format=True)
    return image


FLAIR = {"SeriesDescription": "one", "ScanningSequence": "SE\\IR", "RepetitionTime": 9000, "EchoTime": 120}
T1 = {"SeriesDescription": "two", "ScanningSequence": "SE", "RepetitionTime": 500, "EchoTime": 10}


def save(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path


def test_a_folder_of_nifti_files_is_loaded_without_its_masks_and_sorted(scene, tmp_path):
    for seed, name in enumerate(("T1w", "FLAIR", "T2w")):
        save(flair_image(seed), tmp_path / "anat" / f"sub-01_{name}.nii.gz")
    save(flair_image(8), tmp_path / "anat" / "sub-01_label-lesion_mask.nii.gz")
    save(flair_image(9), tmp_path / ".cache" / "old_FLAIR.nii.gz")
    (tmp_path / "notes.txt").write_text("notes")
    nodes = load_files(scene, [tmp_path])
    assert [node.GetName() for node in nodes] == ["sub-01_FLAIR", "sub-01_T1w", "sub-01_T2w"]
    for node, seed in zip(nodes, (1, 0, 2), strict=True):  # each its own voxels, also where names differ by a number
        assert np.array_equal(sitk.GetArrayFromImage(node_to_image(node)), sitk.GetArrayFromImage(flair_image(seed)))
    found = assign(scene, nodes)
    assert {name: node.GetName() for name, (node, _) in found.items()} == {
        "FLAIR": "sub-01_FLAIR",
        "T1w": "sub-01_T1w",
        "T2w": "sub-01_T2w",
    }
    assert all(guess.sure for _, guess in found.values())


def test_a_dicom_folder_becomes_a_node_a_series_in_place_and_without_names(scene, tmp_path):
    images = [write_dicom(tmp_path / "a", 1, 4, InversionTime=2500, **FLAIR), write_dicom(tmp_path / "b", 2, 2, **T1)]
    write_dicom(tmp_path, 3, 1, slices=3, SeriesDescription="localizer", EchoTime=5)
    nodes = load_files(scene, [tmp_path])
    assert [node.GetName() for node in nodes] == ["two", "one"]
    for node, image in zip(nodes, reversed(images), strict=True):
        written = node_to_image(node)
        assert np.array_equal(sitk.GetArrayFromImage(written), sitk.GetArrayFromImage(image))
        assert written.GetPixelID() == sitk.sitkInt16
        last = (39, 47, 19)
        assert np.allclose(
            written.TransformIndexToPhysicalPoint(last), image.TransformIndexToPhysicalPoint(last), atol=1e-3
        )
    found = assign(scene, nodes)
    assert found["FLAIR"][0].GetName() == "one" and found["T1w"][0].GetName() == "two" and found["T2w"][0] is None
    assert "TI 2500 ms" in found["FLAIR"][1].reason
    text = "".join(f"{node.GetName()} {node.GetAttributeNames()} {node_tags(node)}" for node in nodes)
    assert "Jane" not in text and "4711" not in text


def test_one_dicom_file_stands_for_its_series_and_all_of_them_for_themselves(scene, tmp_path):
    write_dicom(tmp_path, 1, 4, **FLAIR)
    write_dicom(tmp_path, 2, 5, **T1)
    (node,) = load_files(scene, [tmp_path / "4-007"])
    assert node.GetName() == "one" and node.GetImageData().GetDimensions() == (40, 48, 20)
    nodes = load_files(scene, sorted(tmp_path.iterdir()))
    assert [node.GetName() for node in nodes] == ["one_1", "two"]


def test_tags_survive_the_scene(scene, tmp_path):
    write_dicom(tmp_path / "d", 1, 4, ContrastBolusAgent="Gadovist", **T1)
    (node,) = load_files(scene, [tmp_path / "d"])
    assert slicer.util.saveScene(str(tmp_path / "study.mrb"))
    scene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "study.mrb"))
    node, guess = assign(scene)["T1w"]
    assert node.GetName() == "two"
    assert not guess.sure and "Gadovist" in guess.reason


def test_the_sidecar_beside_a_nifti_file_is_read(scene, tmp_path):
    save(flair_image(), tmp_path / "4.nii.gz")
    values = {"EchoTime": 0.12, "RepetitionTime": 9.0, "InversionTime": 2.5, "ScanningSequence": "SE_IR"}
    (tmp_path / "4.json").write_text(json.dumps(values), "utf-8")
    load_files(scene, [tmp_path / "4.nii.gz"])
    node, guess = assign(scene)["FLAIR"]
    assert node.GetName() == "4" and guess.sure


def test_volumes_that_slicers_dicom_module_loaded_are_known_by_its_database(scene, tmp_path, monkeypatch):
    write_dicom(tmp_path, 1, 4, InversionTime=2500, **FLAIR)

    class Database:
        @staticmethod
        def fileForInstance(uid):
            return str(tmp_path / "4-000") if uid == "1.2.3" else ""

    monkeypatch.setattr(slicer, "dicomDatabase", Database, raising=False)
    node = add_volume(scene, flair_image(), "4: unnamed")
    node.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    assert float(node_tags(node)["InversionTime"]) == 2500
    assert assign(scene)["FLAIR"][0] is node


def test_results_of_the_module_and_label_maps_are_not_offered(scene, tmp_path):
    state, _ = reviewed_result(scene, tmp_path)
    slicer.modules.volumes.logic().CreateAndAddLabelVolume(scene, state.flair, "FLAIR label")
    found = assign(scene)
    assert found["FLAIR"][0] is state.flair
    assert found["FLAIR"][1].sure


def test_what_was_loaded_goes_to_the_engine_as_it_was(scene, tmp_path):
    from MSLesionSegLib.images import read_image

    write_dicom(tmp_path / "d", 1, 4, InversionTime=2500, **FLAIR)
    state = ModuleState(scene)
    (state.flair,) = load_files(scene, [tmp_path / "d"])
    written = read_image(write_study(state, tmp_path)["FLAIR"])
    straight = read_image(tmp_path / "d")
    assert np.array_equal(sitk.GetArrayFromImage(written), sitk.GetArrayFromImage(straight))
    for read in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert np.allclose(getattr(written, read)(), getattr(straight, read)(), rtol=0, atol=1e-6)


def test_nothing_to_load_a_damaged_file_and_a_whole_archive_are_one_sentence_each(scene, tmp_path):
    nodes = scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    with pytest.raises(StudyError, match="holds no MR images"):
        load_files(scene, [tmp_path])
    with pytest.raises(StudyError, match="does not exist"):
        load_files(scene, [tmp_path / "missing.nii.gz"])
    good = save(flair_image(), tmp_path / "set" / "a_FLAIR.nii.gz")
    (tmp_path / "bad.nii.gz").write_bytes(b"no image")
    with pytest.raises(StudyError, match="bad.nii.gz"):
        load_files(scene, [good, tmp_path / "bad.nii.gz"])
    for number in range(21):
        shutil.copyfile(good, tmp_path / "set" / f"{number}_FLAIR.nii.gz")
    with pytest.raises(StudyError, match="holds 22 images, more than one examination has"):
        load_files(scene, [tmp_path / "set"])
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == nodes
