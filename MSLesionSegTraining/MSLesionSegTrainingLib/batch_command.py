"""``mslesionseg batch``: a whole cohort, on this machine or on a Dask cluster."""

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.cli import Device, ProgressKind, Runtime
from MSLesionSegLib.errors import StudyError, UsageError


def batch(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="BIDS_DIR", help="data set in BIDS, or any folder with --mapping")],
    out: Annotated[Path, typer.Argument(help="folder for the results; a batch that was stopped goes on")],
    mapping: Annotated[
        Path | None,
        typer.Option(
            help="table (TSV) of the studies of a folder that is not BIDS; a first one is written where none is"
        ),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="of a Dask scheduler [default: processes on this machine]")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="processes on this machine [default: as cores and memory allow]")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="of each process [default: the cores divided by the processes]")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="name of a model, or path of a bundle [default: the shipped]")
    ] = None,
    device: Annotated[Device, typer.Option(help="where the network runs")] = Device.auto,
    runtime: Annotated[Runtime, typer.Option(help="what runs the network")] = Runtime.auto,
    threshold: Annotated[
        float | None, typer.Option(help="probability from which a voxel is lesion [default: the model's]")
    ] = None,
    min_volume: Annotated[
        float | None, typer.Option(metavar="MM3", help="smallest lesion in mm3 [default: the model's]")
    ] = None,
    registered: Annotated[bool, typer.Option("--registered", help="T1w and T2w already lie on their FLAIR")] = False,
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """Find the lesions of every study of a data set.

    A case that fails stands with its sentence in cohort.csv and stops no other; finished cases are not done twice.
    """
    from .checkpoint import one_at_a_time
    from .followed import followed
    from .studies import bids_studies, read_table, write_table
    from .study_guess import guess_studies

    if out.resolve() == folder.resolve():
        raise UsageError(
            f"{out} is the data set itself.", f"Name a folder of its own, such as {out / 'derivatives/presegmented'}."
        )
    context.obj.plan({"look": 1.0, "segment": 99.0})
    context.obj.stage("look", "for the studies")
    if mapping is not None and not mapping.exists():
        found = guess_studies(folder)
        write_table(mapping, folder, found)
        context.obj.result(
            {
                "mapping": str(mapping),
                "cases": len(found),
                "message": f"{mapping} names {len(found)} studies. Look through it, correct it, and give the same "
                "command again.",
            }
        )
        return
    studies = bids_studies(folder) if mapping is None else read_table(mapping, folder)
    if not studies:
        raise StudyError(
            f"{folder} holds no sub-*/anat with images.",
            "For a folder that is not BIDS, give --mapping FILE: a table of its studies is written there first.",
        )
    from .batch.run_batch import BatchSettings, run_batch

    settings = BatchSettings(
        model=model,
        device=device.value,
        runtime=runtime.value,
        threshold=threshold,
        min_lesion_mm3=min_volume,
        registered=registered,
        scheduler=scheduler,
        workers=workers,
        threads=threads,
    )
    with one_at_a_time(out), followed(context.obj, out) as told:
        told.outlive_reader()
        told.stage("segment")
        counts = run_batch(studies, folder, out, settings, told)
        kept = f", {counts['kept']} were finished before" if counts["kept"] else ""
        failed = f", {counts['failed']} failed" if counts["failed"] else ""
        told.result(
            {
                "folder": str(out),
                **counts,
                "message": f"{counts['done']} of {counts['cases']} cases were segmented{kept}{failed}; "
                f"see {out / 'cohort.csv'} and {out / 'quality.html'}",
            }
        )
