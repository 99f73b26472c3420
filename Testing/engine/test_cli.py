"""The command line as a user meets it: fresh processes, real files, the sentences on the screen."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MSLesionSegLib.bundle import load_bundle, save_bundle
from MSLesionSegLib.grid import same_grid
from MSLesionSegLib.model_store import default_model
from MSLesionSegLib.report import write_report
from MSLesionSegLib.rethreshold import rethreshold

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHONPATH = os.pathsep.join(str(REPOSITORY / module) for module in ("MSLesionSeg", "MSLesionSegTraining"))
RESULT_FILES = {
    "FLAIR.nii.gz",
    "T1w.nii.gz",
    "T1w_to_FLAIR.tfm",
    "T2w.nii.gz",
    "T2w_to_FLAIR.tfm",
    "brain_mask.nii.gz",
    "lesion_mask.nii.gz",
    "lesion_probability.nii.gz",
    "lesions.csv",
    "location.csv",
    "location_zones.nii.gz",
    "overview.png",
    "provenance.json",
    "second_probability.nii.gz",
}


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": PYTHONPATH, **changes}


def mslesionseg(*words: object, module: str = "MSLesionSegTrainingLib", **changes: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, words)],
        capture_output=True,
        encoding="utf-8",
        env=environment(**changes),
        timeout=900,
    )


def study_words(study: Path) -> list[object]:
    return ["--flair", study / "FLAIR.nii.gz", "--t1", study / "T1w.nii.gz", "--t2", study / "T2w.nii.gz"]


@pytest.fixture(scope="module")
def finished(phantom_study, tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    """A result of the phantom, and what the command said with ``--progress json``."""
    out = tmp_path_factory.mktemp("segment") / "result"
    done = mslesionseg("segment", *study_words(phantom_study), "--out", out, "--progress", "json", "--device", "cpu")
    assert done.returncode == 0, done.stdout + done.stderr
    return out, done


@pytest.fixture
def result(finished, tmp_path) -> Path:
    """A copy of the result that a test may change."""
    shutil.copytree(finished[0], tmp_path / "result")
    return tmp_path / "result"


def test_segment_writes_exactly_the_promised_files(finished):
    assert {file.name for file in finished[0].iterdir()} == RESULT_FILES
    assert [file.name for file in finished[0].parent.iterdir()] == ["result"]


@pytest.mark.parametrize("name", ["lesion_mask", "lesion_probability", "brain_mask", "FLAIR"])
def test_the_result_lies_on_the_flairs_own_grid(finished, phantom_study, name):
    flair = sitk.ReadImage(str(phantom_study / "FLAIR.nii.gz"))
    assert same_grid(sitk.ReadImage(str(finished[0] / f"{name}.nii.gz")), flair, tolerance=1e-5)


def test_the_series_are_kept_as_they_were_read(finished, phantom_study):
    for name in ("FLAIR", "T1w", "T2w"):
        kept, given = (sitk.ReadImage(str(folder / f"{name}.nii.gz")) for folder in (finished[0], phantom_study))
        assert np.array_equal(sitk.GetArrayViewFromImage(kept), sitk.GetArrayViewFromImage(given))
        assert same_grid(kept, given, tolerance=1e-5)


@pytest.mark.parametrize("name", ["T1w", "T2w"])
def test_the_transform_brings_the_series_onto_the_flair(finished, phantom_study, name):
    brain = sitk.ReadImage(str(phantom_study / "brain_truth.nii.gz"))
    found, true = (sitk.ReadTransform(str(folder / f"{name}_to_FLAIR.tfm")) for folder in (finished[0], phantom_study))
    voxels = np.argwhere(sitk.GetArrayViewFromImage(brain))[::5000, ::-1]
    points = [brain.TransformIndexToPhysicalPoint(voxel.tolist()) for voxel in voxels]
    apart = [np.subtract(found.TransformPoint(point), true.TransformPoint(point)) for point in points]
    assert np.mean(np.linalg.norm(apart, axis=1)) < 0.5


def test_mask_table_and_provenance_tell_the_same(finished):
    mask = sitk.ReadImage(str(finished[0] / "lesion_mask.nii.gz"))
    rows = list(csv.DictReader(line for line in (finished[0] / "lesions.csv").open() if not line.startswith("#")))
    provenance = json.loads((finished[0] / "provenance.json").read_text("utf-8"))
    components = sitk.GetArrayFromImage(sitk.ConnectedComponent(mask, True)).max()
    assert len(rows) == components == provenance["summary"]["lesion_count"]
    volume = sitk.GetArrayViewFromImage(mask).sum() * np.prod(mask.GetSpacing()) / 1000
    assert provenance["summary"]["lesion_volume_ml"] == pytest.approx(volume, abs=1e-3)
    assert provenance["contrasts"] == ["FLAIR", "T1w", "T2w"]
    shipped = load_bundle(default_model("lesion"))
    assert provenance["models"]["lesion"] == {
        "name": shipped.model.name,
        "version": shipped.model.version,
        "sha256": shipped.sha256,
    }


def test_lesions_are_found_and_lie_in_the_brain(finished, phantom_study):
    mask, probability, brain = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(finished[0] / f"{name}.nii.gz"))).astype(float)
        for name in ("lesion_mask", "lesion_probability", "brain_mask")
    )
    truth = sitk.GetArrayFromImage(sitk.ReadImage(str(phantom_study / "lesions_truth.nii.gz")))
    assert mask[truth == 1].mean() > 20 * mask[truth == 0].mean()
    assert probability[brain == 0].max() == 0
    assert probability.min() >= 0 and probability.max() <= 1


def test_json_progress_is_one_object_a_line_and_ends_with_the_result(finished):
    out, done = finished
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    steps = [line for line in lines if "stage" in line]
    fractions = [step["fraction"] for step in steps]
    assert fractions == sorted(fractions) and fractions[0] == 0.0
    stages = list(dict.fromkeys(step["stage"] for step in steps))
    assert stages == ["read", "register", "brain", "bias", "resample", "network", "confidence", "lesions", "write"]
    assert len({step["fraction"] for step in steps if step["stage"] == "network"}) > 5
    payload = lines[-1]["result"]
    assert payload["folder"] == str(out)
    assert payload["message"].endswith(f"mL, on FLAIR + T1w + T2w. The result lies in {out}")


def test_two_processes_in_two_folders_give_the_same_bytes(finished, phantom_study, tmp_path):
    out = tmp_path / "elsewhere" / "other result"
    done = mslesionseg("segment", *study_words(phantom_study), "--out", out, "--progress", "none", "--device", "cpu")
    assert (done.returncode, done.stdout) == (0, "")
    for name in RESULT_FILES - {"provenance.json"}:
        assert (out / name).read_bytes() == (finished[0] / name).read_bytes(), name
    one, two = (json.loads((folder / "provenance.json").read_text("utf-8")) for folder in (finished[0], out))
    assert one.pop("run") != two.pop("run")
    assert one == two


def test_small_lesions_are_listed_only_where_they_reach_the_bar(finished):
    told = json.loads((finished[0] / "provenance.json").read_text("utf-8"))["held_back"]
    assert told.pop("count") >= 0
    assert told == {"below_mm3": 10.0, "below_probability": 0.9, "threshold": 0.5}
    mask, image = (sitk.ReadImage(str(finished[0] / f"lesion_{name}.nii.gz")) for name in ("mask", "probability"))
    labels, probability = sitk.ConnectedComponent(mask, True), sitk.GetArrayFromImage(image)
    numbers, volume = sitk.GetArrayFromImage(labels), np.prod(mask.GetSpacing())
    for number in range(1, numbers.max() + 1):
        inside = numbers == number
        assert inside.sum() * volume >= 10.0 or probability[inside].max() >= 0.9


def test_the_report_names_the_bar_for_small_lesions_where_it_holds(finished, result, tmp_path):
    held = json.loads((finished[0] / "provenance.json").read_text("utf-8"))["held_back"]
    write_report(finished[0], tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert f"at least 3 mm3; below 10 mm3 from 0.9 ({held['count']} held back)" in page
    write_report(finished[0], tmp_path / "readers", mask=finished[0] / "lesion_mask.nii.gz")
    rethreshold(result, 0.4)
    write_report(result, tmp_path / "lower")
    for other in ("readers", "lower"):
        assert "held back" not in (tmp_path / other / "report.html").read_text("utf-8")


def test_flair_alone_is_enough_and_an_earlier_result_is_replaced_whole(result, phantom_study):
    done = mslesionseg("segment", "--flair", phantom_study / "FLAIR.nii.gz", "--out", result, module="MSLesionSegLib")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"mL, on FLAIR. The result lies in {result}\n")
    assert {file.name for file in result.iterdir()} == {name for name in RESULT_FILES if not name.startswith("T")}


def test_rethreshold_changes_the_mask_and_says_where_it_lies(result):
    before = sitk.GetArrayFromImage(sitk.ReadImage(str(result / "lesion_mask.nii.gz")))
    done = mslesionseg("rethreshold", result, "--threshold", "0.9", "--min-volume", "40")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"mL, on FLAIR + T1w + T2w. The result lies in {result}\n")
    after = sitk.GetArrayFromImage(sitk.ReadImage(str(result / "lesion_mask.nii.gz")))
    assert after.sum() < before.sum() and not (after > before).any()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            ["segment", "--out", "RESULT"],
            2,
            "Error: Missing option '--flair'.\n'mslesionseg segment --help' lists what can be given.\n",
        ),
        (
            ["segment", "--flair", "STUDY/FLAIR.nii.gz", "--out", "RESULT", "--threshold", "1.5"],
            2,
            "Error: The threshold must be above 0 and at most 1, not 1.5.\nA usual value lies between 0.3 and 0.7.\n",
        ),
        (
            ["segment", "--flair", "STUDY/FLAIR.nii.gz", "--out", "RESULT", "--min-volume", "-1"],
            2,
            "Error: The minimum lesion size must be 0 mm3 or more, not -1.\nThe usual value is 3.\n",
        ),
        (
            ["segment", "--flair", "STUDY/FLAIR.nii.gz", "--out", "RESULT", "--model", "no-such-model"],
            4,
            "Error: There is no lesion model 'no-such-model'.\nKnown models: ",
        ),
        (
            ["segment", "--flair", "STUDY/FLAIR.nii.gz", "--out", "STUDY/FLAIR.nii.gz"],
            5,
            "Error: STUDY/FLAIR.nii.gz is a file, not a folder.\nName a new or an empty folder.\n",
        ),
        (
            ["segment", "--flair", "STUDY/FLAIR.nii.gz", "--out", "STUDY"],
            5,
            "Error: STUDY holds files that are not a result of this program, such as FLAIR.nii.gz.\n"
            "Name a new or an empty folder.\n",
        ),
        (
            ["segment", "--flair", "STUDY/FLAIR.nii.gz", "--out", "RESULT", "--device", "cuda"],
            6,
            "Error: The GPU cannot be used: ",
        ),
        (["rethreshold", "STUDY"], 2, "Error: Nothing to change was given.\nGive --threshold, --min-volume or both.\n"),
        (["rethreshold", "RESULT", "--threshold", "0.4"], 2, "Error: RESULT holds no result of `segment`.\n"),
        (["frobnicate"], 2, "Error: No such command 'frobnicate'.\n'mslesionseg --help' lists what can be given.\n"),
        (["models", "verify", "no-such-model"], 4, "Error: There is no lesion model 'no-such-model'.\nKnown models: "),
        (["models", "remove", "no-such-model"], 4, "Error: There is no model 'no-such-model'.\nKnown models: "),
        (["phantom", "STUDY/FLAIR.nii.gz"], 5, "Error: STUDY/FLAIR.nii.gz is a file, not a folder.\n"),
    ],
)
def test_a_mistake_is_answered_with_one_sentence_and_nothing_is_written(phantom_study, tmp_path, words, code, said):
    places = {"STUDY": str(phantom_study), "RESULT": str(tmp_path / "result")}

    def placed(text: str) -> str:
        for word, place in places.items():
            text = text.replace(word, place)
        return text

    done = mslesionseg(*map(placed, words), CUDA_VISIBLE_DEVICES="")
    stages = [line for line in done.stderr.splitlines(keepends=True) if not line.startswith("Error")]
    shown = done.stderr[done.stderr.find("Error") :]
    assert shown.startswith(placed(said)), done.stderr
    assert len(shown.splitlines()) <= 2 and "Traceback" not in "".join(stages)
    assert (done.returncode, done.stdout) == (code, "")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there_is_named(tmp_path):
    done = mslesionseg("segment", "--flair", tmp_path / "gone.nii.gz", "--out", tmp_path / "result")
    assert done.returncode == 3
    assert str(tmp_path / "gone.nii.gz") in done.stderr.splitlines()[-2]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
@pytest.mark.parametrize("stage", ["register", "network"])
def test_a_cancel_leaves_nothing_and_an_earlier_result_stays(result, phantom_study, stage):
    before = {file.name: file.read_bytes() for file in result.iterdir()}
    words = ["segment", *study_words(phantom_study), "--out", result, "--progress", "json", "--device", "cpu"]
    run = subprocess.Popen(
        [sys.executable, "-m", "MSLesionSegLib", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=environment(),
    )
    for line in run.stdout:
        if json.loads(line).get("stage") == stage:
            break
    run.send_signal(signal.SIGTERM)
    rest = run.communicate(timeout=120)[0].splitlines()
    assert json.loads(rest[-1]) == {
        "error": {"kind": "cancelled", "message": "Cancelled; nothing was written.", "hint": ""}
    }
    assert run.returncode == 130
    assert {file.name: file.read_bytes() for file in result.iterdir()} == before
    assert [file.name for file in result.parent.iterdir()] == ["result"]


def test_models_are_listed_added_verified_described_and_removed(tmp_path):
    shipped = load_bundle(default_model("lesion"))
    mine = shipped.model.model_copy(update={"name": "mine", "version": "7.1"})
    save_bundle(tmp_path / "bundle", mine, shipped.load_network().state_dict(), "# Mine\n")
    store = {"MSLESIONSEG_MODELS": str(tmp_path / "store")}

    added = mslesionseg("models", "add", tmp_path / "bundle", **store)
    assert added.stdout == f"Added the lesion model mine-7.1 in {tmp_path / 'store' / 'mine-7.1'}\n"
    rows = [line.split() for line in mslesionseg("models", "list", **store).stdout.splitlines()]
    assert rows[0] == ["NAME", "VERSION", "KIND", "ORIGIN", "FOLDER"]
    assert ["mine", "7.1", "lesion", "added", str(tmp_path / "store" / "mine-7.1")] in rows
    assert [shipped.model.name, shipped.model.version, "lesion", "shipped", str(shipped.path)] in rows

    verified = mslesionseg("models", "verify", "mine", **store)
    assert verified.stdout == f"{tmp_path / 'store' / 'mine-7.1'} is whole and undamaged.\n"
    described = mslesionseg("models", "info", "mine", **store).stdout.splitlines()
    assert "name: mine" in described and "version: 7.1" in described and "contrasts: FLAIR, T1w, T2w" in described

    weights = tmp_path / "store" / "mine-7.1" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    damaged = mslesionseg("models", "verify", "mine", **store)
    assert damaged.returncode == 4
    assert damaged.stderr.startswith("Error: ") and "weights.safetensors" in damaged.stderr

    removed = mslesionseg("models", "remove", "mine", **store)
    assert removed.stdout == f"Removed the lesion model mine-7.1 from {tmp_path / 'store'}\n"
    assert "mine" not in mslesionseg("models", "list", **store).stdout.split()
    shipped_one = mslesionseg("models", "remove", shipped.model.name, **store)
    assert shipped_one.returncode == 4
    assert "came with the program and is not removed" in shipped_one.stderr


@pytest.mark.parametrize("module", ["MSLesionSegLib", "MSLesionSegTrainingLib"])
def test_help_lists_the_commands_and_imports_nothing_slow(module):
    shown = mslesionseg("--help", module=module)
    assert shown.returncode == 0
    for command in ("segment", "rethreshold", "models", "phantom"):
        assert f"\n  {command} " in shown.stdout
    text = f"import sys; from {module}.cli import build_app; from MSLesionSegLib.cli_runner import run\n"
    text += (
        "run(build_app(), ['--help']); print(*{'torch', 'numpy', 'SimpleITK', 'pydantic', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, encoding="utf-8", env=environment())
    assert done.stdout.splitlines()[-1] == ""


def test_a_missing_torch_is_told_with_what_to_install(phantom_study, tmp_path):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n")
    done = subprocess.run(
        [sys.executable, "-m", "MSLesionSegLib", "segment", "--flair", phantom_study / "FLAIR.nii.gz"]
        + ["--out", tmp_path / "result"],
        capture_output=True,
        encoding="utf-8",
        env=environment(PYTHONPATH=os.pathsep.join([str(tmp_path), PYTHONPATH])),
    )
    assert done.returncode == 7
    assert "torch" in done.stderr.lower() and "install" in done.stderr.lower()
    assert not (tmp_path / "result").exists()
