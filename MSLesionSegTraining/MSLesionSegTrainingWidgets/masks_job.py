"""What a run, and the model before, mark in one case: computed beside the panel once, and shown in the views."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from MSLesionSegLib.errors import UsageError
from MSLesionSegTrainingLib.run_cases import read_run_cases
from MSLesionSegTrainingLib.run_following import CHECKPOINT_FILE, FollowedRun
from MSLesionSegWidgets.message_line import MessageLine

from .case_view import CaseView
from .side_job import SideJob
from .training_context import TrainingContext

FOLDER = "masks"
RECORD_FILE = "provenance.json"


class MasksJob:
    """Shows the masks of a case, made by ``validation-masks`` where they are not newer than the run's checkpoint.

    Args:
        context: of the panel.
        button, bar, message, on_change: see ``SideJob``.

    Attributes:
        view: of the case.
    """

    def __init__(
        self, context: TrainingContext, button: Any, bar: Any, message: MessageLine, on_change: Callable[[], None]
    ) -> None:
        self.view = CaseView(context.scene)
        self._message = message
        self._asked: tuple[Path, str] | None = None
        self._then: Callable[[], None] = lambda: None
        self._job = SideJob(context, button, bar, message, self._made, on_change)

    @property
    def running(self) -> bool:
        """Whether masks are being made."""
        return self._job.running

    @staticmethod
    def validation_cases(run: FollowedRun | None) -> list[str]:
        """Names of the cases that validate in a run; none before it has prepared them."""
        cases = read_run_cases(run.folder) if run is not None else None
        return sorted(cases.validation) if cases is not None else []

    def show_or_cancel(
        self,
        dataset: Path | None,
        run: FollowedRun,
        case: str,
        before: str | None = None,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """Show the masks of a case, or stop making them.

        Args:
            dataset: of the run.
            run: whose best epoch so far is shown.
            case: its name.
            before: another model that is shown as well.
            then: called when they are shown.
        """
        if self.running:
            self._job.cancel()
            return
        with self._message.trying():
            if dataset is None:
                raise UsageError(
                    _("No data set is chosen."), _("Choose the folder of the studies in the tab Work list.")
                )
            folder = run.folder / FOLDER / case
            self._asked, self._then = (dataset, case), then
            if _is_fresh(folder, run.folder, before):
                self._show(folder)
                return
            words = ["validation-masks", str(dataset), "--case", case, "--run", str(run.folder), "--out", str(folder)]
            words += [] if before is None else ["--before", before]
            self._job.start((*words, "--progress", "json"), out=folder)

    def _made(self, result: dict[str, Any]) -> None:
        with self._message.trying():
            self._show(Path(result["folder"]))

    def _show(self, folder: Path) -> None:
        dataset, case = self._asked
        files = {path.name.removesuffix(".nii.gz"): path for path in sorted(folder.glob("*.nii.gz"))}
        self.view.show_masks(dataset, case, files)
        told = _("{case}: annotation green, model before blue, the run orange.")
        if "before" not in files:
            told = _("{case}: annotation green, the run orange.")
        self._message.say(told.format(case=case))
        self._then()


def _is_fresh(folder: Path, run: Path, before: str | None) -> bool:
    """Whether masks of the run as it is now lie in a folder, with those of the model before where it is asked for."""
    try:
        record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        newer = (folder / RECORD_FILE).stat().st_mtime > (run / CHECKPOINT_FILE).stat().st_mtime
        return newer and (before is None or record["settings"]["before"]["asked"] == before)
    except (OSError, ValueError, KeyError, TypeError):
        return False
