"""Stand-ins for the widgets of CTK and Slicer that the modules use; each has the name and the place of the original."""

from .ctk_widgets import ctkCollapsibleButton, ctkMessageBox, ctkSliderWidget
from .mrml_widgets import qMRMLNodeComboBox, qMRMLWidget
from .segment_editor import qMRMLSegmentEditorWidget

CTK = (ctkCollapsibleButton, ctkMessageBox, ctkSliderWidget)
SLICER = (qMRMLNodeComboBox, qMRMLSegmentEditorWidget, qMRMLWidget)
