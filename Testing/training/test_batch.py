"""``mslesionseg batch``: every case is tried and none stops the others; nothing is done twice or left half-written."""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from cohort import make_cohort, tiny_model, write_flair

from MSLesionSegLib.provenance import file_sha256

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = os.pathsep.join(str(REPOSITORY / module) for module in ("MSLesionSeg", "MSLesionSegTraining"))
ENVIRONMENT = {**os.environ, "PYTHONPATH": MODULES, "OMP_WAIT_POLICY": "PASSIVE"}
WAIT_S = 400


def start(*words) -> subprocess.Popen:
    program = [sys.executable, "-m", "MSLesionSegTrainingLib", "batch", *map(str, words), "--progress", "json"]
    return subprocess.Popen(
        program,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        start_new_session=True,
    )


def end(process: subprocess.Popen) -> dict:
    """The last line that a batch prints."""
    out, _ = process.communicate(timeout=WAIT_S)
    return json.loads(out.splitlines()[-1])


def rows(out: Path) -> dict[str, dict[str, str]]:
    with (out / "cohort.csv").open(newline="", encoding="utf-8") as stream:
        return {row["case"]: row for row in csv.DictReader(stream)}


def hidden(out: Path) -> list[str]:
    return [path.name for path in out.iterdir() if path.name.startswith(".")]


