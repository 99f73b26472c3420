"""Cases of the work list in words. Plain Python, no Qt."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from slicer.i18n import tr as _

from MSLesionSegTrainingLib.worklist.work_list import STATES, WorkCase


def state_words(state: str) -> str:
    """A state in words."""
    words = {
        "new": _("new"),
        "pre-segmented": _("pre-segmented"),
        "in progress": _("in progress"),
        "done": _("done"),
        "excluded": _("left out"),
    }
    return words[state]


def case_state(case: WorkCase) -> str:
    """The state of a case as the table shows it."""
    if case.study.problem:
        return _("cannot be used")
    words = state_words(case.state)
    if case.second_dice is not None:
        return _("{state}, Dice {dice:.2f} with {reader}").format(
            state=words, dice=case.second_dice, reader=case.second_reader
        )
    if case.claim is not None and case.claim.stale:
        return _("{state}, silent").format(state=words)
    return words


def case_hint(case: WorkCase) -> str:
    """What the table says about a case under the mouse."""
    if case.study.problem:
        return f"{case.study.problem} {case.study.hint}".strip()
    told = [_("Last change {time}.").format(time=local_time(case.changed))] if case.changed else []
    if case.claim is not None:
        told.append(_("Open: {claim}.").format(claim=case.claim.sentence))
    if case.claim is not None and case.claim.taken_from:
        told.append(_("Taken over from {who}: {word}").format(who=case.claim.taken_from, word=case.claim.word))
    if case.reason:
        told.append(_("Left out by {who}: {reason}").format(who=case.annotator, reason=case.reason))
    return " ".join(told)


def local_time(utc: str) -> str:
    """A UTC time of a file, ISO 8601, in the time of this machine, to the minute; empty where there is none."""
    return datetime.fromisoformat(utc).astimezone().strftime("%Y-%m-%d %H:%M") if utc else ""


def short_time(utc: str, now: datetime) -> str:
    """``local_time`` for a narrow table: the time of today, else the day."""
    if not utc:
        return ""
    then = datetime.fromisoformat(utc).astimezone()
    return then.strftime("%H:%M" if then.date() == now.astimezone().date() else "%Y-%m-%d")


def counts_words(cases: Sequence[WorkCase]) -> str:
    """How many cases there are in each state."""
    counts = {state: sum(case.state == state for case in cases) for state in STATES}
    told = ", ".join(f"{count} {state_words(state)}" for state, count in counts.items() if count)
    return _("Cases: {count} ({states})").format(count=len(cases), states=told) if cases else ""


def agreement_words(case: str, first: str, agreed: Mapping[str, Any]) -> str:
    """How a second reading agrees with the first."""
    return _(
        "{case}: Dice {dice:.2f} with {first}; lesions added: {added}, removed: {removed} "
        "({before:.2f} mL before, {now:.2f} mL now)."
    ).format(
        case=case,
        first=first,
        dice=agreed["Dice"],
        added=agreed["LesionsAdded"],
        removed=agreed["LesionsRemoved"],
        before=agreed["VolumeMlFirst"],
        now=agreed["VolumeMlSecond"],
    )


def summary_words(summary: Mapping[str, Any]) -> str:
    """The figures of a data set (see ``worklist.summary.summarise``), one line each."""
    rows = summary["cases"]
    if not rows:
        return _("No case is finished yet.")
    loads = sorted(row["load_ml"] for row in rows)
    sizes = ", ".join(f"{count} of {name} mm3" for name, count in summary["sizes"].items())
    people = ", ".join(
        _("{who} {cases} ({minutes:.0f} min)").format(who=who, cases=int(one["cases"]), minutes=one["minutes"])
        for who, one in summary["annotators"].items()
    )
    lines = [
        _("Finished cases: {count}, load {middle:.2f} mL ({low:.2f} to {high:.2f})").format(
            count=len(rows), middle=loads[len(loads) // 2], low=loads[0], high=loads[-1]
        ),
        _("Lesions: {sizes}").format(sizes=sizes),
        _("Annotators: {people}").format(people=people),
        *summary["problems"],
    ]
    return "\n".join(lines)
