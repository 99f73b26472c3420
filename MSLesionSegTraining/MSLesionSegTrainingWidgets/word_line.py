"""A line in the panel that asks for a word before something is done, as why a case is left out or taken over."""

from collections.abc import Callable
from typing import Any


class WordLine:
    """Hidden while nothing is asked.

    Args:
        ui: holds ``wordFrame``, ``wordLabel``, ``wordEdit``, ``wordButton`` and ``wordCancelButton``.
    """

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._then: Callable[[str], None] | None = None
        ui.wordButton.connect("clicked()", self._go_on)
        ui.wordEdit.connect("returnPressed()", self._go_on)
        ui.wordCancelButton.connect("clicked()", self.close)
        ui.wordEdit.connect("textChanged(QString)", self._typed)
        self.close()

    def ask(self, question: str, action: str, then: Callable[[str], None]) -> None:
        """Show the line.

        Args:
            question: what the word shall say.
            action: text of the button.
            then: called with the word, once.
        """
        self._then = then
        self._ui.wordLabel.setText(question)
        self._ui.wordButton.setText(action)
        self._ui.wordEdit.clear()
        self._typed()
        self._ui.wordFrame.setVisible(True)
        self._ui.wordEdit.setFocus()

    def close(self) -> None:
        """Hide the line; nothing is done."""
        self._then = None
        self._ui.wordFrame.setVisible(False)

    def _typed(self, _text: str = "") -> None:
        self._ui.wordButton.setEnabled(bool(str(self._ui.wordEdit.text).strip()))

    def _go_on(self) -> None:
        word, then = str(self._ui.wordEdit.text).strip(), self._then
        if word and then is not None:
            self.close()
            then(word)
