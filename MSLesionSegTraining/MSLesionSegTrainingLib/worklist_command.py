"""``mslesionseg worklist``: what is done of a folder of studies, and what comes next."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.cli import ProgressKind


class Order(StrEnum):
    """Order of the work list."""

    uncertainty = "uncertainty"
    name = "name"
    state = "state"
    annotator = "annotator"
    changed = "changed"


def worklist(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="BIDS_DIR", help="folder of studies (docs/formats.md)")],
    order: Annotated[Order, typer.Option(help="uncertainty: the cases that the model is most unsure of first")] = (
        Order.uncertainty
    ),
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """List the cases of a folder of studies with their state, and sum up what is annotated."""
    from .worklist.summary import summarise, write_summary
    from .worklist.work_list import ordered, work_list

    context.obj.plan({"list": 1.0, "sum up": 9.0})
    context.obj.stage("list")
    cases = ordered(work_list(folder), order.value)
    context.obj.stage("sum up")
    summary = summarise(folder, cases, context.obj)
    page = write_summary(folder, summary)
    rows = [
        {
            "case": case.name,
            "state": case.state,
            "contrasts": list(case.study.images),
            "annotator": case.annotator,
            "changed": case.changed,
            "uncertain_ml": case.uncertain_ml,
            "problem": case.study.problem,
        }
        for case in cases
    ]
    lines = [f"{'case':20} {'state':14} {'unsure mL':>9}  {'contrasts':16} {'annotator':16} changed"]
    for row in rows:
        unsure = "" if row["uncertain_ml"] is None else f"{row['uncertain_ml']:.2f}"
        contrasts = "+".join(row["contrasts"])
        lines.append(
            f"{row['case']:20} {row['state']:14} {unsure:>9}  {contrasts:16} {row['annotator']:16} "
            f"{row['changed']} {row['problem']}".rstrip()
        )
    context.obj.result(
        {"page": str(page), "cases": rows, "summary": summary, "message": "\n".join([*lines, f"Summed up in {page}"])}
    )
