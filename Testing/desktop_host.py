"""The test host's face before a real 3D Slicer, so that the same tests run there.

Only names that ``Testing.host.start.Host`` has, for the tests in ``Testing/slicer``.
"""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import qt
import slicer
from Testing.host.failures import Failures


class DesktopHost:
    """The application that runs; attributes and functions as those of ``Testing.host.start.Host``."""

    def __init__(self) -> None:
        import ctk

        self.app = slicer.app
        self.ctk = ctk
        self.file_answers: list[str] = []
        self.failures = Failures()
        self.failures.install()
        answers = {name: self._answer for name in ("getOpenFileName", "getOpenFileNames", "getSaveFileName")}
        qt.QFileDialog = SimpleNamespace(getExistingDirectory=self._answer, **answers)
        self.qt = _QtWithTest()

    @property
    def scene(self) -> Any:
        """Slicer's scene."""
        return slicer.mrmlScene

    def open_module(self, name: str) -> Any:
        """A fresh panel of a module, shown; its widget object."""
        slicer.util.selectModule(name)
        slicer.util.reloadScriptedModule(name)
        slicer.util.selectModule(name)
        slicer.app.processEvents()
        return slicer.util.getModuleWidget(name)

    def close_module(self, widget: Any) -> None:
        """Leave the module; its panel is made anew at the next opening."""
        slicer.util.selectModule("Data")
        widget.cleanup()
        slicer.app.processEvents()

    def _answer(self, *_words: Any) -> Any:
        if not self.file_answers:
            raise AssertionError("a file dialog was opened, and the test has no answer for it")
        return self.file_answers.pop(0)


class _QtWithTest:
    """The module ``qt`` with ``QTest``, which PythonQt does not have."""

    def __init__(self) -> None:
        self.QTest = SimpleNamespace(mouseClick=_click, keyClick=_press)

    def __getattr__(self, name: str) -> Any:
        return getattr(qt, name)


def _click(widget: Any, button: Any, modifiers: Any = None, pos: Any = None) -> None:
    place = pos if pos is not None else widget.rect.center()
    on_screen = qt.QPointF(widget.mapToGlobal(place))
    modifiers = qt.Qt.NoModifier if modifiers is None else modifiers
    for kind, held in ((qt.QEvent.MouseButtonPress, button), (qt.QEvent.MouseButtonRelease, qt.Qt.NoButton)):
        slicer.app.sendEvent(widget, qt.QMouseEvent(kind, qt.QPointF(place), on_screen, button, held, modifiers))


def _press(widget: Any, key: Any, modifiers: Any = None) -> None:
    modifiers = qt.Qt.NoModifier if modifiers is None else modifiers
    for kind in (qt.QEvent.ShortcutOverride, qt.QEvent.KeyPress, qt.QEvent.KeyRelease):
        slicer.app.sendEvent(widget, qt.QKeyEvent(kind, key, modifiers))


def stand_in_for_the_test_host() -> None:
    """Let ``Testing/slicer/conftest.py`` find the running Slicer where it starts the test host."""
    start = ModuleType("Testing.host.start")
    host: list[DesktopHost] = []

    def start_host() -> DesktopHost:
        if not host:
            host.append(DesktopHost())
        return host[0]

    start.start_host = start_host
    sys.modules["Testing.host.start"] = start
