"""``mslesionseg evaluate`` on folders of masks: pairing, grids, table, summary, figures and page."""

import csv
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import stats

from MSLesionSegLib.cli_runner import run
from MSLesionSegLib.location import Zone
from MSLesionSegTrainingLib.cli import build_app
from MSLesionSegTrainingLib.evaluation.cohort import PatientDraws, summarise
from MSLesionSegTrainingLib.evaluation.policy import Policy

REPOSITORY = Path(__file__).resolve().parents[2]
SHAPE = (10, 14, 16)
ORIGIN = (-8.0, 20.0, 4.0)


def mask(*corners, spacing=(1.0, 1.0, 3.0), shape=SHAPE, origin=ORIGIN) -> sitk.Image:
    array = np.zeros(shape, np.uint8)
    for corner in corners:
        array[corner] = 1
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    return image


LESION, NEXT = np.s_[4, 5, 5:8], np.s_[4, 5, 6:9]


def put(folder: Path, files: dict[str, sitk.Image]) -> Path:
    for name, image in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(image, str(folder / name))
    return folder


def evaluated(tmp_path: Path, *words: str, code: int = 0) -> tuple[list[dict[str, str]], dict]:
    """Rows of ``cases.csv`` and ``summary.json``."""
    out = tmp_path / "scores"
    folders = ("--pred", str(tmp_path / "pred"), "--truth", str(tmp_path / "truth"), "--out", str(out))
    assert run(build_app(), ["evaluate", *folders, "--progress", "none", *words]) == code
    if code:
        assert not out.exists()
        return [], {}
    rows = list(csv.DictReader((out / "cases.csv").open(encoding="utf-8")))
    return rows, json.loads((out / "summary.json").read_text("utf-8"))


def test_masks_are_paired_by_name_and_the_others_are_named(tmp_path, capsys):
    put(tmp_path / "pred", {"sub-01_ses-2_pred.nii.gz": mask(NEXT), "sub-03.nrrd": mask(LESION)})
    put(tmp_path / "truth", {"sub-01_ses-2_label-lesion_mask.nii.gz": mask(LESION), "sub-02_mask.nii.gz": mask(LESION)})
    rows, summary = evaluated(tmp_path)
    assert [(row["case"], row["patient"]) for row in rows] == [("sub-01_ses-2", "sub-01")]
    assert rows[0]["dice"] == "0.6667"
    assert rows[0]["load_ml"] == rows[0]["predicted_ml"] == "0.0090"  # three voxels of 3 mm3
    assert rows[0]["hd95_mm"] == "0.9000"  # distances 0, 0 and 1 mm in both directions
    assert (rows[0]["lesions"], rows[0]["overlap_f1"]) == ("1", "1.0000")
    assert rows[0]["specificity"] == rows[0]["ece"] == rows[0]["recall_periventricular"] == ""
    assert summary["unpaired"] == {"predicted_only": ["sub-03"], "annotated_only": ["sub-02"], "left_out": []}
    told = capsys.readouterr().err
    assert "there is no annotation: sub-03" in told and "there is no prediction: sub-02" in told
    assert summary["scores"]["dice"]["n"] == 1 and summary["scores"]["dice"]["mean_interval"] is None
    assert summary["policy"]["min_lesion_mm3"] == 3.0 and summary["policy"]["connectivity"] == 26


