"""What the install step makes of folders, versions and of what pip prints, without installing anything."""

import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from MSLesionSegWidgets import install_findings as findings
from MSLesionSegWidgets.install_outcome import pip_failure
from MSLesionSegWidgets.install_requirements import BASE, BATCH, BUNDLED, DICOM, FAST, TORCH, missing, write_constraints
from MSLesionSegWidgets.torch_state import TorchState, torch_leftovers, torch_state

FITS = "The names of the files will not be too long."
REPOSITORY = Path(__file__).resolve().parents[2]


def make_torch(site: Path, version: str = "2.9.1", *, files: tuple[str, ...] = ("torch/__init__.py", "torch/lib/c.so")):
    """An installed distribution torch, as pip leaves one."""
    record = site / f"torch-{version}.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
    names = [*files, *(f"{record.name}/{name}" for name in ("METADATA", "RECORD")), "torch/__pycache__/x.pyc"]
    (record / "RECORD").write_text("".join(f"{name},,\n" for name in names))
    for name in files:
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).touch()


def test_the_lists_are_those_of_the_distribution():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    bundled = {name.lower() for name in BUNDLED}
    asked = [text for text in project["dependencies"] if Requirement(text).name.lower() not in bundled]
    assert list(BASE) == asked
    assert list(FAST) == project["optional-dependencies"]["fast"]
    assert list(DICOM) == project["optional-dependencies"]["dicom"]
    assert list(BATCH) == project["optional-dependencies"]["batch"]
    assert TORCH in project["optional-dependencies"]["train"]


def test_nothing_that_slicer_brings_is_asked_for_and_nothing_is_pinned():
    asked = [Requirement(text) for text in (*BASE, *FAST, TORCH)]
    assert not {one.name.lower() for one in asked} & {name.lower() for name in BUNDLED}
    assert {part.operator for one in asked for part in one.specifier} == {">="}


def test_only_what_is_absent_or_too_old_is_missing():
    versions = {"matplotlib": "3.11.2", "pydantic": "1.10.9", "rich": "13.0", "typer": "0.16.0rc1"}
    assert missing(BASE, versions.get) == ["pydantic>=2.6", "safetensors>=0.4.3"]
    assert missing([TORCH], {"torch": "2.13.0+cu126"}.get) == []


def test_what_slicer_brings_is_held_at_its_version(tmp_path):
    write_constraints(tmp_path / "c.txt", {"numpy": "2.0.2", "SimpleITK": "2.5.2", "torch": "2.9"}.get)
    assert (tmp_path / "c.txt").read_text() == "numpy==2.0.2\nSimpleITK==2.5.2\n"


def test_a_whole_torch_is_told_from_an_old_one_and_from_none(tmp_path):
    assert torch_state(tmp_path) == TorchState("absent")
    make_torch(tmp_path / "new")
    assert torch_state(tmp_path / "new") == TorchState("whole", "2.9.1")
    make_torch(tmp_path / "old", "2.2.2")
    assert torch_state(tmp_path / "old") == TorchState("old", "2.2.2")


def test_a_torch_that_broke_off_is_half_whatever_is_left_of_it(tmp_path):
    make_torch(tmp_path / "a")
    (tmp_path / "a" / "torch" / "lib" / "c.so").unlink()
    assert torch_state(tmp_path / "a") == TorchState(
        "half", "2.9.1", "1 of its files are not there, such as torch/lib/c.so"
    )

    (tmp_path / "b" / "torch").mkdir(parents=True)
    assert torch_state(tmp_path / "b") == TorchState("half", reason="its folder has no record of an installation")

    (tmp_path / "c" / "~orch-2.9.1.dist-info").mkdir(parents=True)
    assert torch_state(tmp_path / "c") == TorchState("half", reason="~orch-2.9.1.dist-info is left over")

    make_torch(tmp_path / "d")
    (tmp_path / "d" / "torch-2.9.1.dist-info" / "RECORD").unlink()
    assert torch_state(tmp_path / "d") == TorchState("half", "2.9.1", "its record is damaged")

    make_torch(tmp_path / "e")
    make_torch(tmp_path / "e", "2.8.0")
    assert torch_state(tmp_path / "e") == TorchState("half", reason="there are two records of it")


def test_what_belongs_to_torch_is_found_and_nothing_of_others(tmp_path):
    make_torch(tmp_path)
    for name in ("torchgen", "~orch", "torchvision", "torchio", "torchio-1.0.dist-info"):
        (tmp_path / name).mkdir()
    names = [path.name for path in torch_leftovers(tmp_path)]
    assert names == ["torch", "torch-2.9.1.dist-info", "torchgen", "~orch"]


def test_this_python_is_whole():
    import torch

    site = Path(torch.__file__).parents[1]
    assert torch_state(site) == TorchState("whole", torch.__version__)


def test_the_longest_name_of_a_file_is_no_longer_than_is_reckoned_with():
    from importlib import metadata

    names = [str(file) for file in metadata.distribution("torch").files]
    assert max(map(len, names)) <= findings.LONGEST_NAME


