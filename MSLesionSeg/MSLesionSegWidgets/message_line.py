"""A line in a section of the panel that tells what went wrong, and what to do about it."""

import contextlib
import html
import logging
from collections.abc import Iterator
from typing import Any

from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError


class MessageLine:
    """Sentences in a label; an error in bold, with its hint.

    Args:
        label: a ``QLabel`` with word wrap; hidden while there is nothing to say.
    """

    def __init__(self, label: Any) -> None:
        self._label = label
        self.clear()

    def clear(self) -> None:
        """Say nothing."""
        self._label.setText("")
        self._label.setVisible(False)

    def say(self, text: str) -> None:
        """Say how it went."""
        self._show(html.escape(text))

    def fail(self, message: str, hint: str = "") -> None:
        """Say what is wrong and what to do."""
        self._show(f"<b>{html.escape(message)}</b> {html.escape(hint)}".rstrip())

    @contextlib.contextmanager
    def trying(self) -> Iterator[None]:
        """Inside, an error that a user can act on is told here and goes no further; a defect is told and raised."""
        self.clear()
        try:
            yield
        except MSLesionSegError as error:
            logging.info("MSLesionSeg: %s %s", error.message, error.hint)
            self.fail(error.message, error.hint)
        except Exception as error:
            self.fail(
                _("This is a defect of MSLesionSeg: {error}").format(error=error),
                _("The details are in Slicer's Python console; please report them."),
            )
            raise

    def _show(self, text: str) -> None:
        self._label.setText(text)
        self._label.setVisible(True)
