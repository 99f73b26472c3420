"""``slicer.app``: the Qt application with what of ``qSlicerApplication`` is used."""

import os
from typing import Any

from PySide6 import QtCore, QtWidgets

from .io_manager import IOManager
from .layout_manager import LayoutManager

VERSION = (5, 12, 0)


class ModuleManager(QtCore.QObject):
    """What of ``qSlicerModuleManager`` is used."""

    moduleAboutToBeUnloaded = QtCore.Signal(str)
    _signals = {"moduleAboutToBeUnloaded(QString)": ("moduleAboutToBeUnloaded", None)}

    def __init__(self) -> None:
        super().__init__()
        self._modules: dict[str, Any] = {}

    def module(self, name: str) -> Any:
        """The module of that name; None where there is none."""
        return self._modules.get(name)

    def modulesNames(self) -> tuple[str, ...]:
        """Names of the modules that were opened."""
        return tuple(self._modules)


class HostApplication(QtWidgets.QApplication):
    """One per process."""

    mrmlSceneChanged = QtCore.Signal(object)
    startupCompleted = QtCore.Signal()
    _signals = {
        "mrmlSceneChanged(vtkMRMLScene*)": ("mrmlSceneChanged", None),
        "startupCompleted()": ("startupCompleted", None),
    }

    def __init__(self, logics: Any) -> None:
        super().__init__(["MSLesionSegHost"])
        self.setApplicationName("Slicer")
        self.setApplicationVersion(".".join(map(str, VERSION)))
        self.setOrganizationName("MSLesionSegHost")
        self.setQuitOnLastWindowClosed(False)
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.Format.IniFormat)
        for scope in (QtCore.QSettings.Scope.UserScope, QtCore.QSettings.Scope.SystemScope):
            QtCore.QSettings.setPath(QtCore.QSettings.Format.IniFormat, scope, f"{logics.folder}/settings")
        self._logics = logics
        self._layout_manager: LayoutManager | None = None
        self._io_manager = IOManager(logics)
        self._module_manager = ModuleManager()
        self._settings = QtCore.QSettings()

    majorVersion = property(lambda self: VERSION[0])
    minorVersion = property(lambda self: VERSION[1])
    slicerHome = property(lambda self: self._logics.folder)
    temporaryPath = property(lambda self: self._logics.folder)
    cachePath = property(lambda self: self._logics.folder)

    def mrmlScene(self) -> Any:
        """The scene."""
        return self._logics.scene

    def applicationLogic(self) -> Any:
        """The ``vtkSlicerApplicationLogic``."""
        return self._logics.application_logic

    def moduleLogic(self, name: str) -> Any:
        """The logic of a module; None where there is none."""
        return self._logics.logics.get(name)

    def moduleManager(self) -> ModuleManager:
        """The modules."""
        return self._module_manager

    def coreIOManager(self) -> IOManager:
        """Reading and writing of files."""
        return self._io_manager

    def ioManager(self) -> IOManager:
        """Reading and writing of files."""
        return self._io_manager

    def layoutManager(self) -> LayoutManager:
        """The views."""
        if self._layout_manager is None:
            self._layout_manager = LayoutManager(self._logics)
        return self._layout_manager

    def settings(self) -> QtCore.QSettings:
        """The settings, which lie in a temporary file."""
        return self._settings

    def userSettings(self) -> QtCore.QSettings:
        """The settings, which lie in a temporary file."""
        return self._settings

    def revisionUserSettings(self) -> QtCore.QSettings:
        """The settings, which lie in a temporary file."""
        return self._settings

    @staticmethod
    def testingEnabled() -> bool:
        """Whether dialogs answer themselves: always."""
        return True

    def startupEnvironment(self) -> QtCore.QProcessEnvironment:
        """The environment that the application was started in."""
        environment = QtCore.QProcessEnvironment()
        for name, value in os.environ.items():
            environment.insert(name, value)
        return environment

    def pauseRender(self) -> None:
        """Nothing is drawn here."""

    def resumeRender(self) -> None:
        """Nothing is drawn here."""

    def setRenderPaused(self, _paused: bool) -> None:
        """Nothing is drawn here."""