@pytest.mark.parametrize(
    ("finding", "level", "sentence"),
    [
        (findings.disk(200, nvidia=True), "good", "There is room on the disk (200 GB)."),
        (
            findings.disk(1.25, nvidia=False),
            "stop",
            "The disk that Slicer lies on has 1.2 GB free, and about 2.5 GB are needed.",
        ),
        (
            findings.disk(5, nvidia=True),
            "stop",
            "The disk that Slicer lies on has 5.0 GB free, and about 12 GB are needed.",
        ),
        (
            findings.path_length("C:\\" + "x" * 84, "win32", False),
            "good",
            FITS,
        ),
        (
            findings.path_length("C:\\" + "x" * 87, "win32", False),
            "stop",
            "Slicer's folder C:\\" + "x" * 87 + " is 3 characters too deep for the files of PyTorch.",
        ),
        (
            findings.path_length("C:\\" + "x" * 87, "win32", True),
            "good",
            FITS,
        ),
        (findings.path_length("/" + "x" * 300, "linux", False), "good", FITS),
        (findings.torch(TorchState("whole", "2.9.1"), "darwin", "x86_64"), "good", "PyTorch 2.9.1 is installed."),
        (findings.torch(TorchState("absent"), "linux", "x86_64"), "look", "PyTorch is not installed."),
        (
            findings.torch(TorchState("absent"), "darwin", "x86_64"),
            "stop",
            "There is no current PyTorch for the Python of this Slicer, which is one for Intel Macs.",
        ),
        (findings.torch(TorchState("absent"), "darwin", "arm64"), "look", "PyTorch is not installed."),
        (
            findings.torch(TorchState("old", "2.2.2"), "win32", "AMD64"),
            "look",
            "PyTorch 2.2.2 is installed, which is too old.",
        ),
        (
            findings.torch(TorchState("half", reason="~orch is left over"), "win32", "AMD64"),
            "look",
            "PyTorch is only half installed (~orch is left over).",
        ),
        (findings.packages([]), "good", "The other Python packages are installed."),
        (findings.packages(["rich>=13"]), "look", "Missing Python packages: rich>=13."),
    ],
)
def test_each_thing_looked_at_is_one_sentence(finding, level, sentence):
    assert (finding.level, finding.message) == (level, sentence)
    assert bool(finding.hint) == (level != "good")


def test_a_folder_of_packages_that_may_not_be_written_is_told(tmp_path):
    assert findings.writable(tmp_path).level == "good"
    assert list(tmp_path.iterdir()) == []
    told = findings.writable(tmp_path / "nowhere")
    assert told.level == "stop"
    assert told.message == f"You may not write to {tmp_path / 'nowhere'}, where Slicer keeps its Python packages."


def test_a_folder_without_wheels_is_told(tmp_path):
    assert findings.wheels(tmp_path / "nowhere").message == f"There is no folder {tmp_path / 'nowhere'}."
    assert findings.wheels(tmp_path).message == f"The folder {tmp_path} holds no .whl files."
    (tmp_path / "rich-15.0.0-py3-none-any.whl").touch()
    assert findings.wheels(tmp_path).level == "good"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has the setting")
def test_other_systems_have_no_setting_for_long_paths():
    assert findings.windows_long_paths() is False


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "The disk is full.",
        ),
        ("OSError: [WinError 112] There is not enough space on the disk", "The disk is full."),
        (
            "ERROR: ... [WinError 206] The filename or extension is too long: 'C:\\\\x'",
            "A file of a package has too long a name for this folder.",
        ),
        (
            "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed'))",
            "The server's certificate was not accepted, as behind some hospital proxies.",
        ),
        (
            "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError(...: "
            "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')': /simple/rich/\n"
            "ERROR: No matching distribution found for rich>=13",
            "The server of the Python packages cannot be reached.",
        ),
        (
            "ERROR: Could not install packages due to an OSError: [WinError 5] Access is denied: 'C:\\\\x.pyd'",
            "A file may not be replaced, because Slicer uses it or because you may not write there.",
        ),
        (
            "ERROR: ResolutionImpossible: for help visit the documentation",
            "The packages do not fit with others that are installed in Slicer.",
        ),
        (
            "ImportError: DLL load failed while importing _C: The specified module could not be found.",
            "PyTorch was installed, but a library that it needs cannot be loaded.",
        ),
        ("ERROR: No matching distribution found for rich>=99", "There is no rich>=99 for the Python of this Slicer."),
        ("ERROR: Something new.", "The Python packages could not be installed: Something new."),
        ("", "The Python packages could not be installed."),
    ],
)
def test_what_pip_says_becomes_one_sentence(line, message):
    told = pip_failure(line.splitlines())
    assert (told.kind, told.message) == ("failed", message)
    assert told.hint


def test_a_wheel_that_the_folder_lacks_is_named(tmp_path):
    told = pip_failure(["ERROR: No matching distribution found for rich>=13 (from versions: none)"], tmp_path)
    assert told.message == f"The folder {tmp_path} holds no wheel of rich>=13 for this Python and this system."
