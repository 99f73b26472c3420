"""The list of models: shipped and added ones, found by name or path, added and removed, in spite of damage."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from MSLesionSegLib import model_store
from MSLesionSegLib.bundle import save_bundle
from MSLesionSegLib.bundle_schema import ModelDescription
from MSLesionSegLib.errors import ModelError, OutputError
from MSLesionSegLib.model_store import (
    add_model,
    default_model,
    find_model,
    list_models,
    platform_data_folder,
    remove_model,
    shipped_folder,
    user_folder,
)
from MSLesionSegLib.networks import build_network

LIBRARY = Path(__file__).resolve().parents[2] / "MSLesionSeg"
ARCHITECTURE = {"type": "efficientnet3d_unet", "widths": [8, 8, 8, 8, 8], "depths": [1, 1, 1, 1], "expansion": 2}


def make_bundle(folder, name="tiny", version="1.0", kind="lesion"):
    description = ModelDescription.model_validate(
        {
            "format_version": 1,
            "kind": kind,
            "name": name,
            "version": version,
            "architecture": ARCHITECTURE,
            "contrasts": ["FLAIR", "T1w", "T2w"],
            "spacing_mm": 1.0,
            "normalisation": "robust",
            "threshold": 0.5,
            "min_lesion_mm3": 3.0,
            "patch": [64, 64, 64],
            "flip": False,
            "training": {"data": ["none"], "licence": "Apache-2.0", "case_hashes": [], "recipe": {}},
            "scores": [],
            "created": "2026-01-31T12:00:00Z",
        }
    )
    torch.manual_seed(0)
    return save_bundle(folder / f"{name}-{version}", description, build_network(ARCHITECTURE).state_dict(), "# Card\n")


@pytest.fixture
def user(tmp_path, monkeypatch):
    """An empty user folder that does not exist yet, and a shipped folder with one lesion and one brain model."""
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(tmp_path / "user" / "models"))
    shipped = tmp_path / "shipped"
    make_bundle(shipped, "base", "1.0")
    make_bundle(shipped, "heads", "1.0", "brain")
    monkeypatch.setattr(model_store, "shipped_folder", lambda: shipped)
    return tmp_path / "user" / "models"


def names(kind=None):
    return [entry.full_name for entry in list_models(kind)]


def test_add_list_find_remove(user, tmp_path):
    assert names() == ["base-1.0", "heads-1.0"]
    source = make_bundle(tmp_path / "mine")
    entry = add_model(source)
    assert (entry.name, entry.version, entry.kind, entry.shipped) == ("tiny", "1.0", "lesion", False)
    assert entry.path == user / "tiny-1.0"
    assert {p.name: p.read_bytes() for p in entry.path.iterdir()} == {p.name: p.read_bytes() for p in source.iterdir()}
    assert names() == ["base-1.0", "heads-1.0", "tiny-1.0"]
    assert names("brain") == ["heads-1.0"]
    assert find_model("tiny") == find_model("tiny-1.0") == user / "tiny-1.0"
    assert list_models("lesion")[-1] == entry
    assert remove_model("tiny") == entry
    assert names() == ["base-1.0", "heads-1.0"]
    assert list(user.iterdir()) == []
    assert source.is_dir()


def test_add_a_zip(user, tmp_path):
    source = make_bundle(tmp_path / "mine")
    with zipfile.ZipFile(tmp_path / "tiny.zip", "w") as archive:
        for path in source.iterdir():
            archive.write(path, f"tiny-1.0/{path.name}")
    assert add_model(tmp_path / "tiny.zip").path == user / "tiny-1.0"
    assert [path.name for path in user.iterdir()] == ["tiny-1.0"]


def test_the_same_name_and_version_is_refused(user, tmp_path):
    add_model(make_bundle(tmp_path / "mine"))
    with pytest.raises(ModelError, match=r"tiny-1\.0 is there already"):
        add_model(tmp_path / "mine" / "tiny-1.0")
    with pytest.raises(ModelError, match=r"base-1\.0 is there already"):
        add_model(make_bundle(tmp_path / "other", "base", "1.0"))
    with pytest.raises(ModelError, match=r"BASE-1\.0 is there already"):
        add_model(make_bundle(tmp_path / "other", "BASE", "1.0"))


def test_a_damaged_bundle_is_not_added(user, tmp_path):
    source = make_bundle(tmp_path / "mine")
    (source / "MODEL_CARD.md").write_text("changed")
    with pytest.raises(ModelError, match="MODEL_CARD.md is damaged"):
        add_model(source)
    assert not user.exists()


def test_versions_are_ordered_as_numbers(user, tmp_path):
    for version in ("1.10", "1.9", "1.9rc1"):
        add_model(make_bundle(tmp_path / "mine", "tiny", version))
    assert names("lesion") == ["base-1.0", "tiny-1.9", "tiny-1.9rc1", "tiny-1.10"]
    assert find_model("tiny") == user / "tiny-1.10"
    assert find_model("tiny-1.9") == user / "tiny-1.9"
    with pytest.raises(ModelError, match=r"several versions of tiny: tiny-1\.9, tiny-1\.9rc1, tiny-1\.10"):
        remove_model("tiny")
    remove_model("tiny-1.10")
    assert names("lesion") == ["base-1.0", "tiny-1.9", "tiny-1.9rc1"]


def test_paths_are_found(user, tmp_path, monkeypatch):
    source = make_bundle(tmp_path / "mine")
    assert find_model(source) == source
    assert find_model(str(source)) == source
    monkeypatch.chdir(tmp_path / "mine")
    assert find_model("./tiny-1.0") == Path("./tiny-1.0")


def test_unknown_names_list_the_known_ones(user):
    for call in (find_model, remove_model):
        with pytest.raises(ModelError) as caught:
            call("nothing")
        assert "'nothing'" in caught.value.message
        assert "base-1.0" in caught.value.hint
    with pytest.raises(ModelError):
        find_model("")


def test_wrong_kind(user):
    with pytest.raises(ModelError, match="is a brain model; a lesion model is needed"):
        find_model("heads-1.0")
    assert find_model("heads", "brain").name == "heads-1.0"


def test_the_default_is_the_newest_shipped_one(user, tmp_path):
    assert default_model() == tmp_path / "shipped" / "base-1.0"
    assert default_model("brain") == tmp_path / "shipped" / "heads-1.0"
    add_model(make_bundle(tmp_path / "mine", "base", "2.0"))
    assert default_model().parent == tmp_path / "shipped"
    assert find_model("base") == user / "base-2.0"
    shutil.rmtree(tmp_path / "shipped" / "heads-1.0")
    with pytest.raises(ModelError, match="No brain model came with this installation"):
        default_model("brain")


def test_shipped_models_stay(user, tmp_path):
    with pytest.raises(ModelError, match="came with the program"):
        remove_model("base-1.0")
    assert default_model().is_dir()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "model.json is missing"),
        ("{", "model.json is damaged"),
        ("[]", "model.json is damaged"),
        ('{"name": "x"}', "model.json is damaged"),
        ('{"name": "../x", "version": "1", "kind": "lesion"}', "name, version or kind is not valid"),
        ('{"name": "x", "version": "1", "kind": "liver"}', "name, version or kind is not valid"),
    ],
)
def test_damaged_entries_are_listed_and_harm_nothing(user, text, problem):
    (user / "odd-1").mkdir(parents=True)
    (user / "file.txt").write_text("not a folder")
    (user / ".adding-x").mkdir()
    if text is not None:
        (user / "odd-1" / "model.json").write_text(text)
    entries = list_models()
    assert [entry.full_name for entry in entries] == ["base-1.0", "heads-1.0", "odd-1"]
    assert problem in entries[-1].problem and not entries[0].problem
    assert names("lesion") == ["base-1.0"]
    with pytest.raises(ModelError, match="cannot be used"):
        find_model("odd-1")
    remove_model("odd-1")
    assert names() == ["base-1.0", "heads-1.0"]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_linked_model_is_unlinked_not_deleted(user, tmp_path):
    source = make_bundle(tmp_path / "mine")
    user.mkdir(parents=True)
    (user / "tiny-1.0").symlink_to(source)
    remove_model("tiny-1.0")
    assert names() == ["base-1.0", "heads-1.0"] and (source / "model.json").is_file()


@pytest.mark.parametrize(
    ("platform", "environment", "home", "folder"),
    [
        ("linux", {}, "/home/ada", "/home/ada/.local/share"),
        ("linux", {"XDG_DATA_HOME": "/data/ada"}, "/home/ada", "/data/ada"),
        ("linux", {"XDG_DATA_HOME": "relative"}, "/home/ada", "/home/ada/.local/share"),
        ("linux", {"XDG_DATA_HOME": "/data/ada"}, None, "/data/ada"),
        ("linux", {}, None, None),
        ("darwin", {"XDG_DATA_HOME": "/data"}, "/Users/ada", "/Users/ada/Library/Application Support"),
        ("darwin", {}, None, None),
        ("win32", {"LOCALAPPDATA": r"C:\Users\ada\AppData\Local"}, r"C:\Users\ada", r"C:\Users\ada\AppData\Local"),
        ("win32", {}, r"C:\Users\ada", r"C:\Users\ada\AppData\Local"),
        ("win32", {}, None, None),
    ],
)
def test_data_folder_of_each_system(platform, environment, home, folder):
    assert platform_data_folder(platform, environment, home) == folder


def test_user_folder_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(tmp_path))
    assert user_folder() == tmp_path
    monkeypatch.setenv("MSLESIONSEG_MODELS", "")
    assert user_folder() != tmp_path and user_folder().parts[-2:] == ("mslesionseg", "models")


def test_shipped_folder_is_inside_a_wheel_or_beside_in_a_clone():
    assert shipped_folder() in (LIBRARY / "MSLesionSegLib/Resources/Models", LIBRARY / "Resources/Models")


def test_no_user_folder_still_lists_the_shipped(user, tmp_path, monkeypatch):
    monkeypatch.setattr(model_store, "user_folder", lambda: None)
    assert names() == ["base-1.0", "heads-1.0"]
    assert find_model("base").name == "base-1.0"
    with pytest.raises(OutputError, match="no home folder") as caught:
        add_model(make_bundle(tmp_path / "mine"))
    assert "MSLESIONSEG_MODELS" in caught.value.hint


def test_a_user_folder_that_cannot_be_written(user, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(tmp_path / "file" / "models"))
    assert names() == ["base-1.0", "heads-1.0"]
    with pytest.raises(OutputError, match="cannot be written") as caught:
        add_model(make_bundle(tmp_path / "mine"))
    assert "MSLESIONSEG_MODELS" in caught.value.hint


def test_the_list_needs_only_the_standard_library(tmp_path):
    script = "import sys, MSLesionSegLib.model_store as s; s.list_models(); print(sorted(sys.modules))"
    environment = {"PYTHONPATH": str(LIBRARY), "MSLESIONSEG_MODELS": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-S", "-c", script], capture_output=True, text=True, env=environment, check=True
    )
    loaded = {name.split(".")[0] for name in json.loads(run.stdout.replace("'", '"'))}
    assert not loaded & {"torch", "pydantic", "safetensors", "numpy", "SimpleITK", "scipy"}
