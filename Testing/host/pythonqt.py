"""PySide6 that behaves like PythonQt: properties as attributes, ``connect("signal(types)", f)``, one module ``qt``."""

import ctypes
import sys
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

from PySide6 import QtCore, QtGui, QtTest, QtUiTools, QtWidgets

#: Properties that PythonQt hides behind a method of the same name.
HIDDEN_PROPERTIES = {("QTimer", "singleShot")}
#: Properties that stay methods here, unlike in PythonQt: C++ would take the attribute for an override of its getter.
VIRTUAL_GETTERS = {"sizeHint", "minimumSizeHint", "duration"}
_dressed = False


def dress() -> None:
    """Change the classes of PySide6, once in a process and for good."""
    global _dressed
    if _dressed:
        return
    _dressed = True
    _spare_true_and_none()
    modules = (QtCore, QtGui, QtWidgets)
    for one in [getattr(module, name) for module in modules for name in dir(module)]:
        if not _is_qobject(one):
            continue
        _properties_as_attributes(one)
        _refuse_new_attributes(one)
        _string_connections(one)
    QtCore.QObject.name = QtCore.QObject.objectName
    QtCore.QObject.className = lambda self: _class_name(self)
    QtCore.QObject.delete = lambda self: _delete(self)


def _spare_true_and_none() -> None:
    """PySide6 6.12 returns True and None without counting the reference, and Python 3.11 ends when none is left."""
    if sys.version_info < (3, 12):
        for one in (True, None):
            ctypes.c_ssize_t.from_address(id(one)).value += 1 << 40


def _is_qobject(one: Any) -> bool:
    return isinstance(one, type) and issubclass(one, QtCore.QObject) and hasattr(one, "staticMetaObject")


def make_qt_module() -> ModuleType:
    """The module ``qt``: every class of QtCore, QtGui and QtWidgets under one roof."""
    module = ModuleType("qt")
    for source in (QtCore, QtGui, QtWidgets, QtTest):
        for name in dir(source):
            if name.startswith("Q"):
                setattr(module, name, getattr(source, name))
    return module


def _properties_as_attributes(one: type) -> None:
    meta = one.staticMetaObject
    if meta.className() != one.__name__:
        return
    for index in range(meta.propertyOffset(), meta.propertyCount()):
        name = meta.property(index).name()
        if (one.__name__, name) not in HIDDEN_PROPERTIES and name not in VIRTUAL_GETTERS:
            setattr(one, name, _attribute(name, meta.property(index).isWritable()))


def _attribute(name: str, writable: bool) -> property:
    def read(self: QtCore.QObject) -> Any:
        value = self.property(name)
        return tuple(value) if isinstance(value, list) else value

    def write(self: QtCore.QObject, value: Any) -> None:
        self.setProperty(name, value)

    return property(read, write if writable else None)


def _refuse_new_attributes(one: type) -> None:
    """PythonQt has no new attributes on C++ objects; subclasses in Python may have them."""

    def guarded(self: QtCore.QObject, name: str, value: Any) -> None:
        foreign = not type(self).__module__.startswith(("PySide6", __package__))
        child = isinstance(value, QtCore.QObject) and value.objectName == name  # the loader of .ui files
        if foreign or child or name.startswith("_") or hasattr(type(self), name):
            _set(self, name, value)
        else:
            raise AttributeError(f"{_class_name(self)} has no attribute {name}")

    one.__setattr__ = guarded


def _set(self: QtCore.QObject, name: str, value: Any) -> None:
    """What ``object.__setattr__`` does, which Python refuses to call for Qt's types."""
    for kind in type(self).__mro__:
        found = kind.__dict__.get(name)
        if isinstance(found, QtCore.Property):
            found.fset(self, value)
            return
        if hasattr(type(found), "__set__"):
            found.__set__(self, value)
            return
    self.__dict__[name] = value


