"""One segmentation from the scene and back: study to files, engine in the background, result into the scene."""

import shutil
from collections.abc import Callable
from pathlib import Path

from MSLesionSegLib.errors import MSLesionSegError, ResourceError, StudyError
from MSLesionSegScene.result_nodes import load_result
from MSLesionSegScene.volumes import write_study

from .panel_context import PanelContext
from .temporary_folder import make_temporary_folder
from .worker import Worker
from .worker_command import segment_words
from .worker_end import CANCELLED, DONE, End
from .worker_settings import command_from_settings


class SegmentRun:
    """Runs the engine on the study that is chosen in the panel.

    Args:
        context: of the panel.
        on_end: called once a run with its end, after the result was loaded; not after ``abandon`` and ``close``.

    Attributes:
        worker: the process; its ``on_step``, ``on_warning`` and ``on_log`` may be set.
    """

    def __init__(self, context: PanelContext, on_end: Callable[[End], None]) -> None:
        self.worker = Worker()
        self.worker.on_end = self._ended
        self._context = context
        self._on_end = on_end
        self._folder: Path | None = None
        self._abandoned = False

    @property
    def running(self) -> bool:
        """Whether a run is going on."""
        return self.worker.running

    def start(self, *, registered: bool = False) -> None:
        """Write the study to a temporary folder and start the engine on it.

        Args:
            registered: T1w and T2w lie on the FLAIR already.

        Raises:
            ResourceError: a run is going on.
            StudyError: no FLAIR, or a volume cannot be written as it is.
            DependencyError: the Python of the settings is not there.
            OutputError: Slicer's temporary folder cannot be written to.
        """
        if self.running:
            raise ResourceError("A computation is still running.", "Wait until it ends, or press Cancel.")
        state = self._context.state
        if state.flair is None:
            raise StudyError("No FLAIR is chosen.", "Load a study, or choose the FLAIR among the volumes.")
        self._abandoned = False
        self._folder = make_temporary_folder()
        try:
            files = write_study(state, self._folder)
            out = self._folder / "result"
            words = segment_words(
                files["FLAIR"],
                out,
                t1=files.get("T1w"),
                t2=files.get("T2w"),
                model=state.model or None,
                device=state.device or "auto",
                registered=registered,
            )
            self.worker.start(command_from_settings(words, out=out))
        except BaseException:
            self._remove_folder()
            raise

    def cancel(self) -> None:
        """Ask the run to end; ``on_end`` tells when it has."""
        self.worker.cancel()

    def abandon(self) -> None:
        """End the run and forget it, since its study is gone; the process ends in the background."""
        self._abandoned = True
        self.worker.cancel()

    def close(self) -> None:
        """End the run before the panel goes."""
        self.worker.close()
        self._remove_folder()

    def _ended(self, end: End) -> None:
        folder = self._folder
        if self._abandoned:
            end = End(CANCELLED, "")
        elif end.kind == DONE:
            try:
                load_result(self._context.scene, self._context.state, folder / "result")
            except MSLesionSegError as error:
                end = End(error.kind, error.message, error.hint)
        self._remove_folder()
        self._on_end(end)

    def _remove_folder(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
