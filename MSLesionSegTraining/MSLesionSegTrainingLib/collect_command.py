"""``mslesionseg collect``: the studies of any folder tree as a data set."""

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.cli import ProgressKind
from MSLesionSegLib.errors import StudyError, UsageError


def collect(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="folder that holds studies, in whatever order")],
    mapping: Annotated[
        Path, typer.Option(help="table (TSV) of its studies; a first one is written where none is, to be corrected")
    ],
    dataset: Annotated[
        Path | None, typer.Argument(help="a new or empty folder, or a data set; not needed for the table")
    ] = None,
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """Copy studies of NIfTI, NRRD or DICOM files into a data set in BIDS, as a table says."""
    from .collecting import collect as collect_studies
    from .studies import read_table, write_table
    from .study_guess import guess_studies

    if not mapping.exists():
        context.obj.plan({"look": 1.0})
        context.obj.stage("look", "for the studies")
        found = guess_studies(source, patients=True)
        write_table(mapping, source, found)
        context.obj.result(
            {
                "mapping": str(mapping),
                "cases": len(found),
                "message": f"{mapping} names {len(found)} studies. Look through it, correct it, and give the same "
                "command again with the folder of the data set.",
            }
        )
        return
    if dataset is None:
        raise UsageError("No data set is named.", "Name the folder that the studies are copied to.")
    context.obj.plan({"copy": 1.0})
    context.obj.stage("copy")
    done = collect_studies(read_table(mapping, source), source, dataset, context.obj)
    for sentence in done.left_out:
        context.obj.warn(f"Left out: {sentence}")
    if not done.cases:
        raise StudyError(f"No study of {source} could be copied.", "The warnings say why.")
    context.obj.result(
        {
            "folder": str(dataset),
            "cases": done.cases,
            "left_out": done.left_out,
            "message": f"{done.cases} studies lie in {dataset}"
            + (f", {len(done.left_out)} left out" if done.left_out else ""),
        }
    )
