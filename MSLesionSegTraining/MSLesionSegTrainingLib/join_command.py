"""``mslesionseg models join``: runs that were trained apart as one, which averages their probabilities."""

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.cli import ProgressKind


def join(
    context: typer.Context,
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="folders of finished runs, two or more")],
    dataset: Annotated[Path, typer.Option(help="data set with the cases that validated in them")],
    out: Annotated[Path, typer.Option(help="folder of the joined run")],
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """Join runs to one whose network averages their probabilities; it takes as many times as long.

    Release and calibrate the joined run as any other; join its folds in the same way.
    """
    from .joining import join_runs

    message = join_runs(runs, dataset, out, context.obj)
    context.obj.result({"folder": str(out), "message": message})
