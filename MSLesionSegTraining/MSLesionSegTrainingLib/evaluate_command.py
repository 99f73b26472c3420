"""``mslesionseg evaluate``: scores of predicted masks against annotated ones."""

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.cli import ProgressKind


def evaluate(
    context: typer.Context,
    pred: Annotated[Path, typer.Option(help="folder of predicted masks, or of results of segment, by case name")],
    truth: Annotated[Path, typer.Option(help="folder of annotated masks, or a BIDS data set")],
    out: Annotated[Path, typer.Option(help="folder for the scores")],
    brain: Annotated[Path | None, typer.Option(help="folder of brain masks, by case name")] = None,
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """Score predicted masks against annotated ones: a table of cases, a summary, figures, a page."""
    from .evaluation.evaluate import PAGE_FILE
    from .evaluation.evaluate import evaluate as run

    voice = context.obj
    voice.plan({"score": 20.0, "write": 1.0})
    done = run(pred, truth, out, voice, brains=brain)
    dice, f1 = (done["scores"][name]["mean"] for name in ("dice", "overlap_f1"))
    cases = f"{done['cases']} case{'' if done['cases'] == 1 else 's'}"
    voice.result(
        {
            "folder": str(out),
            "cases": done["cases"],
            "patients": done["patients"],
            "dice": dice,
            "lesion_f1": f1,
            "message": f"{cases}, mean Dice {dice:.3f}, mean lesion F1 (any overlap) {f1:.3f}; see {out / PAGE_FILE}",
        }
    )
