"""A bundle written anew with its calibration: same weights, another version, the card with what was measured."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from MSLesionSegLib.bundle import load_bundle, save_bundle
from MSLesionSegLib.bundle_files import ONNX, WEIGHTS
from MSLesionSegLib.errors import UsageError
from MSLesionSegLib.protocol import Progress

from .calibration import calibrate
from .calibration_cases import calibration_case, left_out_cases
from .model_card import lesion_model_card
from .release import validation_rows


def calibrate_bundle(
    model: Path, dataset: Path, folds: list[Path], out: Path, *, version: str, progress: Progress
) -> Path:
    """Calibrate a bundle on the patients that runs of its recipe left out.

    Args:
        model: folder of a lesion bundle.
        dataset: data set of the runs.
        folds: the runs, each with cases that validated.
        out: folder of the new bundle; an earlier bundle there is replaced.
        version: of the new bundle.
        progress: hears of each pass of a network; may cancel.

    Returns:
        The new bundle's folder.

    Raises:
        UsageError: a run fits neither the bundle nor the data set, or nothing can be fitted.
        ModelError: ``model`` is no lesion bundle.
        OutputError: ``out`` cannot be written.
    """
    from safetensors.torch import load_file

    bundle = load_bundle(model, kind="lesion")
    progress.plan({"prepare": 1.0, **{f"predict {fold.name}": 10.0 for fold in folds}, "fit": 1.0})
    progress.stage("prepare")
    canvases = {fold: left_out_cases(fold, dataset, progress) for fold in folds}
    names = [canvas.name for found in canvases.values() for canvas in found]
    if len(set(names)) < len(names):
        raise UsageError("A case validated in two of the runs.", "Give runs that left different patients out.")
    cases = []
    for fold, found in canvases.items():
        progress.stage(f"predict {fold.name}")
        cases += [calibration_case(fold, canvas, bundle.model, progress) for canvas in found]
    progress.stage("fit")
    described = bundle.model.model_copy(
        update={
            "version": version,
            "calibration": calibrate(cases),
            "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )
    weights = load_file(bundle.folder / WEIGHTS)
    parameters = sum(value.numel() for name, value in bundle.load_network().named_parameters())
    is_fold = bool(bundle.model.training.recipe.get("fold_steps"))
    card = lesion_model_card(described, validation_rows(folds), parameters, folds=is_fold)
    onnx = bundle.folder / ONNX
    return save_bundle(
        out, described, weights, card, onnx=onnx.read_bytes() if onnx.is_file() else None, overwrite=True
    )
