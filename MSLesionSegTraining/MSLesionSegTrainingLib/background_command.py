"""``mslesionseg background``: scans that nobody annotated as backgrounds of a training."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.cli import ProgressKind


def background(
    context: typer.Context,
    dataset: Annotated[Path, typer.Argument(help="folder of a data set whose cases were segmented by `batch`")],
    cases: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CASE]...", help="without annotation [default: all that have a result]"),
    ] = None,
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """Let training paint lesions into scans that nobody annotated; what may be a lesion in them is left out."""
    from .backgrounds import make_backgrounds, not_trained_on

    context.obj.plan({"backgrounds": 1.0})
    context.obj.stage("backgrounds")
    made = make_backgrounds(dataset, cases or (), context.obj)
    kept_out = not_trained_on(dataset, [one.case for one in made])
    if kept_out:
        context.obj.warn(
            f"{', '.join(kept_out)}: the patient validates or tests by split.tsv, so this background does nothing."
        )
    false = sum(one.false_lesions for one in made)
    context.obj.result(
        {
            "folder": str(dataset),
            "backgrounds": [asdict(one) for one in made],
            "message": f"Backgrounds of {len(made)} case{'' if len(made) == 1 else 's'} in {dataset}: "
            f"{sum(one.sure_ml for one in made):.1f} mL count as lesion, "
            f"{sum(one.unsure_ml for one in made):.1f} mL left out, {false} doubtful lesions count as none",
        }
    )
