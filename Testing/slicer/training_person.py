"""A person before a tab of the module MSLesionSegTraining, with a small data set and a small model."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from Testing.slicer.person import Person
from Testing.training.made_up_set import add_case, add_split
from Testing.training.tiny_bundle import tiny_bundle

from MSLesionSegLib import __version__
from MSLesionSegTrainingLib.prepared_cache import PreparedCache

PATIENTS = ("sub-01", "sub-02", "sub-03")
SYNTHETIC = 24


def small_data_set(folder: Path) -> Path:
    """Two patients who train and one who validates; lesions of synthetic patients, which take long, are in the cache.

    Returns:
        The data set's folder.
    """
    for number, patient in enumerate(PATIENTS, start=1):
        add_case(folder, patient, number)
    add_split(folder, sub_01="train", sub_02="train", sub_03="validation")
    keep_synthetic_patients(folder / "derivatives" / "prepared")
    return folder


def keep_synthetic_patients(cache: Path) -> None:
    """Put small lesions in the place of those that ``rehearsal`` would plant."""
    from MSLesionSegTrainingLib.rehearsal import LESIONS

    def build(place: Path) -> None:
        lesion = np.zeros((40, 40, 40), np.uint8)
        lesion[12:16, 12:16, 12:16] = lesion[24:27, 20:23, 18:22] = 1
        np.save(place / "lesion.npy", lesion)
        np.save(place / "box.npy", np.array([[4, 4, 4], [36, 36, 36]]))

    prepared = PreparedCache(cache)
    for number in range(SYNTHETIC):
        prepared.entry(
            {"kind": "synthetic lesions", "number": number, "lesions": LESIONS, "version": __version__}, build
        )


def small_model(folder: Path) -> str:
    """Add a small model to the models in ``folder``; its full name."""
    tiny_bundle(folder, "tiny", norm="instance")
    return "tiny-1.0"


def end_processes_of(folder: Path) -> None:
    """End every process that has a path below the folder among its words."""
    from MSLesionSegWidgets.process_tree import end_tree

    for number in processes_of(folder):
        end_tree(number)


def processes_of(folder: Path) -> list[int]:
    """Numbers of the processes that have a path below the folder among their words."""
    from MSLesionSegWidgets.process_tree import list_processes

    return [one.number for one in list_processes() if str(folder) in one.words]


@contextmanager
def training_panel(host: Any, dataset: Path, tab: str) -> Iterator[Person]:
    """The module opened on a data set; a person before one of its tabs."""
    from MSLesionSegWidgets.worker_settings import choose_interpreter

    choose_interpreter(sys.executable)
    widget = host.open_module("MSLesionSegTraining")
    widget.parent.resize(480, 1300)
    widget.panel.context.choose_folder(dataset)
    section = widget.panel.sections[tab]
    widget.ui.tabs.setCurrentWidget(getattr(widget.ui, f"{tab}Tab"))
    host.app.processEvents()
    person = Person(host, SimpleNamespace(ui=section.ui, panel=widget.panel, parent=widget.parent))
    person.section = section
    try:
        yield person
    finally:
        host.close_module(widget)
