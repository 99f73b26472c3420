"""The result folder: whole or not at all, nothing of the user's ever lost, the same bytes every time."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from MSLesionSegLib.errors import OutputError
from MSLesionSegLib.nifti import compact, read_nifti, write_nifti
from MSLesionSegLib.provenance import file_sha256, write_provenance
from MSLesionSegLib.results import ResultFolder

ENGINE = Path(__file__).resolve().parents[2] / "MSLesionSeg"


def write_result(folder: Path, content: str = "first") -> None:
    """A minimal result: one table and its record."""
    with ResultFolder(folder) as result:
        result.write_text("lesions.csv", content)
        outputs = {"lesions.csv": file_sha256(result.file("lesions.csv"))}
        record = {"tool": "MSLesionSeg", "format_version": 1, "settings": {}, "run": {}, "outputs": outputs}
        write_provenance(result.file("provenance.json"), record)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def child(code: str, *arguments: object, **options: object) -> subprocess.Popen:
    """A second process that has ``write_result`` and the library."""
    prelude = (
        f"import sys; sys.path[:0] = [{str(ENGINE)!r}, {str(Path(__file__).parent)!r}]; from test_results import *\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", prelude + code, *map(str, arguments)], stdout=subprocess.PIPE, text=True, **options
    )


def test_result_appears_whole_with_nothing_beside_it(tmp_path):
    write_result(tmp_path / "new" / "deep" / "out")
    assert names(tmp_path / "new" / "deep" / "out") == ["lesions.csv", "provenance.json"]
    assert names(tmp_path / "new" / "deep") == ["out"]


def test_nothing_is_under_the_name_before_the_end(tmp_path):
    with ResultFolder(tmp_path / "out") as result:
        result.write_text("lesions.csv", "x")
        assert not (tmp_path / "out").exists()


def test_failure_leaves_no_trace_not_even_the_parents(tmp_path):
    with pytest.raises(ZeroDivisionError), ResultFolder(tmp_path / "a" / "b" / "out") as result:
        result.write_text("lesions.csv", "x")
        raise ZeroDivisionError
    assert names(tmp_path) == []


def test_failure_leaves_the_earlier_result_as_it_was(tmp_path):
    write_result(tmp_path / "out")
    with pytest.raises(ZeroDivisionError), ResultFolder(tmp_path / "out") as result:
        result.write_text("lesions.csv", "second")
        raise ZeroDivisionError
    assert (tmp_path / "out" / "lesions.csv").read_text() == "first"
    assert names(tmp_path) == ["out"]


def test_earlier_result_is_replaced_whole(tmp_path):
    write_result(tmp_path / "out")
    write_result(tmp_path / "out", "second")
    assert (tmp_path / "out" / "lesions.csv").read_text() == "second"
    assert names(tmp_path) == ["out"]


def test_empty_folder_and_desktop_litter_are_no_hindrance(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".DS_Store").touch()
    write_result(tmp_path / "out")
    assert names(tmp_path / "out") == ["lesions.csv", "provenance.json"]


@pytest.mark.parametrize("record", [None, "{}", "not json", '{"tool": "another"}'])
def test_folder_with_other_files_is_refused_and_untouched(tmp_path, record):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "holiday.txt").write_text("mine")
    if record is not None:
        (tmp_path / "out" / "provenance.json").write_text(record)
    before = names(tmp_path / "out")
    with pytest.raises(OutputError, match=r"out holds files that are not a result.*holiday\.txt"):
        write_result(tmp_path / "out")
    assert names(tmp_path / "out") == before
    assert names(tmp_path) == ["out"]


def test_a_file_of_the_user_in_an_earlier_result_is_never_deleted(tmp_path):
    write_result(tmp_path / "out")
    (tmp_path / "out" / "corrected.nii.gz").write_text("an hour of work")
    with pytest.raises(OutputError, match=r"corrected\.nii\.gz"):
        write_result(tmp_path / "out", "second")
    assert (tmp_path / "out" / "corrected.nii.gz").exists()


def test_a_file_edited_by_hand_is_never_overwritten(tmp_path):
    write_result(tmp_path / "out")
    (tmp_path / "out" / "lesions.csv").write_text("edited")
    with pytest.raises(OutputError, match=r"lesions\.csv was changed after it was written"):
        write_result(tmp_path / "out", "second")
    assert (tmp_path / "out" / "lesions.csv").read_text() == "edited"


def test_a_file_that_came_during_the_run_is_left_alone(tmp_path):
    write_result(tmp_path / "out")
    with pytest.raises(OutputError, match="changed while the new result was made"), ResultFolder(tmp_path / "out"):
        (tmp_path / "out" / "corrected.nii.gz").write_text("an hour of work")
    assert (tmp_path / "out" / "corrected.nii.gz").exists()
    assert names(tmp_path) == ["out"]


def test_a_file_instead_of_a_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError, match="out is a file, not a folder"):
        write_result(tmp_path / "out")
    with pytest.raises(OutputError, match="below cannot|below: not a directory"):
        write_result(tmp_path / "out" / "below")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_disk_is_refused():
    with pytest.raises(OutputError, match="mounted folder"):
        write_result(Path(Path.cwd().anchor))


@pytest.mark.skipif(sys.platform != "linux", reason="/sys and its rules are Linux's")
def test_a_place_without_permission_is_one_sentence_with_its_name(tmp_path):
    closed = Path("/sys")
    if os.geteuid() != 0:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o555)
    with pytest.raises(OutputError, match=f"{closed}/out: permission denied"):
        write_result(closed / "out")


def test_a_link_to_a_folder_is_followed(tmp_path):
    write_result(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    write_result(tmp_path / "link", "second")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "lesions.csv").read_text() == "second"


HOLD = "with ResultFolder(sys.argv[1]) as result:\n print('in', flush=True); time.sleep(60)"


def test_second_process_is_refused_at_once_and_a_killed_one_blocks_nobody(tmp_path):
    write_result(tmp_path / "out")
    holder = child(HOLD, tmp_path / "out")
    assert holder.stdout.readline() == "in\n"
    start = time.monotonic()
    with pytest.raises(OutputError, match=rf"Another process \(number {holder.pid}\) is writing into .*out"):
        write_result(tmp_path / "out", "second")
    assert time.monotonic() - start < 2
    holder.kill()
    holder.wait()
    assert ".out.lock" in names(tmp_path)
    assert f".out.partial-{holder.pid}" in names(tmp_path)
    write_result(tmp_path / "out", "third")
    assert (tmp_path / "out" / "lesions.csv").read_text() == "third"
    assert names(tmp_path) == ["out"]


def test_two_results_beside_each_other_do_not_wait_for_each_other(tmp_path):
    with ResultFolder(tmp_path / "one") as one, ResultFolder(tmp_path / "two") as two:
        one.write_text("a", "1")
        two.write_text("a", "2")
    assert names(tmp_path) == ["one", "two"]


KILLED_AT_RENAME = """
from MSLesionSegLib import results
count = 0
rename = results._rename
def dying(source, target):
    global count
    count += 1
    if count == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target)
