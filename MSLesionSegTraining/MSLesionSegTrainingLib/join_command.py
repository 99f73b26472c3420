"""``mslesionseg models join``: several runs as one, by the mean of their probabilities or of their weights."""

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.cli import ProgressKind


def join(
    context: typer.Context,
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="folders of finished runs, two or more")],
    dataset: Annotated[Path, typer.Option(help="data set with the cases that validated in them")],
    out: Annotated[Path, typer.Option(help="folder of the joined run")],
    weights: Annotated[
        bool, typer.Option("--weights", help="average the weights, of runs that went on from each other")
    ] = False,
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """Join runs to one whose network averages their probabilities; it takes as many times as long.

    With --weights it is one network with the mean of their weights, which takes no longer than one; for runs that went
    on from each other (train --init).

    Release and calibrate the joined run as any other; join its folds in the same way.
    """
    from .joining import join_runs

    message = join_runs(runs, dataset, out, context.obj, weights=weights)
    context.obj.result({"folder": str(out), "message": message})
