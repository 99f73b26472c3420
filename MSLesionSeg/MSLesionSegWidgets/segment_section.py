"""Section Segment: model, device, the one button, and what the computation tells."""

import functools
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.device import has_nvidia_gpu
from MSLesionSegLib.errors import DependencyError
from MSLesionSegLib.model_store import ModelEntry, list_models

from .install_dialog import InstallDialog, ensure_installed
from .message_line import MessageLine
from .panel_context import PanelContext
from .segment_run import SegmentRun
from .time_left import time_words
from .worker_end import CANCELLED, DONE, INSTALL_HINT, End
from .worker_lines import Step
from .worker_settings import choose_interpreter, interpreter_setting

PER_MILLE = 1000


def stage_words(stage: str) -> str:
    """A stage of the engine in words; an unknown one as the engine calls it."""
    words = {
        "read": _("Reading the images"),
        "register": _("Aligning T1w and T2w with the FLAIR"),
        "brain": _("Finding the brain"),
        "bias": _("Evening out the intensities"),
        "resample": _("Resampling"),
        "network": _("Finding lesions"),
        "confidence": _("Judging how sure each lesion is"),
        "lesions": _("Measuring lesions"),
        "write": _("Writing the result"),
    }
    return words.get(stage, stage)


class SegmentSection:
    """Starts and cancels the computation and shows how far it is.

    Args:
        ui: the widgets of ``MSLesionSeg.ui``.
        context: of the panel.
    """

    def __init__(self, ui: Any, context: PanelContext) -> None:
        self._ui = ui
        self._context = context
        self._message = MessageLine(ui.segmentMessage)
        self._showing = False
        self._last: Step | None = None
        self._warnings: list[str] = []
        self.run = SegmentRun(context, self._ended)
        self.run.worker.on_step = self._step
        self.run.worker.on_warning = self._warn
        self.run.worker.on_log = ui.logText.appendPlainText
        self._clock = qt.QTimer()
        self._clock.setInterval(1000)
        self._clock.connect("timeout()", self._show_step)
        for label, name in ((_("Automatic"), "auto"), (_("Processor (CPU)"), "cpu"), (_("NVIDIA GPU"), "cuda")):
            ui.deviceCombo.addItem(label, name)
        ui.modelCombo.connect("currentIndexChanged(int)", self._model_chosen)
        ui.deviceCombo.connect("currentIndexChanged(int)", self._device_chosen)
        ui.applyButton.connect("clicked()", self.apply_or_cancel)
        ui.logButton.connect("toggled(bool)", ui.logText.setVisible)
        ui.interpreterEdit.connect("editingFinished()", self._interpreter_chosen)
        ui.installButton.connect("clicked()", self.install)
        ui.logText.setVisible(False)
        ui.interpreterEdit.setText(interpreter_setting())
        self._show_running(False)
        context.listen(self.refresh)

    def enter(self) -> None:
        """List the models anew, since some may have been added."""
        self._list_models()
        self.refresh()

    def refresh(self) -> None:
        """Show what the state says."""
        state = self._context.state
        self._showing = True
        _choose(self._ui.modelCombo, state.model)
        _choose(self._ui.deviceCombo, state.device or "auto")
        self._showing = False
        running = self.run.running
        for widget in (self._ui.modelCombo, self._ui.deviceCombo, self._ui.advancedSection):
            widget.setEnabled(not running)
        self._ui.applyButton.setEnabled(not self.run.worker.cancelling and (running or state.flair is not None))
        self._ui.applyButton.setToolTip("" if state.flair is not None else _("Choose a FLAIR first"))
        self._ui.deviceNote.setText(device_words(state.device or "auto"))

    def apply_or_cancel(self) -> None:
        """What the one button does."""
        if self.run.running:
            self.run.cancel()
            self._ui.stageLabel.setText(_("Cancelling..."))
            self._ui.applyButton.setEnabled(False)
        else:
            self.apply()

    def apply(self) -> None:
        """Find the lesions of the study; politely refused while another computation runs."""
        with self._message.trying():
            if not ensure_installed(slicer.util.mainWindow()):
                raise DependencyError(_("What the computation needs is not installed yet."), INSTALL_HINT)
            with slicer.util.WaitCursor():
                self.run.start(registered=self._ui.registeredCheck.checked)
            self._ui.logText.clear()
            self._warnings = []
            self._last = None
            self._show_running(True)

    def install(self) -> None:
        """Show what the computation needs, and install it if the user wants."""
        InstallDialog(slicer.util.mainWindow()).run()

    def abandon(self) -> None:
        """The scene is being closed: end the computation, whose study is gone."""
        if self.run.running:
            self.run.abandon()

    def close(self) -> None:
        """End the computation before the panel goes."""
        self._clock.stop()
        self.run.close()

    def _step(self, step: Step, _seconds: float | None) -> None:
        self._last = step
        self._show_step()

    def _show_step(self) -> None:
        if self._last is None or self.run.worker.cancelling:
            return
        self._ui.progressBar.setValue(round(self._last.fraction * PER_MILLE))
        parts = [stage_words(self._last.stage), self._last.message, time_words(self.run.worker.seconds_left())]
        self._ui.stageLabel.setText(", ".join(part for part in parts if part))

    def _warn(self, sentence: str) -> None:
        self._warnings.append(sentence)
        self._ui.logText.appendPlainText(sentence)
        self._message.say(" ".join(self._warnings))

    def _ended(self, end: End) -> None:
        self._show_running(False)
        if end.kind == DONE:
            self._message.say(" ".join([self._found(), *self._warnings]))
        elif end.kind == CANCELLED:
            self._message.say(end.message) if end.message else self._message.clear()
        else:
            self._message.fail(end.message, end.hint)

    def _found(self) -> str:
        rows = self._context.review.rows()
        return _("{count} lesions, {volume:.2f} mL, on {contrasts}.").format(
            count=len(rows),
            volume=sum(row.volume_ml for row in rows),
            contrasts=self._context.state.contrasts_used,
        )

    def _show_running(self, running: bool) -> None:
        self._context.busy = running
        self._ui.applyButton.setText(_("Cancel") if running else _("Find lesions"))
        self._ui.progressBar.setValue(0)
        self._ui.progressBar.setVisible(running)
        self._ui.stageLabel.setText(_("Starting...") if running else "")
        self._ui.stageLabel.setVisible(running)
        self._clock.start() if running else self._clock.stop()
        self._context.tell()

    def _list_models(self) -> None:
        self._showing = True
        self._ui.modelCombo.clear()
        self._ui.modelCombo.addItem(_("Shipped model"), "")
        for entry in list_models("lesion"):
            if not entry.problem:
                self._ui.modelCombo.addItem(_model_words(entry), entry.full_name)
        self._showing = False

    def _model_chosen(self, _index: int) -> None:
        if not self._showing:
            self._context.state.model = str(self._ui.modelCombo.currentData or "")

    def _device_chosen(self, _index: int) -> None:
        if not self._showing:
            self._context.state.device = str(self._ui.deviceCombo.currentData)
            self.refresh()

    def _interpreter_chosen(self) -> None:
        with self._message.trying():
            choose_interpreter(str(self._ui.interpreterEdit.text))


@functools.cache
def _has_gpu() -> bool:
    return has_nvidia_gpu()


def device_words(device: str) -> str:
    """What it means for the reader where the network runs."""
    on_cpu = _("Runs on the processor (CPU), which usually takes less than a minute.")
    if device == "cpu":
        return on_cpu
    if _has_gpu():
        return _("Runs on the NVIDIA GPU.")
    if device == "cuda":
        return _("No NVIDIA GPU was found on this computer; choose Automatic.")
    return _("No NVIDIA GPU was found.") + " " + on_cpu


def _model_words(entry: ModelEntry) -> str:
    origin = _("shipped") if entry.shipped else _("added")
    return f"{entry.name} {entry.version} ({origin})"


def _choose(combo: Any, data: str) -> None:
    """Choose the item with that data; where there is none, as for a model that went, the first."""
    combo.setCurrentIndex(max(combo.findData(data), 0))