def test_what_another_command_left_in_the_folder_stays(tmp_path, capsys):
    put(tmp_path / "pred", {"sub-01.nii.gz": mask(NEXT)})
    put(tmp_path / "truth", {"sub-01.nii.gz": mask(LESION)})
    evaluated(tmp_path)
    evaluated(tmp_path)  # its own result is replaced
    out = tmp_path / "scores"
    record = json.loads((out / "provenance.json").read_text("utf-8"))
    assert record["command"] == "evaluate" and set(record["inputs"]["sub-01"]) == {"mask", "truth"}
    del record["command"]  # as `segment` leaves it
    (out / "provenance.json").write_text(json.dumps(record), "utf-8")
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    words = ["evaluate", "--pred", tmp_path / "pred", "--truth", tmp_path / "truth", "--out", out]
    assert run(build_app(), [*map(str, words), "--progress", "none"]) == 5
    assert capsys.readouterr().err.endswith(f"Error: {out} holds another result.\nName a new or an empty folder.\n")
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_results_of_segment_bring_the_locations_of_annotated_lesions(tmp_path):
    zones = sitk.GetArrayFromImage(mask())
    zones[:, :, 10:] = Zone.INFRATENTORIAL
    zones[4] = Zone.TOUCHES_VENTRICLE | Zone.NEAR_VENTRICLE
    image = sitk.GetImageFromArray(zones)
    image.CopyInformation(mask())
    missed, below, beside = np.s_[8, 1, 2:4], np.s_[1, 10, 12:15], np.s_[8, 9, 12:15]
    put(tmp_path / "pred", {"sub-01/lesion_mask.nii.gz": mask(NEXT, beside), "sub-01/location_zones.nii.gz": image})
    put(tmp_path / "truth", {"sub-01_mask.nii.gz": mask(LESION, missed, below, beside)})
    (row,), _ = evaluated(tmp_path)
    places = ("periventricular", "juxtacortical", "infratentorial", "deep_white_matter")
    assert [row[f"lesions_{place}"] for place in places] == ["1", "0", "2", "1"]
    assert [row[f"recall_{place}"] for place in places] == ["1.0000", "", "0.5000", "0.0000"]


def test_results_of_segment_bring_their_probabilities_and_brain_masks(tmp_path):
    half = sitk.Cast(mask(np.s_[:]), sitk.sitkFloat32) * 0.5
    brain = mask(np.s_[4, 5, 4:14])
    files = {"lesion_mask": mask(NEXT), "lesion_probability": half, "brain_mask": brain}
    put(tmp_path / "pred", {f"sub-01/{name}.nii.gz": image for name, image in files.items()})
    put(tmp_path / "truth", {"sub-01/anat/sub-01_label-lesion_mask.nii.gz": mask(LESION)})
    rows, summary = evaluated(tmp_path)
    assert (rows[0]["specificity"], rows[0]["accuracy"]) == ("0.857143", "0.800000")
    assert rows[0]["brier"] == "0.2500"
    assert (tmp_path / "scores" / "reliability.png").is_file()
    assert summary["calibration"]["cases"] == 1


def test_a_folder_of_brain_masks_can_be_given(tmp_path):
    put(tmp_path / "pred", {"sub-01.nii.gz": mask(NEXT)})
    put(tmp_path / "truth", {"sub-01.nii.gz": mask(LESION)})
    put(tmp_path / "brains", {"sub-01_brain_mask.nii.gz": mask(np.s_[4, 5, 4:14])})
    rows, _ = evaluated(tmp_path, "--brain", str(tmp_path / "brains"))
    assert rows[0]["accuracy"] == "0.800000"


def test_an_annotated_data_set_is_the_truth_on_the_grid_of_its_flair(tmp_path):
    put(tmp_path / "pred", {"sub-01.nii.gz": mask(LESION)})
    flair = sitk.Cast(mask(np.s_[2:8, 2:12, 2:14]), sitk.sitkFloat32)
    cropped = mask(LESION)[3:, :, :]  # another extent of the same lattice
    name = "derivatives/annotations/sub-01/anat/sub-01_label-lesion_mask.nii.gz"
    put(tmp_path / "truth", {"sub-01/anat/sub-01_FLAIR.nii.gz": flair, name: cropped})
    rows, _ = evaluated(tmp_path)
    assert (rows[0]["dice"], rows[0]["notes"]) == ("1.0000", "")


def test_a_prediction_on_a_finer_grid_is_resampled_and_this_is_said(tmp_path, capsys):
    fine = sitk.Resample(mask(LESION), (32, 28, 20), sitk.Transform(), sitk.sitkNearestNeighbor, (-8.25, 19.75, 3.25),
                         (0.5, 0.5, 1.5))  # fmt: skip
    put(tmp_path / "pred", {"sub-01.nii.gz": fine})
    put(tmp_path / "truth", {"sub-01.nii.gz": mask(LESION)})
    rows, summary = evaluated(tmp_path)
    assert rows[0]["dice"] == "1.0000"
    sentence = "mask resampled from 32 x 28 x 20 voxels of 0.5 x 0.5 x 1.5 mm to 16 x 14 x 10 voxels of 1 x 1 x 3 mm"
    assert summary["notes"] == {"sub-01": sentence}
    assert sentence in capsys.readouterr().err
    assert sentence in (tmp_path / "scores" / "evaluation.html").read_text("utf-8")


