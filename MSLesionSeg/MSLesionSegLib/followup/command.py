"""``mslesionseg followup``: what changed between two dates."""

from pathlib import Path
from typing import Annotated

import typer

from ..cli import ProgressKind


def followup(
    context: typer.Context,
    baseline: Annotated[Path, typer.Option(help="folder that `segment` wrote for the earlier date")],
    followup: Annotated[Path, typer.Option(help="folder that `segment` wrote for the later date")],
    out: Annotated[Path, typer.Option(help="folder for what is found")],
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """Compare two dates of one patient: new, enlarging, stable, shrinking and resolved lesions.

    Writes a table, a mask of the changes and the subtraction image on the later FLAIR, and a page, all or nothing.
    """
    from .comparison import write_followup
    from .files import PAGE_FILE

    data = write_followup(baseline, followup, out, progress=context.obj)
    message = f"{data['summary_sentence']} The page lies in {out / PAGE_FILE}"
    context.obj.result({"folder": str(out), **data["counts"], "message": message})
