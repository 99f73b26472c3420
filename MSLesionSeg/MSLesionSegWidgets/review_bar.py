"""Buttons and keys to step through lesions and to decide on them."""

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

#: Key -> name of the action.
KEYS = {
    "N": "next",
    "P": "previous",
    "A": "accept",
    "X": "reject",
    "U": "undecided",
    "Z": "undo",
    "Shift+Z": "redo",
}


class ReviewBar:
    """The review's buttons, with a key for each.

    Args:
        ui: holds ``nextButton``, ``previousButton``, ``acceptButton``, ``rejectButton``, ``undecidedButton``,
            ``undoButton``, ``redoButton`` and ``reviewedLabel``.
        actions: name of an action (see ``KEYS``) -> what it does.
    """

    def __init__(self, ui: Any, actions: dict[str, Callable[[], None]]) -> None:
        self._ui = ui
        self._actions = actions
        self._keys: list[Any] = []
        for name in KEYS.values():
            self._button(name).connect("clicked()", actions[name])

    def show(self, reviewed: tuple[int, int], *, chosen: bool, can_undo: bool, can_redo: bool) -> None:
        """Show how far the review is, and which buttons do something.

        Args:
            reviewed: how many lesions are decided, and how many there are.
            chosen: whether a lesion is chosen in the table.
            can_undo: whether there is a decision to take back.
            can_redo: whether there is one to make again.
        """
        done, total = reviewed
        text = _("{done} of {total} reviewed").format(done=done, total=total) if total else ""
        self._ui.reviewedLabel.setText(text)
        for name in ("next", "previous"):
            self._button(name).setEnabled(total > 0)
        for name in ("accept", "reject", "undecided"):
            self._button(name).setEnabled(chosen)
        self._button("undo").setEnabled(can_undo)
        self._button("redo").setEnabled(can_redo)

    def install_keys(self, parent: Any) -> None:
        """Let the keys work in the window of ``parent``; a key does what its button does, if that can be pressed."""
        self.remove_keys()
        for key, name in KEYS.items():
            shortcut = qt.QShortcut(parent)
            shortcut.setKey(qt.QKeySequence(key))
            shortcut.connect("activated()", self._button(name).click)
            self._keys.append(shortcut)

    def enable_keys(self, enabled: bool) -> None:
        """Let the keys work or rest, as while a tool of the Segment Editor takes the same ones."""
        for shortcut in self._keys:
            shortcut.setEnabled(enabled)

    def remove_keys(self) -> None:
        """Take the keys away, as when another module is shown."""
        for shortcut in self._keys:
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._keys = []

    def _button(self, name: str) -> Any:
        return getattr(self._ui, f"{name}Button")