results._rename = dying
write_result(Path(sys.argv[1]), "second")
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize("moment", [1, 2])
def test_killed_during_the_swap_the_earlier_result_is_there_at_the_next_run(tmp_path, moment):
    write_result(tmp_path / "out")
    assert child(KILLED_AT_RENAME, tmp_path / "out", moment).wait() == -signal.SIGKILL
    assert (tmp_path / "out").exists() == (moment == 1)
    with ResultFolder(tmp_path / "out") as result:
        assert result.earlier["tool"] == "MSLesionSeg"
        assert (tmp_path / "out" / "lesions.csv").read_text() == "first"
        result.keep("lesions.csv")
        result.keep("provenance.json")
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "lesions.csv").read_text() == "first"


FULL_DISK = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
image = sitk.GetImageFromArray(np.random.default_rng(0).random((40, 60, 60)))
try:
    with ResultFolder(sys.argv[1]) as result:
        result.write_image("FLAIR.nii.gz", image)
except OutputError as error:
    print(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs a limit on file sizes")
def test_a_disk_that_fills_up_is_an_error_and_leaves_the_earlier_result(tmp_path):
    write_result(tmp_path / "out")
    said = child(FULL_DISK, tmp_path / "out", stderr=subprocess.DEVNULL).communicate()[0]
    assert said.startswith(f"The result cannot be written to {tmp_path / 'out'}: ")
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "lesions.csv").read_text() == "first"


