"""The test host for all tests of the Slicer modules: real MRML, real Qt, no desktop program."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def _host() -> Any:
    # The repository, for ``Testing.host``; never the folder Testing, in which ``slicer`` would be taken for Slicer's.
    if str(REPOSITORY) not in sys.path:
        sys.path.append(str(REPOSITORY))
    from Testing.host.start import start_host

    return start_host()


@pytest.fixture
def qt_host(_host) -> Iterator[Any]:
    """The host (``Testing/host/start.py``) with an empty scene; errors in C++ and in slots fail the test."""
    _host.scene.Clear(0)
    _host.file_answers.clear()
    _host.failures.take()
    before = _host.failures.catch_exceptions()
    yield _host
    _host.app.processEvents()
    _host.scene.Clear(0)
    sys.excepthook = before
    failures = _host.failures.take()
    assert not failures, "errors that the application would only print:\n" + "\n".join(failures)


@pytest.fixture
def scene(qt_host) -> Any:
    """The empty ``vtkMRMLScene`` that is ``slicer.mrmlScene``."""
    return qt_host.scene


@pytest.fixture
def opened(qt_host) -> Iterator[Any]:
    """A person (``person.py``) before the open module MSLesionSeg, with an empty scene."""
    from Testing.slicer.person import Person

    from MSLesionSegWidgets.worker_settings import choose_interpreter

    choose_interpreter(sys.executable)
    widget = qt_host.open_module("MSLesionSeg")
    widget.parent.resize(460, 1300)
    qt_host.app.processEvents()
    yield Person(qt_host, widget)
    qt_host.close_module(widget)


@pytest.fixture
def opened_training(qt_host) -> Iterator[Any]:
    """A person (``person.py``) before the open module MSLesionSegTraining, with an empty scene."""
    from Testing.slicer.person import Person

    from MSLesionSegTrainingWidgets.training_context import FOLDER_KEY
    from MSLesionSegWidgets.worker_settings import choose_interpreter

    choose_interpreter(sys.executable)
    qt_host.qt.QSettings().remove(FOLDER_KEY)
    widget = qt_host.open_module("MSLesionSegTraining")
    widget.parent.resize(460, 1300)
    qt_host.app.processEvents()
    yield Person(qt_host, widget)
    qt_host.close_module(widget)


@pytest.fixture
def root(tmp_path) -> Path:
    """A folder of three studies that the model has gone through, for a work list."""
    from Testing.slicer.worklist_studies import make_studies

    return make_studies(tmp_path / "studies")


@pytest.fixture
def anna(opened_training, root) -> Any:
    """Anna before the work list of these studies."""
    from Testing.slicer.worklist_person import before_list

    return before_list(opened_training, root, "Anna")


@pytest.fixture
def picture_folder(tmp_path) -> Path:
    """Where pictures go: ``MSLESIONSEG_PICTURES``, which keeps them, or a folder of the test."""
    chosen = Path(os.environ.get("MSLESIONSEG_PICTURES") or tmp_path / "pictures")
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen
