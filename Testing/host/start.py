"""Starts the host: one per process."""

import atexit
import importlib
import os
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

from .failures import Failures
from .scene_logics import make_scene
from .subject_hierarchy import SubjectHierarchyItems

_host: "Host | None" = None


class Host:
    """The application that is not there.

    Attributes:
        scene: the real ``vtkMRMLScene``, as ``slicer.mrmlScene``.
        app: ``slicer.app``.
        failures: errors from C++ and from slots.
        file_answers: what the next file dialogs answer, in order; a dialog without an answer fails.
    """

    def __init__(self) -> None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        from . import pythonqt, stand_ins

        pythonqt.dress()
        self.failures = Failures()
        self.failures.install()
        self.file_answers: list[str] = []
        self._install_qt(pythonqt, stand_ins)
        self._install_slicer()

    def _install_qt(self, pythonqt: Any, stand_ins: Any) -> None:
        from .dialogs import file_dialog

        qt = pythonqt.make_qt_module()
        qt.QUiLoader = pythonqt.UiLoader
        qt.QFileDialog = file_dialog(self.file_answers)
        ctk = ModuleType("ctk")
        for widget in stand_ins.CTK:
            setattr(ctk, widget.__name__, widget)
        pythonqt.UiLoader.stand_ins.update({one.__name__: one for one in (*stand_ins.CTK, *stand_ins.SLICER)})
        sys.modules.update(qt=qt, ctk=ctk)
        self.qt, self.ctk = qt, ctk

    def _install_slicer(self) -> None:
        import slicer
        import slicer_core

        from . import scripted, stand_ins
        from .application import HostApplication

        self.logics = make_scene()
        self.scene = self.logics.scene
        self._items = SubjectHierarchyItems(self.scene)
        self.app = HostApplication(self.logics)
        slicer.mrmlScene, slicer.app = self.scene, self.app
        slicer.modules = SimpleNamespace()
        for name, logic in self.logics.logics.items():
            setattr(slicer.modules, name.lower(), SimpleNamespace(logic=lambda logic=logic: logic, name=name))
        for widget in stand_ins.SLICER:
            setattr(slicer, widget.__name__, widget)
        slicer.i18n = _i18n()
        slicer.ScriptedLoadableModule = ModuleType("slicer.ScriptedLoadableModule")
        for name in ("", "Widget", "Logic", "Test"):
            one = getattr(scripted, f"ScriptedLoadableModule{name}")
            setattr(slicer.ScriptedLoadableModule, one.__name__, one)
        sys.modules["slicer.ScriptedLoadableModule"] = slicer.ScriptedLoadableModule
        sys.modules["slicer.i18n"] = slicer.i18n
        sys.modules.setdefault("vtkITK", slicer_core.vtkITK)
        self.app.layoutManager()
        atexit.register(self._items.stop)

    def open_module(self, name: str) -> Any:
        """Load a scripted module and build its interface.

        Args:
            name: of the module; it has to be importable.

        Returns:
            its widget object (``<name>Widget``), after ``setup`` and ``enter``; ``close_module`` takes it away again.
        """
        import slicer

        source = importlib.import_module(name)
        metadata = SimpleNamespace()
        module = getattr(source, name)(metadata)
        parent = slicer.qMRMLWidget()
        parent.setObjectName(f"{name}ModuleWidget")
        parent.setLayout(self.qt.QVBoxLayout())
        parent.setMRMLScene(self.scene)
        entry = SimpleNamespace(
            name=name,
            title=metadata.title,
            path=source.__file__,
            widgetRepresentation=lambda: parent,
            logic=lambda: None,
        )
        setattr(slicer.modules, name.lower(), entry)
        self.app.moduleManager()._modules[name] = entry
        widget = getattr(source, f"{name}Widget")(parent)
        widget.metadata = module
        setattr(slicer.modules, f"{name}Widget", widget)
        widget.setup()
        parent.show()
        widget.enter()
        self.app.processEvents()
        return widget

    def close_module(self, widget: Any) -> None:
        """Leave a module as the application does at its end."""
        import slicer

        widget.exit()
        widget.cleanup()
        widget.parent.hide()
        widget.parent.deleteLater()
        name = widget.moduleName
        delattr(slicer.modules, f"{name}Widget")
        self.app.moduleManager()._modules.pop(name)
        self.app.sendPostedEvents(None, self.qt.QEvent.DeferredDelete)
        self.app.processEvents()


def _i18n() -> ModuleType:
    """``slicer.i18n`` in the language of the source."""
    module = ModuleType("slicer.i18n")
    module.tr = lambda text: text
    module.translate = lambda _context, text: text
    return module


def start_host() -> Host:
    """The host of this process, started by the first call."""
    global _host
    if _host is None:
        _host = Host()
    return _host
