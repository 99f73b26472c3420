"""What sections of the panel share that have the engine make something of results in the background."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .folder_dialog import open_page
from .message_line import MessageLine
from .panel_context import PanelContext
from .result_run import ResultRun
from .worker_end import CANCELLED, DONE, End


class ResultSection:
    """A section with one run at a time, its progress bar and its Cancel; ``refresh`` is the subclass's own.

    Args:
        context: of the panel.
        message: label in which the section says what went wrong.
        progress: bar of the run.
        cancel_button: ends it.
        show_page: shows a page in the browser.

    Attributes:
        run: the run; nothing is left of one that was ended.
    """

    def __init__(
        self,
        context: PanelContext,
        message: Any,
        progress: Any,
        cancel_button: Any,
        show_page: Callable[[Path], None] = open_page,
    ) -> None:
        self._context = context
        self._message = MessageLine(message)
        self._progress, self._cancel_button = progress, cancel_button
        self._show_page = show_page
        self._done: Callable[[End], None] = lambda _end: None
        self.run = ResultRun(self._ended)
        cancel_button.connect("clicked()", self.cancel)
        context.listen(self.refresh)

    def refresh(self) -> None:
        """Show the run, where one is going on."""
        running = self.run.running
        self._progress.setVisible(running)
        self._cancel_button.setVisible(running)
        self._cancel_button.setEnabled(not self.run.worker.cancelling)

    def cancel(self) -> None:
        """End the run; nothing is left of it."""
        self.run.cancel()
        self.refresh()

    def close(self) -> None:
        """End the run before the panel goes."""
        self.run.close()

    def _ended(self, end: End) -> None:
        self._message.clear()
        if end.kind == DONE:
            with self._message.trying():
                self._done(end)
        elif end.kind == CANCELLED:
            self._message.say(end.message)
        else:
            self._message.fail(end.message, end.hint)
        self.refresh()
