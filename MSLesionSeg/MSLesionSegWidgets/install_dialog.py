"""The window that shows what is missing, asks, installs, and says how it ended."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from .install import install, look, ready
from .install_findings import GOOD, STOP, Finding
from .install_outcome import RESTART, Outcome


def ensure_installed(parent: Any = None, *, ask: bool = True, extra: Sequence[str] = (), torch: bool = True) -> bool:
    """Whether a run can be tried; where something is missing, the window is shown first.

    With Slicer in testing mode no window is shown.

    Args:
        parent: widget over which the window is shown.
        ask: whether the window may be shown.
        extra, torch: see ``install.ready``.
    """
    if ready(extra, torch=torch):
        return True
    if ask and not slicer.app.testingEnabled():
        InstallDialog(parent, extra).run()
    return ready(extra, torch=torch)


class InstallDialog:
    """The window. Nothing is installed before a button in it is pressed.

    Args:
        parent: widget over which it is shown.
        extra: requirements beside those of ``segment``.

    Attributes:
        widget: the ``QDialog``.
        outcome: of the last installation; None before one.
    """

    def __init__(self, parent: Any = None, extra: Sequence[str] = ()) -> None:
        self._extra = extra
        self.outcome: Outcome | None = None
        self.widget = qt.QDialog(parent)
        self.widget.setWindowTitle(_("MSLesionSeg: what the computation needs"))
        self.widget.setMinimumWidth(560)
        layout = qt.QVBoxLayout(self.widget)
        intro = _(
            "The lesions are found by a network that runs on this computer. No image leaves it. For that, Python "
            "packages have to be downloaded once into Slicer."
        )
        self._label(layout, "introLabel").setText(intro)
        self.findings = self._label(layout, "findingsLabel")
        self.findings.setTextFormat(qt.Qt.RichText)
        self.fast = qt.QCheckBox(_("Also OpenVINO (0.2 GB), which makes it faster without a GPU"))
        self.fast.setObjectName("fastCheck")
        self.fast.setChecked(True)
        layout.addWidget(self.fast)
        self.message = self._label(layout, "outcomeLabel")
        self.log = qt.QPlainTextEdit()
        self.log.setObjectName("logText")
        self.log.setReadOnly(True)
        self.log.setMinimumHeight(120)
        self.log.setVisible(False)
        layout.addWidget(self.log)
        buttons = qt.QHBoxLayout()
        layout.addLayout(buttons)
        self.install_button = self._button(buttons, "installButton", _("Install"), self.install_from_network)
        self.wheels_button = self._button(
            buttons, "wheelsButton", _("Install from a folder of wheels..."), self.install_from_folder
        )
        self.restart_button = self._button(buttons, "restartButton", _("Start Slicer again"), slicer.util.restart)
        self._button(buttons, "closeButton", _("Close"), self.widget.reject)
        self.install_button.setDefault(True)
        self.refresh()

    def run(self) -> None:
        """Show the window until it is closed."""
        self.widget.exec_()

    def refresh(self) -> None:
        """Look again and show what was found."""
        found = look(extra=self._extra)
        self.findings.setText("<br>".join(_as_html(finding) for finding in found))
        possible = not any(finding.level == STOP for finding in found)
        self.install_button.setEnabled(possible and not all(finding.level == GOOD for finding in found))
        self.wheels_button.setEnabled(possible)
        self.restart_button.setVisible(self.outcome is not None and self.outcome.kind == RESTART)
        self.widget.adjustSize()

    def install_from_network(self) -> None:
        """What the button Install does."""
        self._install(None)

    def install_from_folder(self) -> None:
        """Ask for a folder of wheels and install from it."""
        folder = qt.QFileDialog.getExistingDirectory(self.widget, _("Folder of wheels"))
        if folder:
            self._install(Path(folder))

    def _install(self, wheels: Path | None) -> None:
        self.log.clear()
        self.log.setVisible(True)
        self.widget.adjustSize()
        self.message.setText(_("Installing; this takes a few minutes..."))
        self._enable(False)
        slicer.app.processEvents()
        try:
            with slicer.util.WaitCursor():
                self.outcome = install(wheels, fast=self.fast.checked, extra=self._extra, on_log=self._note)
        finally:
            self._enable(True)
        self.message.setText(f"{self.outcome.message} {self.outcome.hint}".strip())
        self.refresh()

    def _note(self, line: str) -> None:
        self.log.appendPlainText(line)
        slicer.app.processEvents(qt.QEventLoop.ExcludeUserInputEvents)

    def _enable(self, on: bool) -> None:
        for widget in (self.install_button, self.wheels_button, self.fast):
            widget.setEnabled(on)

    def _label(self, layout: Any, name: str) -> Any:
        label = qt.QLabel()
        label.setObjectName(name)
        label.setWordWrap(True)
        layout.addWidget(label)
        return label

    def _button(self, layout: Any, name: str, text: str, pressed: Any) -> Any:
        button = qt.QPushButton(text)
        button.setObjectName(name)
        button.connect("clicked()", pressed)
        layout.addWidget(button)
        return button


def _as_html(finding: Finding) -> str:
    """A line with a sign that says more than its colour."""
    sign = {GOOD: "&#10003;", STOP: "&#10007;"}.get(finding.level, "&#8226;")
    text = f"{finding.message} {finding.hint}".strip()
    return f"{sign} {text.replace('&', '&amp;').replace('<', '&lt;')}"
