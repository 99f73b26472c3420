"""``mslesionseg validation-masks``: what models mark in one annotated case, to be looked at."""

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.cli import Device, ProgressKind


def validation_masks(
    context: typer.Context,
    dataset: Annotated[Path, typer.Argument(help="folder of annotated cases (docs/formats.md)")],
    case: Annotated[str, typer.Option(help="name of the case, such as sub-02 or sub-02_ses-1")],
    run: Annotated[Path, typer.Option(help="folder of a run, finished or not: the mask of its best epoch so far")],
    out: Annotated[Path, typer.Option(help="folder for the masks")],
    before: Annotated[
        str | None, typer.Option(metavar="MODEL", help="another model as well: a name, a bundle, or shipped")
    ] = None,
    device: Annotated[Device, typer.Option(help="where the networks run")] = Device.auto,
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """Write the masks of a run, and of the model before, of one annotated case beside its annotation."""
    from MSLesionSegLib.protocol import SEGMENT_STAGES

    from .before_after_models import bundle_model, model_or_run
    from .validation_masks import write_masks

    voice = context.obj
    voice.plan(SEGMENT_STAGES)
    voice.stage("read", "reading the models")
    models = {} if before is None else {"before": bundle_model(before)}
    models["after"] = model_or_run(str(run), models["before"].threshold if models else 0.5)
    asked = {"before": before, "after": str(run)}
    files = write_masks(dataset, case, models, asked, out, voice, device.value)
    voice.result(
        {
            "folder": str(out),
            "files": {when: str(path) for when, path in files.items()},
            "message": f"The masks of {case} lie in {out}",
        }
    )
