"""``mslesionseg example``: a small data set of synthetic studies to try training on."""

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.cli import ProgressKind


def example(
    context: typer.Context,
    dataset: Annotated[Path, typer.Argument(help="a new or empty folder, or one that holds such a data set")],
    cases: Annotated[int, typer.Option(min=2, max=99, help="number of synthetic patients")] = 4,
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """Make a data set of synthetic, annotated studies to try training on.

    They look little like patients: what is learnt from them shows that training works, and nothing else.
    """
    from .example_set import make_example_set

    context.obj.plan({"example": 1.0})
    context.obj.stage("example")
    make_example_set(dataset, cases, context.obj)
    context.obj.result(
        {"folder": str(dataset), "cases": cases, "message": f"{cases} synthetic annotated cases lie in {dataset}"}
    )
