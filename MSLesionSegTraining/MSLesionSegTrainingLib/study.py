"""The study: two networks, two samplers, one split, the same number of patches; a table of both effects."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from lightning_fabric import Fabric

from MSLesionSegLib.errors import Cancelled, StudyError
from MSLesionSegLib.protocol import Progress

from .evaluation.policy import Policy
from .prepared_cache import PreparedCache
from .study_data import StudyData, load_study_data
from .study_figures import CONVERGENCE_FILE, OVERFITTING_FILE, Curves, draw_convergence, draw_overfitting
from .study_overlays import draw_overlay
from .study_progress import PartProgress, StageClock
from .study_report import arm_titles, report
from .study_scoring import groups, read_facts, score_run, write_facts, write_test_set
from .study_settings import ARMS, StudyRun, StudySettings
from .study_split import study_patients
from .study_summary import Rows, collect, summarise_group
from .study_training import train_watched
from .study_watch import fixed_patches, read_watch
from .training_set import PREPARED, _described

REPORT_FILE, CASES_FILE, SUMMARY_FILE = "study.md", "cases.csv", "summary.json"
TRAINING_SHARE = 0.8
"""Of the time of one run; the rest is scoring."""
MOST_OVERLAYS = 6


def run_study(
    settings: StudySettings, dataset: Path, study: Path, progress: Progress, fabric: Fabric, cache: Path | None = None
) -> dict[str, Any]:
    """Train and score all arms, or those that are not finished yet, and write the report.

    Leaves ``study.json`` (settings, cases), ``split.tsv``, ``test/`` (masks and images of the test patients on the
    model grid), ``runs/`` (a run each: what ``train`` leaves, ``watch.csv``, predictions, an evaluation of each group),
    ``cases.csv``, ``summary.json``, curves, overlays and ``study.md``.

    Args:
        settings: all choices.
        dataset: folder of annotated cases, perhaps with shapes and tissue maps.
        study: folder of the study; one that was begun with the same settings and cases goes on.
        progress: enters the stages prepare, runs and report; may cancel.
        fabric: of this process, which must be the only one.
        cache: folder of prepared cases; None takes one inside the data set.

    Returns:
        What ``summary.json`` holds.

    Raises:
        MSLesionSegError: the data or the folder cannot be used, a run fails, or a cancel was asked for.
    """
    if not dataset.is_dir():
        raise StudyError(f"There is no folder {dataset}.", "Name the folder of a data set (docs/formats.md).")
    progress.stage("prepare", "preparing the cases")
    patients = study_patients(dataset, list(settings.test), settings.painted)
    data = load_study_data(patients, PreparedCache(cache or dataset / PREPARED), progress)
    settings.keep(study, data.cases)
    patients.write(study)
    write_test_set(study, data)
    progress.stage("runs")
    _do_runs(settings, data, study, progress, fabric)
    progress.stage("report", "writing the report")
    rows = collect(study, settings.runs)
    summary = _summary(settings, rows, study)
    _write_rows(study / CASES_FILE, rows)
    _write_text(study / SUMMARY_FILE, json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    curves = _curves(settings, study)
    draw_convergence(study / CONVERGENCE_FILE, curves)
    draw_overfitting(study / OVERFITTING_FILE, curves)
    overlays = _draw_overlays(settings, data, study, progress)
    licence = "; licence: ".join(_described(dataset))
    _write_text(study / REPORT_FILE, report(settings, patients, data.brains, summary, curves, overlays, licence))
    return summary


def _do_runs(settings: StudySettings, data: StudyData, study: Path, progress: Progress, fabric: Fabric) -> None:
    """Train and score what is not finished."""
    fixed = fixed_patches(data.seen, settings.patch), fixed_patches(data.unseen, settings.patch)
    runs = settings.runs
    finished = [read_facts(_folder(study, run)) is not None for run in runs]
    clock = StageClock(sum(finished) / len(runs))
    done = sum(finished)
    for run, is_finished in zip(runs, finished, strict=True):
        if is_finished:
            continue
        name = f"run {done + 1} of {len(runs)} ({run.arm.title}, seed {run.seed})"
        part = PartProgress(progress, done / len(runs), (done + 1) / len(runs), name, clock)
        try:
            _do_run(settings, run, data, fixed, study, part, fabric)
        except Cancelled as error:
            raise Cancelled(
                f"Cancelled in {name}; the same command goes on from there.", f"Finished runs stay in {study}."
            ) from error
        done += 1


def _do_run(
    settings: StudySettings,
    run: StudyRun,
    data: StudyData,
    fixed: tuple,
    study: Path,
    progress: PartProgress,
    fabric: Fabric,
) -> None:
    folder = _folder(study, run)
    training = progress.part(0.0, TRAINING_SHARE)
    network = train_watched(settings.training(run), data, fixed, folder, training, fabric)
    scoring = progress.part(TRAINING_SHARE, 1.0)
    facts = score_run(network, data, study, folder, settings.patch, scoring, fabric.device.type)
    last = read_watch(folder)[-1]
    write_facts(folder, {**facts, "patches": last.patches, "seconds": last.seconds})


def _folder(study: Path, run: StudyRun) -> Path:
    return study / "runs" / run.name


def _summary(settings: StudySettings, rows: Rows, study: Path) -> dict[str, Any]:
    policy = Policy()
    names = dict.fromkeys(row["group"] for row in rows)
    return {
        "groups": {name: summarise_group([row for row in rows if row["group"] == name], policy) for name in names},
        "runs": {run.name: read_facts(_folder(study, run)) for run in settings.runs},
        "policy": policy.settings(),
    }


def _curves(settings: StudySettings, study: Path) -> Curves:
    return {arm: [read_watch(_folder(study, run)) for run in settings.runs if run.arm == arm] for arm in ARMS}


def _draw_overlays(settings: StudySettings, data: StudyData, study: Path, progress: Progress) -> dict[str, str]:
    """A picture of the first test patients of each group, by the runs with seed 0: file -> what it shows."""
    shown: dict[str, str] = {}
    titles = arm_titles(ARMS)
    for group, canvases in groups(data).items():
        for canvas in canvases[:MOST_OVERLAYS]:
            progress.check()
            found = {
                title: _mask(_folder(study, StudyRun(arm, 0)) / "predicted" / group, canvas.name)
                for title, arm in zip(titles, ARMS, strict=True)
            }
            file = f"overlay_{group}_{canvas.name}.png"
            text = f"{canvas.name} ({group})"
            flair = canvas.channels[0].float().numpy()
            draw_overlay(study / file, flair, canvas.lesion[0].numpy() > 0, found, text)
            shown[file] = text
    return shown


def _mask(folder: Path, case: str) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"{case}_label-lesion_mask.nii.gz"))) > 0


def _write_rows(path: Path, rows: Rows) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(partial, path)


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8", newline="\n")
    os.replace(partial, path)