def _string_connections(one: type) -> None:
    """``connect`` and ``disconnect`` of an object take the C++ signature of a signal.

    A class at a time, since PySide6 gives some, as QProcess, a lookup of their own.
    """
    plain = one.__getattribute__

    def lookup(self: QtCore.QObject, name: str) -> Any:
        if name == "connect":
            return lambda *words: _connect(self, *words)
        if name == "disconnect":
            return lambda *words: _disconnect(self, *words)
        return plain(self, name)

    one.__getattribute__ = lookup


def _connect(sender: QtCore.QObject, signature: str, *receiver: Any) -> bool:
    """Connect a signal; where PythonQt would print a line and return False, an error is raised.

    Raises:
        AttributeError: the object has no such signal.
    """
    signal = _signal_of(sender, signature)
    if signal is None:
        return QtCore.QObject.connect(sender, QtCore.SIGNAL(signature), *_native_receiver(receiver))
    signal.connect(_callable(receiver))
    return True


def _disconnect(sender: QtCore.QObject, signature: str, *receiver: Any) -> bool:
    signal = _signal_of(sender, signature)
    if signal is None:
        if not receiver:
            return QtCore.QObject.disconnect(sender, QtCore.SIGNAL(signature), None, None)
        return QtCore.QObject.disconnect(sender, QtCore.SIGNAL(signature), *_native_receiver(receiver))
    signal.disconnect(_callable(receiver)) if receiver else signal.disconnect()
    return True


def _signal_of(sender: QtCore.QObject, signature: str) -> Any:
    """The signal of a stand-in; None for one of Qt's own."""
    table = getattr(type(sender), "_signals", {})
    if signature in table:
        name, overload = table[signature]
        signal = getattr(sender, name)
        return signal if overload is None else signal[overload]
    normal = bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode()
    if sender.metaObject().indexOfSignal(normal) < 0:
        raise AttributeError(f"{_class_name(sender)} has no signal {signature}")
    return None


def _native_receiver(receiver: tuple) -> tuple:
    if len(receiver) == 2 and isinstance(receiver[1], str):
        return receiver[0], QtCore.SLOT(receiver[1])
    return receiver


def _callable(receiver: tuple) -> Any:
    if len(receiver) == 2:
        return getattr(receiver[0], receiver[1].partition("(")[0])
    return receiver[0]


def _class_name(one: QtCore.QObject) -> str:
    """The name of the C++ class, of which a stand-in bears the name."""
    return type(one).__name__


def _delete(one: QtCore.QObject) -> None:
    import shiboken6

    shiboken6.delete(one)


class UiLoader(QtUiTools.QUiLoader):
    """``qt.QUiLoader`` that knows the stand-ins and refuses every other class that Qt has not.

    Attributes:
        stand_ins: class name -> class, shared by all loaders.
    """

    stand_ins: dict[str, type] = {}

    def createWidget(self, class_name: str, parent: Any = None, name: str = "") -> Any:
        """Make the widget that a .ui file asks for.

        Raises:
            LookupError: neither Qt nor the host has this class.
        """
        if class_name in self.stand_ins:
            widget = self.stand_ins[class_name](parent)
            widget.setObjectName(name)
            return widget
        if class_name not in self.availableWidgets() and class_name not in ("Line",):
            raise LookupError(f"the host has no stand-in for {class_name}")
        return super().createWidget(class_name, parent, name)

    def load(self, device: Any, parent: Any = None) -> Any:
        """Load a .ui file; its connections are made here, since Qt knows no signals of stand-ins."""
        tree = ElementTree.fromstring(bytes(device.readAll().data()))
        connections = tree.find("connections")
        wanted = [] if connections is None else list(connections)
        if connections is not None:
            tree.remove(connections)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(tree))
        widget = super().load(buffer, parent)
        for connection in wanted:
            sender, receiver = (_named(widget, connection.findtext(end)) for end in ("sender", "receiver"))
            slot = getattr(receiver, connection.findtext("slot").partition("(")[0])
            _connect(sender, connection.findtext("signal"), slot)
        return widget


def _named(root: Any, name: str) -> Any:
    """A widget of a .ui file by its name.

    Raises:
        LookupError: there is none.
    """
    found = root if root.objectName == name else root.findChild(QtCore.QObject, name)
    if found is None:
        raise LookupError(f"there is no widget {name}")
    return found
