"""``mslesionseg import``: a public data set as downloaded, as annotated cases."""

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.cli import ProgressKind
from MSLesionSegLib.errors import StudyError


def import_cases(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="SET", help="open_ms_data, mslesseg, mendeley60, msseg2016, wmh2017 or isbi2015"),
    ],
    source: Annotated[Path, typer.Argument(help="folder of the set as downloaded and unpacked")],
    dataset: Annotated[Path, typer.Argument(help="a new or empty folder, or one that holds an import of the set")],
    key: Annotated[Path | None, typer.Option(help="write the set's own names of the ids to this file")] = None,
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """Copy a public data set into the layout of annotated cases. Voxels stay as they are."""
    from .importers.import_set import import_set

    context.obj.plan({"import": 1.0})
    context.obj.stage("import")
    done = import_set(name, source, dataset, context.obj, key)
    for sentence in done.left_out:
        context.obj.warn(f"Left out: {sentence}")
    if not done.cases:
        raise StudyError(f"No case of {source} could be imported.", "The warnings say why.")
    left = f", {len(done.left_out)} left out" if done.left_out else ""
    context.obj.result(
        {
            "folder": str(dataset),
            "cases": done.cases,
            "left_out": done.left_out,
            "message": f"{done.cases} cases lie in {dataset}{left}",
        }
    )
