"""Errors that the application would only print: from C++, and exceptions in slots and observers."""

import sys
import traceback
from types import TracebackType
from typing import Any

#: What Slicer's own classes report although nothing is wrong.
HARMLESS = ("invalid orientation preset name: Reformat",)  # reading any scene that has an oblique slice view


class Failures:
    """Collects errors while it is installed.

    Attributes:
        errors: texts of C++ errors (``vtkErrorMacro``) and tracebacks of exceptions that nobody caught.
        warnings: texts of C++ warnings.
    """

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self._window: Any = None

    def install(self) -> None:
        """Listen from now on."""
        import vtk

        @vtk.calldata_type(vtk.VTK_STRING)
        def error(_window: Any, _event: str, text: str) -> None:
            if not any(words in text for words in HARMLESS):
                self.errors.append(text)

        @vtk.calldata_type(vtk.VTK_STRING)
        def warning(_window: Any, _event: str, text: str) -> None:
            self.warnings.append(text)

        self._window = vtk.vtkOutputWindow()
        self._window.AddObserver("ErrorEvent", error)
        self._window.AddObserver("WarningEvent", warning)
        vtk.vtkOutputWindow.SetInstance(self._window)

    def catch_exceptions(self) -> Any:
        """Set ``sys.excepthook``, which Qt's slots and VTK's observers end in; returns the one that was set."""
        before = sys.excepthook
        sys.excepthook = self._exception
        return before

    def take(self) -> list[str]:
        """The errors since the last call."""
        taken, self.errors[:], self.warnings[:] = list(self.errors), [], []
        return taken

    def _exception(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        self.errors.append("".join(traceback.format_exception(kind, error, trace)))
