"""A public set in the folder shape that its source documents becomes a data set of annotated cases, voxel by voxel."""

import gzip
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MSLesionSegLib.cli_runner import run
from MSLesionSegLib.errors import OutputError, StudyError, UsageError
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegTrainingLib.cases import index_cases
from MSLesionSegTrainingLib.cli import build_app
from MSLesionSegTrainingLib.importers.import_set import import_set

SHAPE = (6, 9, 8)


def image(seed: int, spacing=(1.0, 1.0, 3.0)) -> sitk.Image:
    made = sitk.GetImageFromArray(np.random.default_rng(seed).integers(0, 900, SHAPE).astype(np.int16))
    made.SetSpacing(spacing)
    made.SetOrigin((-4.0, 5.5, 7.25))
    return made


def mask(*values: int) -> sitk.Image:
    array = np.zeros(SHAPE, np.float32)
    for number, value in enumerate(values):
        array[2, 3, number] = value
    made = sitk.GetImageFromArray(array)
    made.CopyInformation(image(0))
    return made


def put(root: Path, files: dict[str, sitk.Image]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(content, str(root / name))
    return root


def voxels(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def imported(name: str, source: Path, tmp_path: Path, **options):
    """The data set and its cases: name -> (contrasts, voxels of the lesion)."""
    dataset = tmp_path / "set"
    done = import_set(name, source, dataset, SilentProgress(), **options)
    cases, problems = index_cases(dataset)
    assert problems == [] and done.cases == len(cases)
    return dataset, {
        case.name: ("+".join(case.images), int(voxels(case.mask).sum()) if case.mask else None) for case in cases
    }


MNI = "{}_N4_noneck_reduced_winsor_regtoFLAIR_brain_N4_regtoMNI.nii.gz"
MNI_MASK = "GOLD_STANDARD_N4_noneck_reduced_winsor_regtoFLAIR_regtoMNI.nii.gz"


def test_open_ms_data_of_the_repository_keeps_its_numbers_and_the_masks_without_images(tmp_path):
    source = put(
        tmp_path / "open_ms_data",
        {
            **{f"cross_sectional/MNI/patient07/{MNI.format(c)}": image(n) for n, c in enumerate(("FLAIR", "T1", "T2"))},
            f"cross_sectional/MNI/patient07/{MNI.format('T1POST')}": image(9),
            f"cross_sectional/MNI/patient07/{MNI_MASK}": mask(1, 1),
            f"cross_sectional/MNI/patient12/{MNI_MASK}": mask(1),
        },
    )
    dataset, cases = imported("open_ms_data", source, tmp_path)
    assert cases == {"sub-07": ("FLAIR+T1w+T2w", 2)}
    assert np.array_equal(voxels(dataset / "sub-07/anat/sub-07_T2w.nii.gz"), sitk.GetArrayFromImage(image(2)))
    shape = dataset / "derivatives/shapes/sub-12/anat/sub-12_space-MNI_label-lesion_mask.nii.gz"
    assert voxels(shape).sum() == 1
    assert json.loads((dataset / "dataset_description.json").read_text())["License"] == "CC BY"
    assert "Lesjak et al." in (dataset / "README").read_text()
    sidecar = dataset / "derivatives/annotations/sub-07/anat/sub-07_label-lesion_mask.json"
    values = json.loads(sidecar.read_text())
    assert values["Annotator"] == "imported: open_ms_data" and values["Time"].endswith("+00:00")


def test_open_ms_data_as_the_scanner_gave_it(tmp_path):
    names = ("FLAIR", "T1W", "T1WKS", "T2W")
    source = put(
        tmp_path / "raw",
        {
            **{f"patient02/{name}.nii.gz": image(number) for number, name in enumerate(names)},
            "patient02/patient02_consensus_gt.nii.gz": mask(1),
        },
    )
    assert imported("open_ms_data", source, tmp_path)[1] == {"sub-02": ("FLAIR+T1w+T2w", 1)}


def test_open_ms_data_under_bids_names_brings_shapes_and_tissue_maps_under_the_same_ids(tmp_path):
    kinds = ("dseg", "desc-brain_mask", "label-lesion_mask")
    consensus = "cross-sectional/derivatives/consensus/sub-{0}/anat/sub-{0}_space-MNI_label-lesion_mask.nii.gz"
    tissue = "cross-sectional/derivatives/tissue/sub-07/anat/sub-07_space-orig_{}.nii.gz"
    source = put(
        tmp_path / "data",
        {
            "cross-sectional/sub-07/anat/sub-07_space-MNI_FLAIR.nii.gz": image(1),
            consensus.format("07"): mask(1),
            consensus.format("01"): mask(1, 1, 1),
            **{tissue.format(kind): mask(number) for number, kind in enumerate(kinds)},
        },
    )
    dataset, cases = imported("open_ms_data", source, tmp_path)
    assert cases == {"sub-07": ("FLAIR", 1)}
    assert sorted(path.name for path in (dataset / "derivatives/tissue/sub-07/anat").glob("*.nii.gz")) == [
        "sub-07_desc-brain_mask.nii.gz",
        "sub-07_dseg.nii.gz",
        "sub-07_label-lesion_mask.nii.gz",
    ]
    assert [path.name for path in (dataset / "derivatives/shapes").iterdir()] == ["sub-01"]


def test_mslesseg_has_dates_in_train_and_none_in_test(tmp_path):
    kinds = {"FLAIR": image(1), "T1": image(2), "T2": image(3), "MASK": mask(1)}
    files = {f"train/P2/T{date}/P2_T{date}_{kind}.nii.gz": made for date in (1, 2) for kind, made in kinds.items()}
    files |= {f"train/P10/T1/P10_T1_{kind}.nii.gz": made for kind, made in kinds.items()}
    files |= {f"test/P54/P54_{kind}.nii.gz": made for kind, made in kinds.items()}
    dataset, cases = imported("mslesseg", put(tmp_path / "MSLesSeg Dataset", files), tmp_path, key=tmp_path / "key.tsv")
    whole = ("FLAIR+T1w+T2w", 1)
    assert cases == dict.fromkeys(("sub-01_ses-1", "sub-01_ses-2", "sub-02_ses-1", "sub-03"), whole)
    assert np.array_equal(
        voxels(dataset / "sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz"), sitk.GetArrayFromImage(image(2))
    )
    assert (tmp_path / "key.tsv").read_text().splitlines() == [
        "participant_id\tsession_id\toriginal\toriginal_date",
        "sub-01\tses-1\tP2\tT1",
        "sub-01\tses-2\tP2\tT2",
        "sub-02\tses-1\tP10\tT1",
        "sub-03\tn/a\tP54\tn/a",
    ]


def test_mendeley60_takes_the_mask_of_the_flair_and_leaves_the_grids_as_they_are(tmp_path):
    other = image(2, (0.5, 0.5, 5.0))
    files = {"Patient-1/1-Flair.nii": image(1), "Patient-1/1-T1.nii": other, "Patient-1/1-T2.nii": image(3)}
    files |= {f"Patient-1/1-LesionSeg-{kind}.nii": mask(*values) for kind, values in (("Flair", (1, 1)), ("T1", (1,)))}
    dataset, cases = imported("mendeley60", put(tmp_path / "mendeley", files), tmp_path)
    assert cases == {"sub-01": ("FLAIR+T1w+T2w", 2)}
    copied = sitk.ReadImage(str(dataset / "sub-01/anat/sub-01_T1w.nii.gz"))
    assert copied.GetSpacing() == (0.5, 0.5, 5.0)
    assert np.array_equal(sitk.GetArrayFromImage(copied), sitk.GetArrayFromImage(other))


def test_msseg2016(tmp_path):
    place = "training/Center_01/Patient_08"
    files = {
        f"{place}/Preprocessed_Data/{kind}_preprocessed.nii.gz": image(number)
        for number, kind in enumerate(("DP", "FLAIR", "GADO", "T1", "T2"))
    }
    files[f"{place}/Masks/Consensus.nii.gz"] = mask(1, 1)
    dataset, cases = imported("msseg2016", put(tmp_path / "msseg", files), tmp_path)
    assert cases == {"sub-01": ("FLAIR+T1w+T2w", 2)}
    assert np.array_equal(voxels(dataset / "sub-01/anat/sub-01_T1w.nii.gz"), sitk.GetArrayFromImage(image(3)))


def test_wmh2017_does_not_take_other_pathology_for_a_lesion(tmp_path):
    files = {}
    for place in ("training/Utrecht/0", "training/Amsterdam/GE3T/100"):
        files |= {f"{place}/{kind}/{name}.nii.gz": image(1) for kind in ("orig", "pre") for name in ("FLAIR", "T1")}
        files |= {f"{place}/orig/3DT1.nii.gz": image(5), f"{place}/wmh.nii.gz": mask(1, 2, 2, 1)}
    _, cases = imported("wmh2017", put(tmp_path / "wmh", files), tmp_path)
    assert cases == {"sub-01": ("FLAIR+T1w", 2), "sub-02": ("FLAIR+T1w", 2)}


def test_isbi2015_takes_the_first_rater(tmp_path):
    files = {}
    for date in ("01", "02"):
        stem = f"training01_{date}"
        files |= {
            f"training/training01/preprocessed/{stem}_{kind}_pp.nii": image(number)
            for number, kind in enumerate(("flair", "mprage", "pd", "t2"))
        }
        files |= {f"training/training01/masks/{stem}_mask{rater}.nii": mask(*[1] * rater) for rater in (1, 2)}
    _, cases = imported("isbi2015", put(tmp_path / "isbi", files), tmp_path)
    assert cases == {"sub-01_ses-1": ("FLAIR+T1w+T2w", 1), "sub-01_ses-2": ("FLAIR+T1w+T2w", 1)}


def mendeley(root: Path, patients: int) -> Path:
    for number in range(1, patients + 1):
        put(
            root / f"Patient-{number}", {f"{number}-Flair.nii": image(number), f"{number}-LesionSeg-Flair.nii": mask(1)}
        )
    return root


def test_an_import_goes_on_where_it_stopped_and_mends_a_case_without_its_mask(tmp_path):
    source, dataset = mendeley(tmp_path / "source", 3), tmp_path / "set"
    import_set("mendeley60", mendeley(tmp_path / "first", 1), dataset, SilentProgress())
    flair = dataset / "sub-01/anat/sub-01_FLAIR.nii.gz"
    written = flair.stat().st_mtime_ns
    assert import_set("mendeley60", source, dataset, SilentProgress()).cases == 3
    assert flair.stat().st_mtime_ns == written
    (dataset / "derivatives/annotations/sub-02/anat").rename(tmp_path / "away")
    import_set("mendeley60", source, dataset, SilentProgress())
    assert (dataset / "derivatives/annotations/sub-02/anat/sub-02_label-lesion_mask.nii.gz").is_file()
    assert list(dataset.glob(".partial*")) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_imports_killed_at_random_moments_leave_whole_cases_and_the_next_one_finishes(tmp_path):
    source, dataset = mendeley(tmp_path / "source", 60), tmp_path / "set"
    import_set("mendeley60", source, tmp_path / "whole", SilentProgress())
    words = ["import", "mendeley60", str(source), str(dataset), "--progress", "json"]
    cut, chance = 0, random.Random(0)
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-m", "MSLesionSegTrainingLib", *words], stdout=subprocess.PIPE, text=True
        )
        for line in process.stdout:
            if "import" in line:
                break
        time.sleep(chance.uniform(0.0, 0.1))
        process.kill()
        process.communicate()
        cut += process.returncode == -9
        cases, problems = index_cases(dataset) if list(dataset.glob("sub-*")) else ([], [])
        assert [problem for problem in problems if "mask" not in str(problem)] == []
        assert len(cases) <= 60
    assert cut > 0
    (dataset / ".partial-of-one-killed-in-the-middle-of-a-case/images").mkdir(parents=True)
    assert import_set("mendeley60", source, dataset, SilentProgress()).cases == 60
    ours, whole = (
        {file.relative_to(root): file.read_bytes() for file in root.rglob("*.nii.gz")}
        for root in (dataset, tmp_path / "whole")
    )
    assert ours == whole and len(ours) == 120
    assert list(dataset.glob(".partial*")) == []


def test_a_case_that_cannot_be_used_is_left_out_whole_and_told(tmp_path, capsys):
    source = mendeley(tmp_path / "source", 3)
    put(source, {"Patient-2/2-LesionSeg-Flair.nii": mask(1, 7)})
    (source / "Patient-3/3-LesionSeg-Flair.nii").write_bytes(b"no image")
    assert run(build_app(), ["import", "mendeley60", str(source), str(tmp_path / "set")]) == 0
    shown = capsys.readouterr()
    bad = source / "Patient-2/2-LesionSeg-Flair.nii"
    assert f"Left out: sub-02: The mask {bad} holds the values 7 beside 0 and 1." in shown.err
    assert "Left out: sub-03: " in shown.err
    assert shown.out == f"1 cases lie in {tmp_path / 'set'}, 2 left out\n"
    assert sorted(path.name for path in (tmp_path / "set").glob("sub-*")) == ["sub-01"]


def test_a_header_without_orientation_is_copied_as_it_is(tmp_path):
    source = mendeley(tmp_path / "source", 1) / "Patient-1"
    for name in ("1-Flair.nii", "1-LesionSeg-Flair.nii"):
        content = bytearray((source / name).read_bytes())
        content[252:256] = bytes(4)  # qform_code and sform_code
        (source / name).write_bytes(content)
    dataset, cases = imported("mendeley60", source.parent, tmp_path)
    assert cases == {"sub-01": ("FLAIR", 1)}
    copied = gzip.decompress((dataset / "sub-01/anat/sub-01_FLAIR.nii.gz").read_bytes())
    assert copied == (source / "1-Flair.nii").read_bytes()


def test_a_source_that_is_damaged_by_the_next_run_is_told(tmp_path):
    files = {f"Patient-1/1-{name}.nii.gz": made for name, made in (("Flair", image(1)), ("LesionSeg-Flair", mask(1)))}
    source = put(tmp_path / "source", files)
    imported("mendeley60", source, tmp_path)
    damaged = source / "Patient-1/1-Flair.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:300])
    done = import_set("mendeley60", source, tmp_path / "set", SilentProgress())
    assert done.left_out == [f"sub-01: {damaged} is damaged: it cannot be unpacked."]


def test_what_cannot_be_imported_is_a_sentence(tmp_path):
    source, dataset = mendeley(tmp_path / "source", 2), tmp_path / "set"
    for name in ("open_ms_data", "mslesseg", "mendeley60", "msseg2016", "wmh2017", "isbi2015"):
        with pytest.raises(StudyError, match=r" holds no "):
            import_set(name, tmp_path / "nothing", dataset, SilentProgress())
    with pytest.raises(UsageError, match="The set brats is not known"):
        import_set("brats", source, dataset, SilentProgress())
    with pytest.raises(UsageError, match="would lie inside the data set"):
        import_set("mendeley60", source, dataset, SilentProgress(), key=dataset / "key.tsv")
    import_set("mendeley60", source, dataset, SilentProgress())
    put(source, {"Patient-1/1-Flair.nii": image(77)})
    with pytest.raises(OutputError, match="is another image than"):
        import_set("mendeley60", source, dataset, SilentProgress())
    with pytest.raises(OutputError, match="holds other files"):
        import_set("mendeley60", source, source, SilentProgress())