def test_another_physical_space_is_refused_with_the_file_named(tmp_path, capsys):
    put(tmp_path / "pred", {"sub-01.nii.gz": mask(LESION, origin=(120.0, 20.0, 4.0))})
    put(tmp_path / "truth", {"sub-01.nii.gz": mask(LESION)})
    evaluated(tmp_path, code=3)
    told = capsys.readouterr().err
    assert "pred/sub-01.nii.gz lies in another physical space than the annotation: 0 % of the field" in told


@pytest.mark.parametrize(
    ("pred", "truth", "told"),
    [
        ({}, {"sub-01.nii.gz": mask(LESION)}, "pred is no folder"),
        ({"sub-01.nii.gz": mask(LESION)}, {"sub-02.nii.gz": mask(LESION)}, "No case is in both"),
        ({"lesion_mask.nii.gz": mask(LESION)}, {"sub-01.nii.gz": mask(LESION)}, "is a single result"),
        ({"sub-01.nii.gz": mask(LESION) * 3}, {"sub-01.nii.gz": mask(LESION)}, "holds the values 3"),
        ({"sub-01_a.nii.gz": mask(), "sub-01_b.nii.gz": mask()}, {"sub-01.nii.gz": mask()}, "may be the mask of"),
        ({"sub-01_T1w.nii.gz": mask(LESION)}, {"sub-01.nii.gz": mask(LESION)}, "holds no lesion mask"),
    ],
)
def test_what_cannot_be_scored_is_told_in_a_sentence(tmp_path, capsys, pred, truth, told):
    put(tmp_path / "pred", pred)
    put(tmp_path / "truth", truth)
    evaluated(tmp_path, code=3)
    assert told in capsys.readouterr().err


def test_the_same_masks_give_the_same_bytes_and_the_page_holds_all_and_needs_nothing(tmp_path):
    cases = {f"sub-{n:02d}.nii.gz": mask(np.s_[2 : 2 + n, 5, 4 : 4 + 2 * n]) for n in range(1, 5)}
    put(tmp_path / "truth", cases)
    put(tmp_path / "pred", {**dict(list(cases.items())[1:]), "sub-01.nii.gz": mask()})
    evaluated(tmp_path)
    names = ("cases.csv", "summary.json", "evaluation.html", "dice_against_load.png", "volume_bland_altman.png")
    first = {name: (tmp_path / "scores" / name).read_bytes() for name in (*names, "recall_by_size.png")}
    evaluated(tmp_path)  # replaces its own earlier result
    assert {name: (tmp_path / "scores" / name).read_bytes() for name in first} == first
    html = first["evaluation.html"].decode("utf-8")
    assert "For research use only. Not for diagnosis." in html
    assert html.count("data:image/png;base64,") == 3
    assert re.findall(r"(?:src|href)=\"(?!data:)", html) == [] and "<script" not in html
    assert "width=device-width" in html
    assert "<td>voxel specificity in the brain</td><td>not computed</td>" in html  # no brain mask
    for sentence in Policy().sentences().values():
        assert sentence.replace("'", "&#x27;").replace("<", "&lt;").replace(">", "&gt;") in html


def test_a_mean_has_the_interval_that_scipy_gives_it():
    values = np.random.default_rng(3).beta(5, 2, 40)
    draws = PatientDraws.of([f"sub-{n}" for n in range(40)], Policy(), np.random.default_rng(0))
    ours = summarise(list(values), draws)
    options = {"n_resamples": 10_000, "method": "percentile", "rng": np.random.default_rng(1)}
    for name, statistic in (("mean", np.mean), ("median", np.median)):
        theirs = stats.bootstrap((values,), statistic, **options).confidence_interval
        assert ours[name] == pytest.approx(statistic(values))
        assert ours[f"{name}_interval"] == pytest.approx([theirs.low, theirs.high], abs=0.004)


def test_dates_of_a_patient_are_drawn_together():
    # two patients of ten equal dates each: a sample's mean is 0, 0.5 or 1, with 1/4, 1/2, 1/4
    draws = PatientDraws.of(["a"] * 10 + ["b"] * 10, Policy(), np.random.default_rng(0))
    done = summarise([0.0] * 10 + [1.0] * 10, draws)
    assert (done["mean"], done["mean_interval"], done["median_interval"]) == (0.5, [0.0, 1.0], [0.0, 1.0])
    assert (done["n"], done["patients"]) == (20, 2)


