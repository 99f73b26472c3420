"""A cohort on two cores: two processes of one thread beside one process of two, three broken studies among them."""

import csv
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import SimpleITK as sitk

from MSLesionSegLib.phantom import make_phantom
from MSLesionSegLib.study import CONTRASTS

from .rows import Row

STUDIES, BROKEN = 20, 3


def batch() -> list[Row]:
    """Twenty synthetic studies, three of them broken on purpose."""
    return [measure(STUDIES, BROKEN)]


def measure(studies: int, broken: int) -> Row:
    """Time of a cohort shared out both ways.

    Args:
        studies: in the data set.
        broken: of these, at the end: a cut file, a constant image, a folder without FLAIR, and so on in turn.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "set")
        for number in range(1, studies + 1):
            _add_study(root, number, number - studies + broken - 1)
        two_by_one, table = _run(root, Path(folder, "two"), workers=2, threads=1)
        one_by_two, same = _run(root, Path(folder, "one"), workers=1, threads=2)
    failed = {case: row["message"] for case, row in table.items() if row["state"] == "failed"}
    if len(failed) != broken or {case for case, row in same.items() if row["state"] == "failed"} != set(failed):
        raise SystemExit(f"{broken} studies are broken, and {len(failed)} failed: {failed}")
    good = studies - broken
    return Row(
        "batch",
        "cohort, two processes of one thread; peer: one of two threads",
        round(two_by_one, 1),
        "s",
        f"{good} phantoms of three series and {broken} broken studies",
        peer=round(one_by_two, 1),
        details={"s_per_study": round(two_by_one / good, 1), "failed": failed},
    )


def _add_study(root: Path, number: int, broken: int) -> None:
    """A phantom; with ``broken`` 0, 1, 2, ... one way of breaking it after the other."""
    name = f"sub-{number:02d}"
    anat = root / name / "anat"
    with tempfile.TemporaryDirectory() as folder:
        make_phantom(Path(folder, "phantom"), seed=number)
        anat.mkdir(parents=True)
        for contrast in CONTRASTS:
            shutil.move(Path(folder, "phantom", f"{contrast}.nii.gz"), anat / f"{name}_{contrast}.nii.gz")
    flair = anat / f"{name}_FLAIR.nii.gz"
    if broken < 0:
        return
    if broken % 3 == 0:
        flair.write_bytes(flair.read_bytes()[: flair.stat().st_size // 2])
    elif broken % 3 == 1:
        sitk.WriteImage(sitk.ReadImage(str(flair)) * 0, str(flair))
    else:
        flair.unlink()


def _run(root: Path, out: Path, *, workers: int, threads: int) -> tuple[float, dict[str, dict[str, str]]]:
    """Seconds of the whole command, and the rows of its table."""
    program = [sys.executable, "-m", "MSLesionSegTrainingLib", "batch", str(root), str(out), "--device", "cpu"]
    began = time.perf_counter()
    done = subprocess.run(
        [*program, "--workers", str(workers), "--threads", str(threads), "--progress", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(json.loads(done.stdout.splitlines()[-1])["error"]["message"])
    with (out / "cohort.csv").open(newline="", encoding="utf-8") as stream:
        table = {
            row["case"]: {**row, "message": row["message"].replace(f"{root}/", "")} for row in csv.DictReader(stream)
        }
    return seconds, table
