"""A whole run: prepare the cases, train, score the validation cases."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

from lightning_fabric import Fabric

from MSLesionSegLib.errors import Cancelled, StudyError, UsageError
from MSLesionSegLib.protocol import Progress

from .painting import measure_levels
from .patches import PatchDataset
from .prepared_cache import PreparedCache
from .rehearsal import broader_levels, with_rehearsal
from .retrain_blend import keep_what_was_known
from .samplers import make_sampler
from .settings import TrainSettings
from .start_weights import Start, check_overlap
from .thresholds import best_figures
from .train import ENDLESS, train
from .training_set import PREPARED, TrainingSet, load_training_set
from .validation import final_scores, fullest_rows

DATA_FILE = "data.json"


def run_training(
    settings: TrainSettings,
    dataset: Path,
    run: Path,
    progress: Progress,
    fabric: Fabric,
    start: Start | None = None,
    resume: bool = False,
    cache: Path | None = None,
    force_overlap: bool = False,
) -> str:
    """Train on a data set and score the validation cases.

    Leaves in the folder of the run what ``train`` leaves, and ``data.json`` (cases, their hashes, sources),
    ``scores.json`` (where there are validation cases) and, where it rehearses, ``blend.json``.

    Args:
        settings: all choices.
        dataset: folder of annotated cases.
        run: folder of the run.
        progress: enters the stages prepare, train and score.
        fabric: of this process.
        start: bundle to start from.
        resume: go on from the checkpoint.
        cache: folder of prepared cases; None takes one inside the data set.
        force_overlap: see ``check_overlap``.

    Returns:
        A sentence for the user.

    Raises:
        MSLesionSegError: see ``load_training_set``, ``check_overlap`` and ``train``.
    """
    if not dataset.is_dir():
        raise StudyError(f"There is no folder {dataset}.", "Name the folder of a data set (docs/formats.md).")
    progress.plan({"prepare": 1.0, "train": 20.0, "score": 1.0})
    progress.stage("prepare", "preparing the cases")
    prepared = PreparedCache(cache or dataset / PREPARED)
    with fabric.rank_zero_first():
        data = load_training_set(dataset, prepared, settings.leave_out, progress)
        if settings.rehearsal:
            data = with_rehearsal(data, prepared, progress)
    if start is not None:
        settings = replace(settings, forced_overlap=check_overlap(start, data.records, forced=force_overlap))
    if fabric.is_global_zero:
        _keep_data(run, data, start, resume)
    levels = measure_levels(data.canvases)
    if settings.rehearsal:
        levels = broader_levels(levels)
    patches = PatchDataset(
        data.canvases,
        data.shapes,
        levels,
        settings.recipe,
        make_sampler(settings.sampler, settings.recipe.patch),
        settings.seed,
        ENDLESS if settings.steps is None else settings.steps * settings.batch,
    )
    progress.stage("train")
    network = train(
        settings,
        patches,
        data.validation,
        run,
        progress,
        start=start.network if start else None,
        resume=resume,
        fabric=fabric,
    )
    progress.stage("score")
    if not fabric.is_global_zero:
        return ""
    if settings.rehearsal and start is not None:
        real = [canvas for canvas in data.canvases if canvas.channels is not None]
        network = keep_what_was_known(start, network, real, data.validation, prepared, run, progress)
    if not data.validation:
        return f"No patient validates, so the weights of the last step were kept. The run lies in {run}"
    try:
        rows = fullest_rows(final_scores(network, data.validation, settings.recipe.patch, run, progress))
    except Cancelled as error:
        raise Cancelled("Cancelled after the last step; --resume scores the validation cases.") from error
    figures, count = best_figures(rows), len(data.validation)
    return (
        f"Dice {figures['dice']:.3f}, lesion F1 {figures['lesion_f1']:.3f} over {count} validation "
        f"case{'' if count == 1 else 's'} at threshold {figures['threshold']}. The run lies in {run}"
    )


def _keep_data(run: Path, data: TrainingSet, start: Start | None, resume: bool) -> None:
    """Write what is trained on, as ``release`` needs it; a resumed run must find what it began with."""
    path, cases = run / DATA_FILE, [asdict(record) for record in data.records]
    if resume and path.exists():
        if json.loads(path.read_text(encoding="utf-8"))["cases"] != cases:
            raise UsageError(f"The cases have changed since the run in {run} began.", "Start another run.")
        return
    values = {
        "cases": cases,
        "sources": data.sources,
        "licence": data.licence,
        "init_case_hashes": start.case_hashes if start else [],
    }
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(partial, path)