def test_a_case_without_a_value_is_left_out_of_the_mean_and_of_its_interval():
    draws = PatientDraws.of(["a", "b", "c"], Policy(), np.random.default_rng(0))
    done = summarise([2.0, None, 2.0], draws)
    assert (done["n"], done["mean"], done["mean_interval"], done["median_interval"]) == (2, 2.0, [2.0, 2.0], [2.0, 2.0])
    assert summarise([None, 1.0, None], draws)["mean_interval"] is None


@pytest.fixture(scope="module")
def consensus(data_dir, tmp_path_factory) -> Path:
    """The 29 consensus masks, cut to a box 4 voxels wider than the lesions: folder of ``sub-XX.nii.gz``."""
    folder = tmp_path_factory.mktemp("consensus")
    paths = sorted((data_dir / "cross-sectional/derivatives/consensus").glob("sub-*/anat/*_mask.nii.gz"))
    assert len(paths) == 29
    for path in paths:
        image = sitk.ReadImage(str(path))
        places = np.argwhere(sitk.GetArrayViewFromImage(image))[:, ::-1]
        low, high = (places.min(0) - 4).tolist(), (places.max(0) + 5).tolist()
        box = tuple(slice(start, stop) for start, stop in zip(low, high, strict=True))
        sitk.WriteImage(sitk.Cast(image[box], sitk.sitkUInt8), str(folder / f"{path.name[:6]}.nii.gz"))
    return folder


def changed(folder: Path, to: Path, change) -> None:
    """Each mask of a folder, (z, y, x), after ``change``."""
    to.mkdir()
    for path in folder.iterdir():
        image = sitk.ReadImage(str(path))
        made = sitk.GetImageFromArray(change(sitk.GetArrayFromImage(image)))
        made.CopyInformation(image)
        sitk.WriteImage(made, str(to / path.name))


def column(rows: list[dict[str, str]], name: str) -> list[float]:
    return [float(row[name]) for row in rows]


def shift(array: np.ndarray) -> np.ndarray:
    return np.roll(array, 1, axis=2)


def test_consensus_masks_against_themselves_agree_in_full(tmp_path, consensus):
    (tmp_path / "pred").symlink_to(consensus)
    (tmp_path / "truth").symlink_to(consensus)
    rows, summary = evaluated(tmp_path)
    assert len(rows) == 29
    ones = ("dice", "precision", "recall", "ndsc", "nsd")
    rules = [f"{rule}_{score}" for rule in ("overlap", "iou25", "msseg") for score in ("recall", "precision", "f1")]
    for name in (*ones, *rules):
        assert set(column(rows, name)) == {1.0}, name
        assert summary["scores"][name]["mean_interval"] == [1.0, 1.0]
    for name in ("volume_error_ml", "hd95_mm", "assd_mm", "missed", "false_positives", "false_positive_ml", "split"):
        assert set(column(rows, name)) == {0.0}, name
    assert [row["recall"] for row in summary["recall_by_size"]] == [1.0] * 4
    assert min(column(rows, "load_ml")) > 0.3 and max(column(rows, "load_ml")) < 53


def test_consensus_masks_shifted_by_one_voxel_and_swapped(tmp_path, consensus):
    changed(consensus, tmp_path / "shifted", shift)
    (tmp_path / "pred").symlink_to(tmp_path / "shifted")
    (tmp_path / "truth").symlink_to(consensus)
    rows, _ = evaluated(tmp_path)
    for row in rows:
        voxels = sitk.GetArrayFromImage(sitk.ReadImage(str(consensus / f"{row['case']}.nii.gz")))
        # a voxel stays marked if its neighbour was marked: equally many in both masks, so Dice = precision = recall
        kept = int((voxels[:, :, 1:] & voxels[:, :, :-1]).sum()) / int(voxels.sum())
        assert row["dice"] == row["precision"] == row["recall"] == f"{kept:.4f}"
        assert (row["volume_error_ml"], row["hd95_mm"], row["nsd"]) == ("0.0000", "1.0000", "1.0000")
        assert row["lesions"] == row["lesions_predicted"]
    for name in ("pred", "truth"):
        (tmp_path / name).unlink()
    (tmp_path / "pred").symlink_to(consensus)
    (tmp_path / "truth").symlink_to(tmp_path / "shifted")
    back, _ = evaluated(tmp_path)
    pairs = [("dice", "dice"), ("precision", "recall"), ("missed", "false_positives"), ("split", "merged")]
    pairs += [(f"{rule}_precision", f"{rule}_recall") for rule in ("overlap", "iou25", "msseg")]
    for one, other in (*pairs, *((b, a) for a, b in pairs)):
        assert column(rows, one) == column(back, other), one


