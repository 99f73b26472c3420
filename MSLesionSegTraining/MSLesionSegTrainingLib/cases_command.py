"""``mslesionseg cases``: what a data set holds, all that is wrong with it, and who is trained on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from MSLesionSegLib.cli import ProgressKind
from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.protocol import JsonProgress

if TYPE_CHECKING:
    from .cases import Case, Problem


def cases(
    context: typer.Context,
    dataset: Annotated[Path, typer.Argument(help="folder of a BIDS data set with derivatives/annotations")],
    check: Annotated[bool, typer.Option("--check", help="read every image and mask as well")] = False,
    split: Annotated[bool, typer.Option("--split", help="write split.tsv, or extend it by new patients")] = False,
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """List the cases of a data set and everything that is wrong with them."""
    from .cases import check_cases, index_cases
    from .split import allot_patients, read_split, write_split

    voice = context.obj
    voice.plan({"index": 1.0, "check": 20.0})
    voice.stage("index")
    found, problems = index_cases(dataset)
    parts = read_split(dataset)
    if split:
        parts = allot_patients(parts, found)
        write_split(dataset, parts)
    masks = {case.name: "yes" if case.mask else "background" if case.background else "no" for case in found}
    if check:
        voice.stage("check")
        for number, checked in enumerate(check_cases(found), start=1):
            voice.update(number / len(found), checked.case.name)
            problems += checked.problems
            if checked.lesion_ml is not None:
                masks[checked.case.name] = f"{checked.lesion_ml:.2f} mL" if checked.lesion_ml else "empty"
    voice.close()
    if isinstance(voice, JsonProgress):
        for problem in problems:
            voice.warn(f"{problem.case}: {problem.message} {problem.hint}")
    else:
        _print_table(found, masks, parts, problems)
    wrong = sum(not problem.warning for problem in problems)
    if wrong:
        raise StudyError(
            f"{dataset} has {_counted(wrong, 'problem')}, listed above.",
            "Each would stop a training; mend or remove those cases.",
        )
    annotated, doubts = sum(case.mask is not None for case in found), len(problems)
    told = f"{len(found)} cases in {dataset}, {annotated} of them annotated"
    voice.result(
        {
            "folder": str(dataset),
            "cases": len(found),
            "annotated": annotated,
            "message": f"{told}; {_counted(doubts, 'warning')}, listed above" if doubts else told,
        }
    )


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _print_table(found: list["Case"], masks: dict[str, str], parts: dict[str, str], problems: list["Problem"]) -> None:
    by_name = {case.name: case for case in found}
    told: dict[str, list[str]] = {}
    for problem in problems:
        told.setdefault(problem.case, []).append(f"{'warning: ' if problem.warning else ''}{problem.message}")
    rows = [("CASE", "CONTRASTS", "MASK", "SPLIT", "PROBLEM")]
    for name in sorted({*by_name, *told}):
        case = by_name.get(name)
        known = ("+".join(case.images), masks[name], parts.get(case.patient, "")) if case else ("", "", "")
        first, *others = told.get(name, [""])
        rows.append((name, *known, first))
        rows += [("", "", "", "", message) for message in others]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for *cells, last in rows:
        line = "  ".join([*(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)), last])
        typer.echo(line.rstrip())
