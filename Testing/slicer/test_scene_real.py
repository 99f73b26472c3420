"""Real studies from loaded nodes to a saved segmentation, beside the command line on the files themselves. Minutes."""

import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from MSLesionSegLib.grid import resample
from MSLesionSegLib.lesion_table import read_lesion_csv

slicer = pytest.importorskip("slicer")

from MSLesionSegScene.export import export_mask, export_segmentation  # noqa: E402
from MSLesionSegScene.result_nodes import load_result  # noqa: E402
from MSLesionSegScene.review import Review  # noqa: E402
from MSLesionSegScene.segments import read_segment  # noqa: E402
from MSLesionSegScene.state import ModuleState  # noqa: E402
from MSLesionSegScene.study_loading import assign, load_files  # noqa: E402
from MSLesionSegScene.volumes import node_matrix, node_to_image, write_study  # noqa: E402

pytestmark = pytest.mark.acceptance

STUDIES = {
    "raw, three grids": "longitudinal/sub-12/ses-1/anat/sub-12_ses-1",
    "stripped, one grid": "cross-sectional/sub-19/anat/sub-19_space-MNI",
}
OPTIONS = {"FLAIR": "--flair", "T1w": "--t1", "T2w": "--t2"}


def segment(files, out):
    words = [word for name, path in files.items() for word in (OPTIONS[name], str(path))]
    program = [sys.executable, "-m", "MSLesionSegLib", "segment", *words, "--out", str(out), "--progress", "none"]
    subprocess.run(program, check=True, capture_output=True, cwd=out.parent)
    return out


def mask(path, like=None):
    """A mask (z, y, x), with its axes in the order of another image; nothing is interpolated."""
    image = sitk.ReadImage(str(path))
    image = image if like is None else resample(image, like, interpolator="nearest")
    return sitk.GetArrayFromImage(image) > 0


def check_same_geometry(one, other):
    for read in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert np.allclose(getattr(one, read)(), getattr(other, read)(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("stem", STUDIES.values(), ids=STUDIES)
def test_loaded_nodes_give_the_command_lines_mask_and_keep_it_when_saved(scene, data_dir, tmp_path, stem):
    files = {name: data_dir / f"{stem}_{name}.nii.gz" for name in OPTIONS}
    segment(files, tmp_path / "of files")

    state = ModuleState(scene)
    found = assign(scene, load_files(scene, list(files.values())))
    for name, (node, guess) in found.items():
        assert node.GetName().endswith(name) and guess.sure
        state.set_image(name, node)
    (tmp_path / "study").mkdir()
    written = write_study(state, tmp_path / "study")
    for name, path in written.items():
        image, original = sitk.ReadImage(str(path)), sitk.ReadImage(str(files[name]))
        if np.linalg.det(np.reshape(original.GetDirection(), (3, 3))) < 0:
            original = original[:, :, ::-1]  # Slicer makes the axes of every file right-handed
        check_same_geometry(image, original)
        assert np.array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(original))
    load_result(scene, state, segment(written, tmp_path / "of nodes"))

    lies = node_to_image(state.flair)
    check_same_geometry(lies, sitk.ReadImage(str(written["FLAIR"])))
    reader = read_segment(state.segmentation, "reader", state.flair)
    assert np.array_equal(reader, mask(tmp_path / "of nodes/lesion_mask.nii.gz"))
    expected = mask(tmp_path / "of files/lesion_mask.nii.gz", lies)
    assert expected.sum() == mask(tmp_path / "of files/lesion_mask.nii.gz").sum() > 0
    assert np.array_equal(reader, expected)
    assert np.array_equal(read_segment(state.segmentation, "model", state.flair), expected)
    rows = Review(scene, state).rows()
    assert len(rows) == len(read_lesion_csv(tmp_path / "of files/lesions.csv"))
    geometry = node_matrix(state.flair, to_world=True)

    export_segmentation(state, tmp_path / "lesions.seg.nrrd")
    export_mask(state, tmp_path / "mask.nii.gz")
    check_same_geometry(sitk.ReadImage(str(tmp_path / "mask.nii.gz")), sitk.ReadImage(str(files["FLAIR"])))
    assert np.array_equal(mask(tmp_path / "mask.nii.gz"), mask(tmp_path / "of files/lesion_mask.nii.gz"))
    assert slicer.util.saveScene(str(tmp_path / "study.mrb"))
    scene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "study.mrb"))
    state = ModuleState(scene)
    assert np.abs(node_matrix(state.flair, to_world=True) - geometry).max() < 1e-5
    assert np.array_equal(read_segment(state.segmentation, "reader", state.flair), expected)
    assert Review(scene, state).rows() == rows
    loaded = slicer.util.loadSegmentation(str(tmp_path / "lesions.seg.nrrd"))
    assert np.array_equal(read_segment(loaded, "reader", state.flair), expected)
