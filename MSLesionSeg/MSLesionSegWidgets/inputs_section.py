"""Section Inputs: load a study, and say which volume is the FLAIR, the T1w and the T2w."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.quality import check_series
from MSLesionSegScene import layouts, study_loading
from MSLesionSegScene.volumes import node_to_image

from .message_line import MessageLine
from .panel_context import PanelContext
from .quality_line import show_warnings

FILTER = "NIfTI, NRRD, MetaImage, DICOM (*)"
FOLDER_KEY = "MSLesionSeg/StudyFolder"


class InputsSection:
    """Loads and assigns the three images; what was guessed is told under each selector.

    Args:
        ui: the widgets of ``MSLesionSeg.ui``.
        context: of the panel.
    """

    def __init__(self, ui: Any, context: PanelContext) -> None:
        self._ui = ui
        self._context = context
        self._message = MessageLine(ui.inputsMessage)
        self._showing = False
        self.selectors = {"FLAIR": ui.flairSelector, "T1w": ui.t1Selector, "T2w": ui.t2Selector}
        self._guesses = {"FLAIR": ui.flairGuess, "T1w": ui.t1Guess, "T2w": ui.t2Guess}
        self._menu = self._make_menu()
        ui.loadButton.setMenu(self._menu)
        ui.guessButton.connect("clicked()", self.find_inputs)
        ui.sideBySideButton.connect("clicked()", self.show_side_by_side)
        for selector in self.selectors.values():
            selector.connect("currentNodeChanged(vtkMRMLNode*)", self._chosen)
        self._tell_guesses({})
        self._judged: tuple[str, ...] | None = None
        context.listen(self.refresh)

    def enter(self) -> None:
        """Find the inputs among what was loaded elsewhere, as in the DICOM module, where none is chosen yet."""
        loaded = self._context.scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
        if loaded and self._context.state.flair is None and not self._context.busy:
            self.find_inputs()

    def refresh(self) -> None:
        """Show which volumes the state names."""
        self._showing = True
        for contrast, selector in self.selectors.items():
            selector.setCurrentNode(self._context.state.image(contrast))
            selector.setEnabled(not self._context.busy)
        self._showing = False
        self._judge()
        self._ui.loadButton.setEnabled(not self._context.busy)
        self._ui.guessButton.setEnabled(not self._context.busy)
        self._ui.sideBySideButton.setEnabled(self._context.state.flair is not None)

    def load_files(self) -> None:
        """Ask for files and load them."""
        found = qt.QFileDialog.getOpenFileNames(self._window(), _("Load study"), self._last_folder(), FILTER)
        self._load([Path(path) for path in found or ()])

    def load_folder(self) -> None:
        """Ask for a folder and load the images in it."""
        found = qt.QFileDialog.getExistingDirectory(self._window(), _("Load study"), self._last_folder())
        self._load([Path(found)] if found else [])

    def open_dicom(self) -> None:
        """Go to Slicer's DICOM module; what is loaded there is found with the button beside."""
        slicer.util.selectModule("DICOM")

    def find_inputs(self) -> None:
        """Guess which of the loaded volumes are the FLAIR, the T1w and the T2w."""
        with self._message.trying(), slicer.util.WaitCursor():
            self._assign(study_loading.assign(self._context.scene))

    def show_side_by_side(self) -> None:
        """Show the images side by side in linked views."""
        with self._message.trying():
            layouts.show_side_by_side(self._context.scene, self._context.state)

    def _load(self, paths: Sequence[Path]) -> None:
        if not paths:
            return
        with self._message.trying(), slicer.util.WaitCursor():
            first = paths[0]
            qt.QSettings().setValue(FOLDER_KEY, str(first if first.is_dir() else first.parent))
            nodes = study_loading.load_files(self._context.scene, paths)
            self._assign(study_loading.assign(self._context.scene, nodes))
            layouts.show_side_by_side(self._context.scene, self._context.state)

    def _assign(self, found: dict[str, tuple[Any, Any]]) -> None:
        for contrast, (node, _guess) in found.items():
            self._context.state.set_image(contrast, node)
        self._tell_guesses({contrast: guess for contrast, (_node, guess) in found.items()})
        self._tell_waiting()
        self._context.tell()

    def _chosen(self, _node: Any = None) -> None:
        """The reader chose a volume, which is no guess any more."""
        if self._showing or self._context.scene.IsClosing() or self._context.scene.IsImporting():
            return
        state = self._context.state
        if state.flair is not (flair := self.selectors["FLAIR"].currentNode()):
            state.flair = flair  # may bring back its T1w and T2w
            self._tell_guesses({})
            self._tell_waiting()
        else:
            for contrast, selector in self.selectors.items():
                if state.image(contrast) is not selector.currentNode():
                    state.set_image(contrast, selector.currentNode())
                    self._tell(contrast, "")
        self._context.tell()

    def _judge(self) -> None:
        """Warn of what can be seen on the images chosen before anything is computed."""
        chosen = {name: node for name in self.selectors if (node := self._context.state.image(name)) is not None}
        ids = tuple(f"{name} {node.GetID()}" for name, node in chosen.items())
        if ids == self._judged:
            return
        self._judged = ids
        sentences = []
        for name, node in chosen.items():
            with contextlib.suppress(StudyError):  # it is told when the computation is started
                sentences += [warning.message for warning in check_series(name, node_to_image(node))]
        show_warnings(self._ui.inputsQuality, sentences)

    def _tell_waiting(self) -> None:
        """Say that reviews of other studies of the scene are not lost, and how to go back to one."""
        state = self._context.state
        waiting = [f'"{one.flair.GetName()}"' for one in state.with_results() if one.flair is not state.flair]
        if waiting:
            text = _("Another study of this scene keeps its review: choose {names} as FLAIR to go back to it.")
            self._message.say(text.format(names=_(" or ").join(waiting)))
        else:
            self._message.clear()

    def _tell_guesses(self, guesses: dict[str, Any]) -> None:
        for contrast in self._guesses:
            guess = guesses.get(contrast)
            if guess is None or (guess.index is None and not guess.reason):
                self._tell(contrast, "")
            elif guess.sure or guess.index is None:
                self._tell(contrast, guess.reason)
            else:
                self._tell(contrast, _("Please check: {reason}").format(reason=guess.reason))

    def _tell(self, contrast: str, text: str) -> None:
        self._guesses[contrast].setText(text)
        self._guesses[contrast].setVisible(bool(text))

    def _make_menu(self) -> Any:
        menu = qt.QMenu(self._ui.loadButton)
        for text, method in (
            (_("Folder..."), self.load_folder),
            (_("Files..."), self.load_files),
            (_("DICOM database..."), self.open_dicom),
        ):
            menu.addAction(text).connect("triggered()", method)
        return menu

    def _last_folder(self) -> str:
        return str(slicer.util.settingsValue(FOLDER_KEY, "") or "")

    def _window(self) -> Any:
        return slicer.util.mainWindow()
