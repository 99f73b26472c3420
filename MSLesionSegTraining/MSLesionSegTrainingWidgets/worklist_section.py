"""Tab Work list: the folder of studies, its cases, and what is done of them."""

from typing import Any

from .training_context import TrainingContext
from .ui_files import load_ui


class WorklistSection:
    """The tab; ``build`` makes it."""

    def build(self, layout: Any, context: TrainingContext) -> None:
        """Make the widgets.

        Args:
            layout: of the tab.
            context: of the panel.
        """
        self.ui = load_ui("WorkList", layout)
        self._context = context

    def enter(self) -> None:
        """The module is shown."""

    def exit(self) -> None:
        """Another module is shown."""

    def close(self) -> None:
        """The panel goes."""