def segmenting(process: subprocess.Popen, out: Path, case: str = "*") -> psutil.Process:
    """The worker that is in the middle of a case, as soon as there is one."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        for partial in out.glob(f".{case}.partial-*"):
            with contextlib.suppress(psutil.NoSuchProcess):  # what a killed one left
                return psutil.Process(int(partial.name.rpartition("-")[2]))
        assert process.poll() is None
        time.sleep(0.02)
    raise AssertionError("no case was begun")


def kill(worker: psutil.Process) -> None:
    worker.kill()
    worker.wait(timeout=WAIT_S)


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> list:
    """The options that make a case take seconds: a small untrained model of 5 mm voxels."""
    model = tiny_model(tmp_path_factory.mktemp("model") / "tiny-1.0")
    return ["--model", model, "--workers", 1, "--threads", 1, "--device", "cpu", "--runtime", "torch"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, words) -> tuple[Path, Path, dict]:
    """A data set of two good and three broken studies, the folder of the batch, and its last line."""
    folder = tmp_path_factory.mktemp("cohort")
    root = make_cohort(folder / "set", 2)
    return root, folder / "out", end(start(root, folder / "out", *words))


def test_broken_studies_stand_in_the_table_with_their_sentence_and_stop_nothing(finished):
    root, out, last = finished
    assert {name: last["result"][name] for name in ("done", "kept", "failed", "cases")} == {
        "done": 2,
        "kept": 0,
        "failed": 3,
        "cases": 5,
    }
    table = rows(out)
    assert [row["state"] for row in table.values()] == ["done", "done", "failed", "failed", "failed"]
    assert table["sub-03"]["message"].endswith("sub-03_FLAIR.nii.gz is damaged: its voxels are truncated or altered.")
    assert "covers 50 x 60 x 44 mm, and a head needs" in table["sub-04"]["message"]
    assert table["sub-05"]["message"] == f"{root / 'sub-05' / 'anat'} holds no FLAIR."
    assert table["sub-01"]["model"] == "tiny"
    assert hidden(out) == []
    assert sorted(path.name for path in out.iterdir()) == [
        *("cohort.csv", "progress.jsonl", "quality.html", "sub-01", "sub-02"),
    ]
    page = (out / "quality.html").read_text("utf-8")
    assert page.count('src="sub-') == 2 and 'src="sub-01/overview.png"' in page
    assert "2 done, 3 failed, 0 waiting" in page and "is damaged" in page
    told = [json.loads(line) for line in (out / "progress.jsonl").read_text("utf-8").splitlines()]
    assert {line["case"] for line in told if line.get("state") == "done"} == {"sub-01", "sub-02"}


def test_the_same_command_does_nothing_twice_and_a_new_threshold_runs_no_network(finished, words):
    root, out, _ = finished
    before = {path: path.read_bytes() for path in out.glob("sub-*/*")}
    write_flair(root / "sub-05" / "anat" / "sub-05_FLAIR.nii.gz", 5)  # a colleague adds what was missing
    again = end(start(root, out, *words))["result"]
    assert (again["done"], again["kept"], again["failed"]) == (1, 2, 2)
    assert {path: path.read_bytes() for path in before} == before
    other = end(start(root, out, *words, "--threshold", "0.9"))["result"]
    assert (other["done"], other["kept"], other["failed"]) == (3, 0, 2)
    provenance = json.loads((out / "sub-01" / "provenance.json").read_text("utf-8"))
    assert [step["command"] for step in provenance["history"]] == ["segment", "rethreshold"]
    assert rows(out)["sub-01"]["threshold"] == "0.9"


def test_killed_workers_killed_programs_and_a_cancel_break_nothing(tmp_path, words):
    root, out = make_cohort(tmp_path / "set", 2, broken=False), tmp_path / "out"

    first = start(root, out, *words)
    kill(segmenting(first, out))
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline and not (out / "sub-01").exists() and not (out / "sub-02").exists():
        time.sleep(0.05)
    segmenting(first, out)
    family = psutil.Process(first.pid).children(recursive=True)
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=WAIT_S)
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive
    (survivor,) = out.glob("sub-*")
    outputs = json.loads((survivor / "provenance.json").read_text("utf-8"))["outputs"]
    assert {name: file_sha256(survivor / name) for name in outputs} == outputs

    second = start(root, out, *words)
    segmenting(second, out)
    os.killpg(second.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
    assert end(second)["error"]["message"] == "Cancelled; 1 of 2 cases are finished and stay."
    assert second.returncode == 130
    assert hidden(out) == []
    assert [row["state"] for row in rows(out).values()].count("waiting") == 1

    last = end(start(root, out, *words))["result"]
    assert (last["done"], last["kept"], last["failed"]) == (1, 1, 0)
    assert hidden(out) == []


def test_a_case_that_ends_two_processes_fails_and_the_others_are_done(tmp_path, words):
    root, out = make_cohort(tmp_path / "set", 2, broken=False), tmp_path / "out"
    process = start(root, out, *words)
    for _ in range(2):
        kill(segmenting(process, out, "sub-01"))
    last = end(process)["result"]
    assert (last["done"] + last["kept"], last["failed"]) == (1, 1)  # kept: the killed process had not yet told of it
    failed = rows(out)["sub-01"]
    assert failed["message"] == "Each process that worked on this case was ended from outside."
    assert failed["hint"] == "Most often the memory did not suffice; try it with fewer --workers."
    assert rows(out)["sub-02"]["state"] == "done"
    assert hidden(out) == []


def test_the_local_cluster_listens_on_the_loopback_interface_only(tmp_path, words):
    root, out = make_cohort(tmp_path / "set", 1, broken=False), tmp_path / "out"
    process = start(root, out, *words)
    segmenting(process, out)
    main = psutil.Process(process.pid)
    listening = [
        connection.laddr.ip
        for one in (main, *main.children(recursive=True))
        for connection in one.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert end(process)["result"]["done"] == 1
    assert listening and set(listening) == {"127.0.0.1"}


def test_a_scheduler_that_runs_already_is_used(tmp_path, words):
    root, out = make_cohort(tmp_path / "set", 1, broken=False), tmp_path / "out"
    place = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    scheduler = subprocess.Popen([*dask, "--no-dashboard", "--scheduler-file", place], env=ENVIRONMENT)
    try:
        deadline = time.monotonic() + WAIT_S
        while not place.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        address = json.loads(place.read_text())["address"]
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
        working = subprocess.Popen([*worker, "--local-directory", tmp_path / "scratch"], env=ENVIRONMENT)
        try:
            last = end(start(root, out, *words, "--scheduler", address))
        finally:
            working.terminate()
            working.wait()
    finally:
        scheduler.terminate()
        scheduler.wait()
    assert last["result"]["done"] == 1
    assert rows(out)["sub-01"]["state"] == "done"


def test_a_scheduler_that_does_not_answer_is_told_before_anything_is_done(tmp_path, words):
    root = make_cohort(tmp_path / "set", 1, broken=False)
    told = end(start(root, tmp_path / "out", *words, "--scheduler", "nonsense://127.0.0.1:1"))["error"]
    assert told["message"] == "No Dask scheduler answers at nonsense://127.0.0.1:1."
    assert told["kind"] == "usage"


def test_a_model_of_another_normalisation_is_told_before_anything_is_done(tmp_path):
    root, model = make_cohort(tmp_path / "set", 1, broken=False), tiny_model(tmp_path / "tiny-1.0", "min-max-1")
    told = end(start(root, tmp_path / "out", "--model", model, "--device", "cpu"))["error"]
    assert told["kind"] == "model"
    assert told["message"] == (
        f"The model {model} was trained on intensities normalised by 'min-max-1', "
        "and this program only knows 'brain-biweight-3'."
    )
    assert not (tmp_path / "out/cohort.csv").exists()


def test_results_are_not_written_among_the_images(tmp_path, words):
    root = make_cohort(tmp_path / "set", 1, broken=False)
    before = sorted(root.rglob("*"))
    told = end(start(root, root / "sub-01" / "..", *words))["error"]
    assert told["kind"] == "usage" and "is the data set itself" in told["message"]
    assert sorted(root.rglob("*")) == before


def test_a_folder_that_is_not_bids_is_segmented_by_a_table_that_a_person_corrects(tmp_path, words):
    root, out, table = tmp_path / "tree", tmp_path / "out", tmp_path / "studies.tsv"
    write_flair(root / "Miller" / "brain FLAIR.nii.gz", 1)
    write_flair(root / "Smith" / "t2 dark fluid.nii.gz", 2)
    write_flair(root / "Smith" / "lesion_mask.nii.gz", 3)
    asked = end(start(root, out, *words))["error"]
    assert "give --mapping FILE" in asked["hint"]
    first = end(start(root, out, *words, "--mapping", table))["result"]
    assert first["cases"] == 2 and not out.exists()
    lines = table.read_text("utf-8").splitlines()
    assert [line.split("\t")[:3] for line in lines] == [
        ["case", "FLAIR", "T1w"],
        ["case-001", "Miller/brain FLAIR.nii.gz", ""],
        ["case-002", "Smith/t2 dark fluid.nii.gz", ""],
    ]
    table.write_text("\n".join([lines[0], lines[2].replace("case-002", "second")]) + "\n", "utf-8")
    assert end(start(root, out, *words, "--mapping", table))["result"]["done"] == 1
    assert list(rows(out)) == ["second"]
