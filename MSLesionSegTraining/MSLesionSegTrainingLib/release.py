"""From a finished run to a model bundle: weights, a threshold chosen on validation alone, a card with the figures."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from MSLesionSegLib.bundle import save_bundle
from MSLesionSegLib.bundle_schema import ModelDescription, TrainingRecord
from MSLesionSegLib.errors import UsageError
from MSLesionSegLib.normalise import NORMALISATION

from .case_loading import SPACING_MM
from .model_card import lesion_model_card
from .onnx_export import as_halves, export_onnx, half_precision
from .run import DATA_FILE
from .run_log import read_epochs
from .samplers import make_sampler
from .settings import TrainSettings
from .thresholds import best_threshold
from .train import load_result
from .validation import FLIP, SCORES_FILE, fullest_rows

MIN_LESION_MM3 = 3.0
MOST_SCORES = 256


def release_bundle(
    run: Path, out: Path, *, name: str, version: str, folds: list[Path], threshold: float | None = None
) -> Path:
    """Write a lesion bundle.

    Args:
        run: a run; the averaged weights of its best epoch are released.
        out: the bundle's folder; an earlier bundle there is replaced.
        name: of the model.
        version: of the model.
        folds: runs of the same recipe, each of which left a patient out: they choose the threshold and fill the card.
            Without any, the validation cases of the run itself do.
        threshold: probability from which a voxel is lesion; None chooses it by `best_threshold`.

    Returns:
        The bundle's folder.

    Raises:
        UsageError: a run lacks what is needed.
        OutputError: the bundle cannot be written.
    """
    settings = TrainSettings.load(run)
    data = read_run_file(run, DATA_FILE, "Give the --out of a `train` that began to train.")
    rows = validation_rows(folds or [run], optional=threshold is not None)
    if threshold is None:
        threshold, _ = best_threshold(fullest_rows(rows))
    network = half_precision(load_result(settings, run))
    trained = [case["flair_sha256"] for case in data["cases"] if case["part"] == "train"]
    model = ModelDescription(
        format_version=1,
        kind="lesion",
        name=name,
        version=version,
        architecture=settings.architecture,
        contrasts=["FLAIR", "T1w", "T2w"],
        spacing_mm=SPACING_MM,
        normalisation=NORMALISATION,
        threshold=threshold,
        min_lesion_mm3=MIN_LESION_MM3,
        patch=(settings.recipe.patch,) * 3,
        flip=FLIP,
        training=TrainingRecord(
            data=data["sources"],
            licence=data["licence"],
            case_hashes=sorted({*trained, *data["init_case_hashes"]}),
            recipe=_recipe(settings, run, folds),
        ),
        scores=[row for row in rows if row["threshold"] == threshold][:MOST_SCORES],
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    parameters = sum(value.numel() for value in network.parameters())
    card = lesion_model_card(model, rows, parameters, folds=bool(folds))
    onnx = export_onnx(network, len(model.contrasts))
    return save_bundle(out, model, as_halves(network.state_dict()), card, onnx=onnx, overwrite=True)


def _recipe(settings: TrainSettings, run: Path, folds: list[Path]) -> dict[str, Any]:
    """All choices of the run, the sampler's own, how far the run came, and the length of the folds."""
    epochs = read_epochs(run)
    sampler = make_sampler(settings.sampler, settings.recipe.patch)
    return {
        **asdict(settings),
        "sampler": {"name": settings.sampler, **asdict(sampler)},
        "steps": epochs[-1].step if epochs else 0,
        "fold_steps": [read_epochs(fold)[-1].step for fold in folds],
        "fold_inits": [TrainSettings.load(fold).init for fold in folds],
    }


def validation_rows(runs: list[Path], *, optional: bool = False) -> list[dict[str, Any]]:
    """The scores that runs left of the cases that validated (see ``final_scores``).

    Args:
        runs: finished runs.
        optional: a run without scores is left out instead of refused.

    Raises:
        UsageError: a run has none.
    """
    rows = []
    for run in runs:
        if optional and not (run / SCORES_FILE).exists():
            continue
        rows += read_run_file(run, SCORES_FILE, "Give runs that validate with --fold, or a --threshold of your own.")
    return rows


def read_run_file(run: Path, name: str, hint: str) -> Any:
    """The content of a JSON file of a run.

    Args:
        run: folder of the run.
        name: of the file.
        hint: what to do where the run has no such file.

    Raises:
        UsageError: there is none, or it is no JSON.
    """
    path = run / name
    if not path.exists():
        raise UsageError(f"{run} holds no {name}.", hint)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path} is no JSON.", "Run the training again.") from error
