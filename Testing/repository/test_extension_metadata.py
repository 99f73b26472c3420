"""What the Extensions Index reads of the root CMakeLists.txt, as its checks read it: text, not run."""

import json
import re
import struct
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
HOME = "https://github.com/OWNER/SlicerMSLesionSeg"
RAW = "https://raw.githubusercontent.com/OWNER/SlicerMSLesionSeg/main/"


def metadata(name: str) -> str:
    """The one quoted text of ``set(EXTENSION_NAME "...")``."""
    text = (REPOSITORY / "CMakeLists.txt").read_text("utf-8")
    (value,) = re.findall(rf'^set\(EXTENSION_{name} "([^"\n]*)"\)', text, re.MULTILINE)
    return value


def pictures() -> list[Path]:
    """The files behind the addresses of icon and screenshots."""
    addresses = [metadata("ICONURL"), *metadata("SCREENSHOTURLS").split()]
    assert all(address.startswith(RAW) for address in addresses)
    return [REPOSITORY / address.removeprefix(RAW) for address in addresses]


def test_the_repository_is_named_as_the_index_wants_it():
    assert metadata("HOMEPAGE") == HOME
    assert metadata("CATEGORY") == "Segmentation"
    assert not re.search(r"[^\x00-\x7f]", metadata("DESCRIPTION"))
    assert metadata("DESCRIPTION").endswith("For research use only.")


def test_icon_and_screenshots_are_pictures_in_the_repository():
    icon, *screenshots = pictures()
    assert screenshots
    for picture in (icon, *screenshots):
        assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n"), picture
    assert struct.unpack(">II", icon.read_bytes()[16:24]) == (128, 128)


def test_each_module_has_its_icon():
    text = (REPOSITORY / "CMakeLists.txt").read_text("utf-8")
    scripts = [name for name in re.findall(r"^add_subdirectory\((\w+)\)$", text, re.MULTILINE)]
    with_script = [name for name in scripts if (REPOSITORY / name / f"{name}.py").is_file()]
    assert with_script
    for name in with_script:
        assert (REPOSITORY / name / "Resources" / "Icons" / f"{name}.png").is_file()


def test_the_licence_and_the_entry_of_the_index_are_there():
    assert (REPOSITORY / "LICENSE.txt").is_file()
    text = (REPOSITORY / "docs" / "publishing.md").read_text("utf-8")
    entry = json.loads(re.search(r"```json\n(.*?)```", text, re.DOTALL).group(1))
    assert set(entry) == {"$schema", "build_dependencies", "category", "scm_revision", "scm_url", "tier"}
    assert entry["scm_url"] == f"{HOME}.git"
    assert entry["category"] == metadata("CATEGORY")
    assert entry["build_dependencies"] == [metadata("DEPENDS")]


@pytest.mark.parametrize("name", ["slicer_install.md"])
def test_the_offline_command_downloads_all_that_is_asked_for(name):
    from MSLesionSegWidgets.install_requirements import BASE, FAST, TORCH

    text = (REPOSITORY / "docs" / name).read_text("utf-8")
    (line,) = [line for line in text.splitlines() if "pip download" in line]
    assert set(re.findall(r'"([^"]+)"', line)) == {TORCH, *BASE, *FAST}
