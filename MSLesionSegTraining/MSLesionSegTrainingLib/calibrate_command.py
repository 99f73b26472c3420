"""``mslesionseg models calibrate``: a model learns how sure it may be, from patients that were left out."""

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.cli import ProgressKind


def calibrate(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="BUNDLE", help="folder of a lesion bundle")],
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="the data set of the runs")],
    fold: Annotated[list[Path], typer.Option(help="run of the same recipe that left a patient out; give each once")],
    version: Annotated[str, typer.Option(help="version of the calibrated model")],
    out: Annotated[Path, typer.Option(help="folder of the calibrated bundle")],
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """Write a bundle anew with the confidence of lesions fitted on patients that were left out.

    The weights, the threshold and so every mask stay as they are.
    """
    from .calibrate_bundle import calibrate_bundle
    from .release_command import check_name

    check_name("calibrated", version)
    folder = calibrate_bundle(model, dataset, fold, out, version=version, progress=context.obj)
    context.obj.result({"folder": str(folder), "message": f"The calibrated bundle lies in {folder}"})
