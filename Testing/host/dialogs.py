"""File dialogs that answer what the test told them to."""

from typing import Any

from PySide6 import QtWidgets


def file_dialog(answers: list[str]) -> type:
    """A ``qt.QFileDialog`` whose static functions take their answers from a list; as in PythonQt, the path alone."""

    def answer(*_words: Any) -> Any:
        if not answers:
            raise AssertionError("a file dialog was opened, and the test has no answer for it")
        return answers.pop(0)

    class QFileDialog(QtWidgets.QFileDialog):
        getOpenFileName = staticmethod(answer)
        getOpenFileNames = staticmethod(answer)
        getSaveFileName = staticmethod(answer)
        getExistingDirectory = staticmethod(answer)

    return QFileDialog
