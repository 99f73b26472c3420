"""From finished runs to a bundle: weights of one run, threshold and figures from those that left a patient out."""

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

from .case_hash import voxel_sha256
from .model_card import lesion_model_card
from .onnx_export import as_halves, export_onnx, half_precision
from .open_ms_data import SPACING_MM, flair_image, labelled_patients
from .settings import TrainSettings
from .train import load_average

MIN_LESION_MM3 = 3.0
LOWEST_THRESHOLD, HIGHEST_THRESHOLD = 0.3, 0.7
LEAST_LOAD_ML = 5.0
LICENCE = "CC BY (data: Laboratory of Imaging Technologies, University of Ljubljana); weights under Apache-2.0"
DATA = [
    "open_ms_data, cross-sectional: Lesjak et al., Neuroinformatics 2017, doi 10.1007/s12021-017-9348-7, CC BY: "
    "images and consensus masks of 2 patients, consensus masks of 27 others (shapes painted), tissue maps of 8"
]


def release_bundle(run: Path, data: Path, out: Path, *, name: str, version: str, folds: list[Path]) -> Path:
    """Write a lesion bundle.

    The threshold is chosen by `choose_threshold`.

    Args:
        run: a finished run; its averaged weights are released.
        data: what it was trained on, for the hashes of its cases.
        out: the bundle's folder; an earlier bundle there is replaced.
        name: of the model.
        version: of the model.
        folds: runs with ``scores.json``, each on another left-out patient.

    Returns:
        The bundle's folder.

    Raises:
        UsageError: a run lacks what is needed.
        OutputError: the bundle cannot be written.
    """
    settings = _settings(run)
    rows = [row for fold in folds for row in _scores(fold)]
    threshold = choose_threshold(rows, flip=False)
    kept = [row for row in rows if row["threshold"] == threshold]
    network = half_precision(load_average(settings, run))
    patients = [patient for patient in labelled_patients(data) if patient != settings.leave_out]
    recipe = {**asdict(settings), "fold_steps": [_settings(fold).steps for fold in folds]}
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
        flip=False,
        training=TrainingRecord(
            data=DATA,
            licence=LICENCE,
            case_hashes=[voxel_sha256(flair_image(data, patient)) for patient in patients],
            recipe=recipe,
        ),
        scores=kept,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    parameters = sum(value.numel() for value in network.parameters())
    card = lesion_model_card(model, rows, parameters)
    onnx = export_onnx(network, len(model.contrasts))
    return save_bundle(out, model, as_halves(network.state_dict()), card, onnx=onnx, overwrite=True)


def choose_threshold(rows: list[dict[str, Any]], *, flip: bool) -> float:
    """The threshold with the highest sum of Dice and lesion F1 over the left-out patients, all contrasts given.

    The Dice of a patient with less than 5 mL of lesions swings with a few voxels and does not count. Only thresholds
    from 0.3 to 0.7 are candidates: a few patients do not support an extreme one, and the released network, trained on
    more than those of the folds, is surer of itself.
    """
    sums: dict[float, float] = {}
    for row in rows:
        candidate = LOWEST_THRESHOLD <= row["threshold"] <= HIGHEST_THRESHOLD
        if candidate and row["contrasts"] == "FLAIR+T1w+T2w" and row["flip"] == flip:
            dice = row["dice"] if row["truth_ml"] >= LEAST_LOAD_ML else 0.0
            sums[row["threshold"]] = sums.get(row["threshold"], 0.0) + dice + row["lesion_f1"]
    return max(sums, key=lambda threshold: sums[threshold])


def _settings(run: Path) -> TrainSettings:
    if not (run / "settings.json").exists():
        raise UsageError(f"{run} is no training run: it holds no settings.json.", "Give the --out folder of `train`.")
    return TrainSettings.load(run / "settings.json")


def _scores(run: Path) -> list[dict[str, Any]]:
    if not (run / "scores.json").exists():
        raise UsageError(f"{run} holds no scores.json.", "Give runs that were trained with --leave-out to the end.")
    return json.loads((run / "scores.json").read_text(encoding="utf-8"))
