"""The synthetic study as sample data: registered where Slicer has the module, made here, loaded."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ENGINE = Path(__file__).resolve().parents[2] / "MSLesionSeg"


class Logic:
    """Keeps what is registered, as ``SampleData.SampleDataLogic`` does, under its names and parameters."""

    registered: dict[str, list]

    @staticmethod
    def isSampleDataSourceRegistered(category, sampleDataSource):
        return sampleDataSource in Logic.registered.get(category, [])

    @staticmethod
    def registerCustomSampleDataSource(category="Custom", **source):
        Logic.registered.setdefault(category, []).append(source)


@pytest.fixture
def sample_data(monkeypatch):
    """Slicer 5.10's module Sample Data, as far as it keeps a list."""
    Logic.registered = {}
    module = ModuleType("SampleData")
    module.SampleDataLogic, module.SampleDataSource = Logic, dict
    monkeypatch.setitem(sys.modules, "SampleData", module)
    return module


def test_the_phantom_is_offered_once_with_a_picture(qt_host, sample_data):
    from MSLesionSegWidgets.sample_data import register_sample_data

    assert register_sample_data()
    assert register_sample_data()
    ((category, (source,)),) = Logic.registered.items()
    assert (category, source["sampleName"]) == ("MSLesionSeg", "MSLesionSegPhantom")
    assert Path(source["thumbnailFileName"]).is_file()


def test_the_phantom_and_the_terms_of_a_lesion_are_there_once_slicer_has_started(qt_host, sample_data):
    import slicer

    from MSLesionSeg import MSLesionSeg
    from MSLesionSegScene.terminology import CONTEXT

    MSLesionSeg(SimpleNamespace())
    assert Logic.registered == {}
    qt_host.app.startupCompleted.emit()
    assert list(Logic.registered) == ["MSLesionSeg"]
    assert slicer.modules.terminologies.logic().IsTerminologyContextLoaded(CONTEXT)


def test_slicer_5_12_shows_a_title_over_it(qt_host, sample_data, monkeypatch):
    from MSLesionSegWidgets.sample_data import register_sample_data

    titles = {}
    monkeypatch.setattr(Logic, "registerCustomSampleDataCategory", titles.__setitem__, raising=False)
    assert register_sample_data()
    assert titles == {"MSLesionSeg": "MS lesions"}


def test_without_slicers_module_nothing_is_offered_and_nothing_breaks(qt_host, monkeypatch):
    from MSLesionSegWidgets.sample_data import register_sample_data

    monkeypatch.setitem(sys.modules, "SampleData", None)
    assert register_sample_data() is False


def test_it_is_made_here_and_loaded(qt_host, sample_data, monkeypatch, phantom_study):
    import slicer

    from MSLesionSegWidgets.sample_data import register_sample_data

    register_sample_data()
    (source,) = Logic.registered["MSLesionSeg"]
    # One that lies there already, as after the first time, is taken as it is.
    shutil.copytree(phantom_study, Path(slicer.app.cachePath) / "MSLesionSegPhantom", dirs_exist_ok=True)
    nodes = source["customDownloader"](source)
    assert [node.GetName() for node in nodes] == ["FLAIR", "T1w", "T2w"]
    assert nodes[0].GetImageData().GetDimensions() == (232, 272, 50)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 3


def test_a_cache_folder_that_holds_other_files_is_a_message_and_nothing_is_lost(qt_host, monkeypatch, tmp_path):
    import slicer

    from MSLesionSegWidgets.sample_data import load_phantom

    (tmp_path / "MSLesionSegPhantom").mkdir()
    (tmp_path / "MSLesionSegPhantom" / "mine.txt").write_text("mine")
    monkeypatch.setattr(type(slicer.app), "cachePath", str(tmp_path))
    told = []
    monkeypatch.setattr(slicer.util, "errorDisplay", told.append)
    assert load_phantom() == []
    assert len(told) == 1 and "holds files that are not a result of this program" in told[0]
    assert (tmp_path / "MSLesionSegPhantom" / "mine.txt").read_text() == "mine"


def test_making_it_needs_only_what_slicer_brings():
    block = """
import sys
class Block:
    allowed = {*sys.stdlib_module_names, "numpy", "scipy", "SimpleITK", "MSLesionSegLib"}
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in self.allowed and not name.startswith("_sysconfigdata"):
            raise ModuleNotFoundError(f"{name} is not installed", name=name)
sys.meta_path.insert(0, Block())
import MSLesionSegLib.phantom
"""
    environment = {**os.environ, "PYTHONPATH": str(ENGINE)}
    done = subprocess.run([sys.executable, "-c", block], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
