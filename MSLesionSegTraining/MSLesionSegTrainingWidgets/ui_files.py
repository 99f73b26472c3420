"""The .ui files of the module."""

from pathlib import Path
from typing import Any

import slicer

FOLDER = Path(__file__).resolve().parents[1] / "Resources" / "UI"


def load_ui(name: str, layout: Any) -> Any:
    """Load ``Resources/UI/NAME.ui`` into a layout; its widgets by name."""
    widget = slicer.util.loadUI(str(FOLDER / f"{name}.ui"))
    layout.addWidget(widget)
    return slicer.util.childWidgetVariables(widget)
