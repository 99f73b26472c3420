"""How a run stands, as a sentence and what to do about it. Plain Python, no Qt."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from slicer.i18n import tr as _

from MSLesionSegLib import __version__
from MSLesionSegTrainingLib.machine import free_disk
from MSLesionSegTrainingLib.run_following import FollowedRun, RunState
from MSLesionSegWidgets.worker_end import DEPENDENCY, INSTALL_HINT, end_of_run

#: With less than this free, a run that ended without a word most likely ended for lack of it, bytes.
FULL_DISK = 100_000_000
#: What the command line prints before the sentence of an error.
ERROR = "Error: "


@dataclass(frozen=True)
class Told:
    """A sentence, what to do, and whether something is wrong."""

    message: str
    hint: str = ""
    wrong: bool = False


def stage_words(stage: str) -> str:
    """A stage of a run in words; an unknown one as the run calls it."""
    words = {
        "prepare": _("Preparing the cases"),
        "train": _("Training"),
        "score": _("Scoring"),
        "compare": _("Comparing"),
    }
    return words.get(stage, stage)


def told_of(run: FollowedRun, state: RunState, log: Sequence[str]) -> Told:
    """What to say of a run.

    Args:
        run: as far as it was read.
        state: how it stands.
        log: the last lines of its log, of which the reason of a sudden end is read.
    """
    if state is RunState.running:
        return Told(_version_words(run))
    if state is RunState.done:
        return Told(str(run.result.get("message", "")))
    resume = _("Press Resume to go on from the last checkpoint.") if run.can_resume else ""
    if state is RunState.cancelled:
        return Told(run.error["message"].replace("; --resume goes on from there.", "."), resume)
    if state is RunState.failed:
        hint = INSTALL_HINT if run.error["kind"] == DEPENDENCY else run.error["hint"]
        return Told(run.error["message"], " ".join(part for part in (hint, resume) if part), wrong=True)
    if state is RunState.elsewhere:
        return Told(
            _("This run was started on another computer, {computer}; its last word came {ago}.").format(
                computer=run.process.computer, ago=_ago(run.heard)
            ),
            _("Look at that computer whether it still works."),
        )
    if state is RunState.died:
        return _told_of_sudden_end(run, log, resume)
    return Told("")


def epochs_words(run: FollowedRun) -> str:
    """``3 epochs; best so far: epoch 2 with Dice 0.612 and lesion F1 0.500``; empty before the first has ended."""
    if not run.epochs:
        return ""
    count = len(run.epochs)
    told = _("1 epoch") if count == 1 else _("{count} epochs").format(count=count)
    best = run.best
    if best is None:
        return _("{epochs}, training loss {loss:.3f}; nobody validates").format(epochs=told, loss=run.epochs[-1].loss)
    return _("{epochs}; best so far: epoch {number} with Dice {dice:.3f} and lesion F1 {f1:.3f}").format(
        epochs=told, number=best.epoch, dice=best.dice, f1=best.lesion_f1
    )


def _told_of_sudden_end(run: FollowedRun, log: Sequence[str], resume: str) -> Told:
    """The process is gone and has said nothing."""
    for place, line in enumerate(log):
        if line.startswith(ERROR):
            hint = log[place + 1].strip() if place + 1 < len(log) else ""
            return Told(line.removeprefix(ERROR), " ".join(part for part in (hint, resume) if part), wrong=True)
    if free_disk(run.folder) < FULL_DISK:
        return Told(
            _("The training ended, and the disk that holds {folder} is full.").format(folder=run.folder),
            " ".join(part for part in (_("Make room first."), resume) if part),
            wrong=True,
        )
    end = end_of_run(None, code=1, crashed=False, cancelled=False, log=log, program=_("the chosen Python"))
    if end.kind in (DEPENDENCY, "resource"):
        return Told(end.message, " ".join(part for part in (end.hint, resume) if part), wrong=True)
    return Told(
        _(
            "The training ended without a word {ago}, as when it was ended from outside, memory ran out, or the "
            "computer was switched off; what is written is whole."
        ).format(ago=_ago(run.heard)),
        resume or _("It had not got as far as a checkpoint; start it again in another folder."),
        wrong=True,
    )


def _version_words(run: FollowedRun) -> str:
    if run.version and run.version != __version__:
        return _("This run belongs to version {version} of the program; this is {own}.").format(
            version=run.version, own=__version__
        )
    return ""


def _ago(heard: datetime | None) -> str:
    if heard is None:
        return _("at an unknown time")
    minutes = round((datetime.now(UTC) - heard).total_seconds() / 60)
    if minutes < 60:
        return _("{count} min ago").format(count=max(minutes, 0))
    if minutes < 48 * 60:
        return _("{count} h ago").format(count=round(minutes / 60))
    return _("{count} days ago").format(count=round(minutes / 60 / 24))
