"""How the pictures of the documentation are put together."""

from pathlib import Path
from typing import Any

import numpy as np

VIEW = (400, 400)
LARGEST_KB = 400


def save_beside_views(qt_host: Any, widget: Any, file: Path) -> None:
    """A widget with what the slice views show to the right of it, as one picture."""
    import slicer
    from Testing.host.pictures import picture_of_views

    qt = qt_host.qt
    views = picture_of_views(qt_host.logics, slicer.app.layoutManager().sliceViewNames(), VIEW)
    assert len(np.unique(views)) > 100
    picture = qt.QImage(views.tobytes(), views.shape[1], views.shape[0], views.shape[1] * 3, qt.QImage.Format_RGB888)
    panel = widget.grab().toImage()
    both = qt.QImage(panel.width() + picture.width(), max(panel.height(), picture.height()), qt.QImage.Format_RGB32)
    both.fill(qt.QColor(0, 0, 0))
    painter = qt.QPainter(both)
    painter.drawImage(0, 0, panel)
    painter.drawImage(panel.width(), (both.height() - picture.height()) // 2, picture)
    painter.end()
    assert both.save(str(file))