def oblique_image(array: np.ndarray, flip: bool = False) -> sitk.Image:
    direction = Rotation.from_euler("xyz", [17.3, -8.1, 23.7], degrees=True).as_matrix()
    if flip:
        direction[:, 0] *= -1
    image = sitk.GetImageFromArray(array)
    image.SetDirection(direction.ravel().tolist())
    image.SetSpacing((0.4296875123, 0.43, 3.3000001))
    image.SetOrigin((-211.123456, 198.765432, -101.98765))
    return image


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
def test_image_reads_back_with_its_values_type_and_geometry(tmp_path, kind, flip):
    array = (np.random.default_rng(0).random((5, 6, 7)) * 100).astype(kind)
    image = oblique_image(array, flip)
    write_nifti(tmp_path / "i.nii.gz", image)
    back = read_nifti(tmp_path / "i.nii.gz")
    assert back.GetPixelID() == image.GetPixelID()
    assert np.array_equal(sitk.GetArrayFromImage(back), array)
    for value in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(back, value)() == pytest.approx(getattr(image, value)(), abs=1e-5)
    header = nibabel.load(tmp_path / "i.nii.gz").header
    assert header["sform_code"] > 0 and header["qform_code"] > 0
    assert np.allclose(header.get_sform(), header.get_qform(), atol=1e-5)


def test_same_image_gives_the_same_bytes_at_another_time_in_another_folder(tmp_path):
    image = oblique_image(np.random.default_rng(0).random((5, 6, 7)))
    (tmp_path / "two").mkdir()
    write_nifti(tmp_path / "one.nii.gz", image)
    time.sleep(1.1)
    write_nifti(tmp_path / "two" / "other.nii.gz", image)
    packed = (tmp_path / "one.nii.gz").read_bytes()
    assert packed == (tmp_path / "two" / "other.nii.gz").read_bytes()
    assert packed[3:8] == bytes(5)  # gzip header: no file name, time 0
    assert names(tmp_path / "two") == ["other.nii.gz"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [([0, 1, -3], sitk.sitkInt16), ([0, 40000, 7], sitk.sitkUInt16), ([0, 0.5, 7], sitk.sitkFloat32)],
)
def test_whole_numbers_are_kept_as_integers(values, kind):
    image = sitk.GetImageFromArray(np.array([[values]], dtype=np.float32))
    assert compact(image).GetPixelID() == kind
    assert sitk.GetArrayFromImage(compact(image)).ravel().tolist() == values


def test_transform_works_in_resample(tmp_path):
    transform = sitk.Euler3DTransform((1.0, 2.0, 3.0), 0.1, 0.2, 0.3, (4.0, 5.0, 6.0))
    with ResultFolder(tmp_path / "out") as result:
        result.write_transform("T1w_to_FLAIR.tfm", transform)
    back = sitk.ReadTransform(str(tmp_path / "out" / "T1w_to_FLAIR.tfm"))
    assert back.TransformPoint((7.0, 8.0, 9.0)) == transform.TransformPoint((7.0, 8.0, 9.0))
