"""The two segments of a result: the model's mask and the reader's, apart, so that their difference stays measurable."""

from __future__ import annotations

import numpy as np
import slicer

from .segments import write_segment
from .terminology import lesion_terminology

MODEL_SEGMENT = "model"
READER_SEGMENT = "reader"
MODEL_COLOUR = (0.25, 0.65, 1.0)
READER_COLOUR = (1.0, 0.8, 0.24)
FILL_OPACITY = 0.25
"""Low, so that the grey values under a lesion stay readable."""


def ensure_segments(node: slicer.vtkMRMLSegmentationNode, flair: slicer.vtkMRMLVolumeNode) -> None:
    """Add the model's and the reader's segment, empty, where they are not there; others stay as they are."""
    for segment_id, name, colour in (
        (MODEL_SEGMENT, "Lesions (model)", MODEL_COLOUR),
        (READER_SEGMENT, "Lesions (reader)", READER_COLOUR),
    ):
        if node.GetSegmentation().GetSegment(segment_id) is not None:
            continue
        segment = slicer.vtkSegment()
        segment.SetName(name)
        segment.SetColor(*colour)
        segment.SetTerminology(lesion_terminology())
        node.GetSegmentation().AddSegment(segment, segment_id)
        write_segment(node, segment_id, flair, np.zeros(flair.GetImageData().GetDimensions()[::-1], bool))
        display = node.GetDisplayNode()
        if display is not None:
            display.SetSegmentVisibility(segment_id, segment_id == READER_SEGMENT)
            display.SetSegmentOpacity2DFill(segment_id, FILL_OPACITY)
            display.SetSegmentOpacity2DOutline(segment_id, 1.0)