def test_consensus_masks_halved_and_swapped_exchange_precision_and_recall(tmp_path, consensus):
    (tmp_path / "few").mkdir()
    for path in sorted(consensus.iterdir())[:8]:
        (tmp_path / "few" / path.name).symlink_to(path)

    def lower_half(array: np.ndarray) -> np.ndarray:
        array[array.shape[0] // 2 :] = 0
        return array

    changed(tmp_path / "few", tmp_path / "half", lower_half)
    rows = {}
    for pred, truth in (("half", "whole"), ("whole", "half")):
        for name, source in (("pred", pred), ("truth", truth)):
            (tmp_path / name).unlink(missing_ok=True)
            (tmp_path / name).symlink_to(tmp_path / {"whole": "few", "half": "half"}[source])
        rows[pred], _ = evaluated(tmp_path)
    assert set(column(rows["half"], "precision")) == {1.0} == set(column(rows["whole"], "recall"))
    assert column(rows["half"], "recall") == column(rows["whole"], "precision")
    assert column(rows["half"], "missed") == column(rows["whole"], "false_positives")
    assert column(rows["half"], "volume_error_ml") == [-error for error in column(rows["whole"], "volume_error_ml")]
    assert max(column(rows["half"], "recall")) < 1


def test_empty_predictions_find_nothing(tmp_path, consensus):
    changed(consensus, tmp_path / "pred", np.zeros_like)
    (tmp_path / "truth").symlink_to(consensus)
    rows, summary = evaluated(tmp_path)
    for name in ("dice", "recall", "precision", "ndsc", "nsd", "overlap_f1", "false_positives"):
        assert set(column(rows, name)) == {0.0}, name
    assert {(row["hd95_mm"], row["assd_mm"]) for row in rows} == {("", "")}
    assert summary["scores"]["hd95_mm"]["n"] == 0
    assert column(rows, "missed") == column(rows, "lesions")
    assert column(rows, "volume_error_ml") == [-load for load in column(rows, "load_ml")]


def test_every_command_of_the_page_on_evaluation_runs(tmp_path, monkeypatch):
    text = (REPOSITORY / "docs" / "evaluation.md").read_text("utf-8")
    blocks = "\n".join(re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    commands = [shlex.split(line)[1:] for line in blocks.splitlines() if line.startswith("mslesionseg ")]
    assert len(commands) >= 3
    put(tmp_path / "masks", {"sub-01.nii.gz": mask(NEXT), "sub-02.nii.gz": mask(LESION)})
    put(tmp_path / "results", {"sub-01/lesion_mask.nii.gz": mask(NEXT), "sub-01/brain_mask.nii.gz": mask(np.s_[2:8])})
    put(tmp_path / "annotated", {"sub-01.nii.gz": mask(LESION), "sub-02.nii.gz": mask(LESION)})
    put(tmp_path / "brains", {"sub-01_brain_mask.nii.gz": mask(np.s_[2:8])})
    flair = sitk.Cast(mask(np.s_[2:8]), sitk.sitkFloat32)
    name = "derivatives/annotations/sub-01/anat/sub-01_label-lesion_mask.nii.gz"
    put(tmp_path / "DATASET", {"sub-01/anat/sub-01_FLAIR.nii.gz": flair, name: mask(LESION)})
    monkeypatch.chdir(tmp_path)
    for words in commands:
        assert run(build_app(), words) == 0, words


def test_the_page_on_evaluation_explains_every_column():
    from MSLesionSegTrainingLib.evaluation.columns import columns

    text = (REPOSITORY / "docs" / "evaluation.md").read_text("utf-8")
    missing = [one.name for one in columns(Policy()) if f"`{one.name}`" not in text]
    assert missing == []
