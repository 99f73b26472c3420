"""What a person does at a panel: presses buttons and keys, clicks rows, waits and reads."""

import time
from collections.abc import Callable
from typing import Any


class Person:
    """Sits before one open module.

    Args:
        host: the test host.
        widget: the module's widget object, from ``host.open_module``.
    """

    def __init__(self, host: Any, widget: Any) -> None:
        self.host = host
        self.widget = widget
        self.ui = widget.ui
        self.panel = widget.panel

    def press(self, name: str) -> None:
        """Click a button with the mouse; fails where it cannot be pressed."""
        button = getattr(self.ui, name)
        assert button.enabled, f"{name} cannot be pressed"
        self.host.qt.QTest.mouseClick(button, self.host.qt.Qt.LeftButton)
        self.host.app.processEvents()

    def menu(self, button: str, text: str) -> None:
        """Choose an entry of a button's menu."""
        (action,) = [one for one in getattr(self.ui, button).menu().actions() if one.text == text]
        action.trigger()
        self.host.app.processEvents()

    def key(self, key: str) -> None:
        """Press a key while the panel's window is in front."""
        window = self.widget.parent
        window.activateWindow()
        window.setFocus()
        self.host.app.processEvents()
        shift = key.startswith("Shift+")
        modifier = self.host.qt.Qt.ShiftModifier if shift else self.host.qt.Qt.NoModifier
        code = getattr(self.host.qt.Qt, f"Key_{key.removeprefix('Shift+')}")
        self.host.qt.QTest.keyClick(window, code, modifier)
        self.host.app.processEvents()

    def click_row(self, row: int) -> None:
        """Click a row of the lesion table."""
        table = self.ui.lesionTable
        table.scrollToItem(table.item(row, 1))
        place = table.visualItemRect(table.item(row, 1)).center()
        self.host.qt.QTest.mouseClick(table.viewport(), self.host.qt.Qt.LeftButton, pos=place)
        self.host.app.processEvents()

    def table(self) -> list[tuple[str, ...]]:
        """The texts of the lesion table, as shown."""
        table = self.ui.lesionTable
        return [
            tuple(table.item(row, column).text().strip() for column in range(table.columnCount))
            for row in range(table.rowCount)
        ]

    def states(self) -> list[str]:
        """The last column of the lesion table."""
        return [row[-1] for row in self.table()]

    def wait(self, until: Callable[[], Any], seconds: float = 120) -> None:
        """Let the application live until something is so."""
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline, f"nothing after {seconds} s"
            self.host.app.processEvents()
            time.sleep(0.01)
        self.host.app.processEvents()

    def pause(self, seconds: float) -> None:
        """Let the application live for a while."""
        end = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() >= end)
