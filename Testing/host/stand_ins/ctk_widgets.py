"""Widgets of CTK."""

from PySide6 import QtCore, QtGui, QtWidgets


class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A section of a panel with a title bar that folds it."""

    contentsCollapsed = QtCore.Signal(bool)
    _signals = {"contentsCollapsed(bool)": ("contentsCollapsed", None)}
    _TITLE_HEIGHT = 24

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._collapsed = False
        self._hidden: list[QtWidgets.QWidget] = []
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Preferred)
        self.setContentsMargins(0, self._TITLE_HEIGHT, 0, 0)
        QtCore.QObject.connect(self, QtCore.SIGNAL("clicked()"), self._toggle)

    def _read_collapsed(self) -> bool:
        return self._collapsed

    def _write_collapsed(self, folded: bool) -> None:
        if folded == self._collapsed:
            return
        self._collapsed = bool(folded)
        if folded:
            self._hidden = [
                child for child in self.findChildren(QtWidgets.QWidget, options=_DIRECT) if not child.isHidden()
            ]
        for child in self._hidden:
            child.setVisible(not folded)
        self.setMaximumHeight(self._TITLE_HEIGHT if folded else 16777215)
        self.contentsCollapsed.emit(folded)

    collapsed = QtCore.Property(bool, _read_collapsed, _write_collapsed)

    def _toggle(self) -> None:
        self.collapsed = not self._collapsed

    def sizeHint(self) -> QtCore.QSize:
        """Height of the title where folded, else of the contents."""
        inner = self.layout().sizeHint() if self.layout() is not None else QtCore.QSize(200, self._TITLE_HEIGHT)
        return QtCore.QSize(inner.width(), self._TITLE_HEIGHT) if self._collapsed else inner

    def minimumSizeHint(self) -> QtCore.QSize:
        """As ``sizeHint``."""
        return self.sizeHint()

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        """Draw the title bar."""
        painter = QtGui.QPainter(self)
        bar = QtCore.QRect(0, 0, self.rect.width(), self._TITLE_HEIGHT - 4)
        painter.fillRect(bar, self.palette.color(QtGui.QPalette.ColorRole.Midlight))
        mark = "\u25b8" if self._collapsed else "\u25be"
        painter.drawText(bar.adjusted(6, 0, 0, 0), QtCore.Qt.AlignmentFlag.AlignVCenter, f"{mark}  {self.text}")


_DIRECT = QtCore.Qt.FindChildOption.FindDirectChildrenOnly


class ctkSliderWidget(QtWidgets.QWidget):
    """A slider of decimals with a box beside it."""

    valueChanged = QtCore.Signal(float)
    valueIsChanging = QtCore.Signal(float)
    _signals = {
        "valueChanged(double)": ("valueChanged", None),
        "valueIsChanging(double)": ("valueIsChanging", None),
    }
    _STEPS = 10000

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._tracking = True
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal, self)
        self._slider.setRange(0, self._STEPS)
        self._box = QtWidgets.QDoubleSpinBox(self)
        self._box.setMaximum(100)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._slider)
        row.addWidget(self._box)
        QtCore.QObject.connect(self._slider, QtCore.SIGNAL("valueChanged(int)"), self._slider_moved)
        QtCore.QObject.connect(self._slider, QtCore.SIGNAL("sliderReleased()"), self._slider_released)
        QtCore.QObject.connect(self._box, QtCore.SIGNAL("valueChanged(double)"), self._box_changed)

    minimum = QtCore.Property(float, lambda self: self._box.minimum, lambda self, v: self._set_range(v, self.maximum))
    maximum = QtCore.Property(float, lambda self: self._box.maximum, lambda self, v: self._set_range(self.minimum, v))
    value = QtCore.Property(float, lambda self: self._box.value, lambda self, value: self.setValue(value))
    singleStep = QtCore.Property(
        float, lambda self: self._box.singleStep, lambda self, step: self._box.setSingleStep(step)
    )
    pageStep = QtCore.Property(float, lambda self: self._slider.pageStep / self._STEPS, lambda self, step: None)
    decimals = QtCore.Property(int, lambda self: self._box.decimals, lambda self, count: self._box.setDecimals(count))
    suffix = QtCore.Property(str, lambda self: self._box.suffix, lambda self, text: self._box.setSuffix(text))
    prefix = QtCore.Property(str, lambda self: self._box.prefix, lambda self, text: self._box.setPrefix(text))
    tracking = QtCore.Property(bool, lambda self: self._tracking, lambda self, on: setattr(self, "_tracking", on))

    def setValue(self, value: float) -> None:
        """Set the value, within the range."""
        self._box.setValue(value)

    def setDecimals(self, count: int) -> None:
        """Set the number of decimals."""
        self._box.setDecimals(count)

    def _set_range(self, low: float, high: float) -> None:
        self._box.setRange(low, high)
        self._follow_box()

    def _box_changed(self, value: float) -> None:
        self._follow_box()
        self.valueChanged.emit(value)

    def _follow_box(self) -> None:
        span = self._box.maximum - self._box.minimum
        blocked = self._slider.blockSignals(True)
        self._slider.setValue(round((self._box.value - self._box.minimum) / span * self._STEPS) if span else 0)
        self._slider.blockSignals(blocked)

    def _slider_moved(self, position: int) -> None:
        span = self._box.maximum - self._box.minimum
        value = self._box.minimum + position / self._STEPS * span
        if self._slider.isSliderDown():
            self.valueIsChanging.emit(value)
        if self._tracking or not self._slider.isSliderDown():
            self._box.setValue(value)

    def _slider_released(self) -> None:
        self._slider_moved(self._slider.value)


class ctkMessageBox(QtWidgets.QMessageBox):
    """A message box that may be told not to come again."""
