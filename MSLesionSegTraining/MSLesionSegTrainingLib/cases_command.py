"""``mslesionseg cases``: what a data set holds, all that is wrong with it, and who is trained on."""

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.errors import StudyError


def cases(
    context: typer.Context,
    dataset: Annotated[Path, typer.Argument(help="folder of a BIDS data set with derivatives/annotations")],
    check: Annotated[bool, typer.Option("--check", help="read every image and mask as well")] = False,
    split: Annotated[bool, typer.Option("--split", help="write split.tsv, or extend it by new patients")] = False,
) -> None:
    """List the cases of a data set and everything that is wrong with them."""
    from .cases import check_cases, index_cases
    from .split import extend_split, read_split, write_split

    progress = context.obj
    progress.plan({"index": 1.0, "check": 20.0})
    progress.stage("index")
    found, problems = index_cases(dataset)
    parts = read_split(dataset)
    if split:
        parts = extend_split(parts, [case.patient for case in found])
        write_split(dataset, parts)
    if check:
        progress.stage("check")
        for number, (case, wrong) in enumerate(check_cases(found), start=1):
            progress.update(number / len(found), case.name)
            problems += wrong
    progress.close()
    rows = [("CASE", "CONTRASTS", "MASK", "SPLIT", "PROBLEM")]
    for name in sorted({case.name for case in found} | {problem.case for problem in problems}):
        case = next((case for case in found if case.name == name), None)
        told = [problem.message for problem in problems if problem.case == name] or [""]
        known = (
            ("+".join(case.images), "yes" if case.mask else "no", parts.get(case.patient, "")) if case else ("", "", "")
        )
        rows.append((name, *known, told[0]))
        rows += [("", "", "", "", message) for message in told[1:]]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for *cells, last in rows:
        line = "  ".join([*(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)), last])
        typer.echo(line.rstrip())
    annotated = sum(case.mask is not None for case in found)
    if problems:
        raise StudyError(
            f"{dataset} has {len(problems)} problem{'s' if len(problems) > 1 else ''}, listed above.",
            "Each would stop a training; mend or remove those cases.",
        )
    progress.result(
        {
            "folder": str(dataset),
            "cases": len(found),
            "annotated": annotated,
            "message": f"{len(found)} cases in {dataset}, {annotated} of them annotated",
        }
    )
