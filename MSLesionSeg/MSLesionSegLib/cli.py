"""The engine's command line: segment, rethreshold, report, dicom, followup, models, phantom.

Each command only reads its words, calls the engine, and says in one sentence where the result lies. What goes wrong is
raised and turned into a sentence and an exit code by ``cli_runner``. Whatever is slow to import is imported inside the
command that needs it, so that ``--help`` answers at once.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from . import __version__, cli_models
from .cli_runner import PROGRAM
from .errors import UsageError


class Device(StrEnum):
    """Where the network runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Runtime(StrEnum):
    """What runs the network."""

    auto = "auto"
    torch = "torch"
    openvino = "openvino"


class ProgressKind(StrEnum):
    """How progress is told."""

    bar = "bar"
    json = "json"
    none = "none"


MASK_HELP = "a reader's corrected mask, on the FLAIR's grid"
LESIONS_HELP = "instead of a mask, an image of the numbers of a reader's lesions, which they keep"
SERIES_HELP = "number of the {} series, where its DICOM folder holds several"


def build_app() -> typer.Typer:
    """A typer application with the engine's commands; the training package adds its own to one of these."""
    from .followup.command import followup  # which imports this module

    app = typer.Typer(name=PROGRAM, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback(invoke_without_command=True)(_program)
    app.command()(segment)
    app.command()(rethreshold)
    app.command()(report)
    app.command()(dicom)
    app.command()(followup)
    app.command()(phantom)
    app.add_typer(cli_models.build_app(), name="models")
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit()


def _program(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="show the version", is_eager=True, callback=_print_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error; may stand anywhere")] = False,
) -> None:
    """Find multiple-sclerosis lesions on MR images of the head. For research use only, not for diagnosis."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def segment(
    context: typer.Context,
    flair: Annotated[Path, typer.Option(help="FLAIR: NIfTI, NRRD, MHA, or a DICOM folder")],
    out: Annotated[Path, typer.Option(help="folder for the result; an earlier result in it is replaced whole")],
    t1: Annotated[Path | None, typer.Option(help="T1w of the same examination, on any grid")] = None,
    t2: Annotated[Path | None, typer.Option(help="T2w of the same examination, on any grid")] = None,
    model: Annotated[
        str | None, typer.Option(help="name of a model, or path of a bundle [default: the shipped]")
    ] = None,
    device: Annotated[Device, typer.Option(help="where the network runs")] = Device.auto,
    runtime: Annotated[
        Runtime, typer.Option(help="what runs the network; auto takes OpenVINO on a CPU where it is installed")
    ] = Runtime.auto,
    threshold: Annotated[
        float | None, typer.Option(help="probability from which a voxel is lesion [default: the model's]")
    ] = None,
    min_volume: Annotated[
        float | None, typer.Option(metavar="MM3", help="smallest lesion in mm3 [default: the model's]")
    ] = None,
    brain_mask: Annotated[Path | None, typer.Option(help="own brain mask, on the FLAIR's grid")] = None,
    registered: Annotated[bool, typer.Option("--registered", help="T1w and T2w already lie on the FLAIR")] = False,
    confidence: Annotated[
        bool,
        typer.Option(help="say how sure each lesion is, by a second pass of the network"),
    ] = True,
    flair_series: Annotated[int | None, typer.Option(help=SERIES_HELP.format("FLAIR"))] = None,
    t1_series: Annotated[int | None, typer.Option(help=SERIES_HELP.format("T1w"))] = None,
    t2_series: Annotated[int | None, typer.Option(help=SERIES_HELP.format("T2w"))] = None,
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """Find the lesions of one study.

    Writes mask, probability map, brain mask, lesion table, overview and provenance into a folder, all or nothing.
    """
    from .segment import SegmentRequest
    from .segment import segment as run_segment

    request = SegmentRequest(
        flair=flair,
        out=out,
        t1w=t1,
        t2w=t2,
        flair_series=flair_series,
        t1_series=t1_series,
        t2_series=t2_series,
        model=model,
        device=device.value,
        runtime=runtime.value,
        threshold=threshold,
        min_lesion_mm3=min_volume,
        brain_mask=brain_mask,
        registered=registered,
        confidence=confidence,
    )
    context.obj.result(_payload(out, run_segment(request, context.obj)))


def rethreshold(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="folder that `segment` wrote")],
    threshold: Annotated[
        float | None, typer.Option(help="probability from which a voxel is lesion [default: as before]")
    ] = None,
    min_volume: Annotated[
        float | None, typer.Option(metavar="MM3", help="smallest lesion in mm3 [default: as before]")
    ] = None,
) -> None:
    """Change the threshold or the minimum size of a result.

    Makes mask, lesion table and overview anew from the stored probability map; the network is not run.
    """
    from .rethreshold import rethreshold as run_rethreshold

    if threshold is None and min_volume is None:
        raise UsageError("Nothing to change was given.", "Give --threshold, --min-volume or both.")
    context.obj.result(_payload(folder, run_rethreshold(folder, threshold, min_volume)))


def report(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="folder that `segment` wrote")],
    out: Annotated[Path | None, typer.Option(help="folder for the report [default: DIR_report, beside it]")] = None,
    mask: Annotated[Path | None, typer.Option(help=MASK_HELP)] = None,
    lesions: Annotated[Path | None, typer.Option(help=LESIONS_HELP)] = None,
    title: Annotated[str, typer.Option(help="a line that says whose report this is")] = "",
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """Write the report of a result: a page to read or print, and its figures as JSON and CSV.

    Summary, lesions by location, every lesion with a picture, image quality, and how it was made.
    """
    from .report import PAGE_FILE, write_report

    out = folder.resolve().with_name(f"{folder.resolve().name}_report") if out is None else out
    context.obj.plan({"report": 1.0})
    data = write_report(folder, out, mask=mask, lesions=lesions, title=title)
    summary = data["summary"]
    context.obj.result({"folder": str(out), **summary, "message": f"The report lies in {out / PAGE_FILE}"})


def dicom(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="folder that `segment` wrote, from DICOM")],
    out: Annotated[Path | None, typer.Option(help="folder for the two files [default: DIR_dicom, beside it]")] = None,
    source: Annotated[
        Path | None, typer.Option(help="folder of the FLAIR's DICOM files [default: where it was read]")
    ] = None,
    mask: Annotated[Path | None, typer.Option(help=MASK_HELP)] = None,
    lesions: Annotated[Path | None, typer.Option(help=LESIONS_HELP)] = None,
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """Write a result as DICOM: a Segmentation and a Structured Report (TID 1500) that refer to the FLAIR series.

    A FLAIR that was converted is known in the series given with --source by its voxels.

    A lesion is a segment; the report holds its volume, diameter, probability and location.
    """
    from .dicom_export import write_dicom

    out = folder.resolve().with_name(f"{folder.resolve().name}_dicom") if out is None else out
    context.obj.plan({"dicom": 1.0})
    written = write_dicom(folder, out, source=source, mask=mask, lesions=lesions)
    context.obj.result({"folder": str(out), **written, "message": f"Segmentation and report lie in {out}"})


def phantom(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a new or empty folder")],
) -> None:
    """Make a synthetic study to try the program on.

    FLAIR, T1w and T2w of a whole head on three different grids, with known lesions and known transforms.
    """
    from .phantom import make_phantom

    context.obj.plan({"phantom": 1.0})
    make_phantom(folder, progress=context.obj)
    context.obj.result({"folder": str(folder), "message": f"A synthetic study lies in {folder}"})


def _payload(folder: Path, provenance: dict[str, Any]) -> dict[str, Any]:
    """What the end of a run tells: where the result lies, the main figures, and a sentence of both."""
    summary = provenance["summary"]
    count, volume = summary["lesion_count"], summary["lesion_volume_ml"]
    found = f"{count} lesion{'' if count == 1 else 's'}, {volume:.2f} mL, on {' + '.join(provenance['contrasts'])}."
    return {"folder": str(folder), **summary, "message": f"{found} The result lies in {folder}"}
