"""The install step with real pip and wheels made here; only Slicer's own functions around pip are stand-ins."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

BASE = ("mslesionseg-trial-base>=1",)
FAST = ("mslesionseg-trial-fast>=1",)
TORCH = "mslesionseg-trial-torch>=2.4"


def make_wheel(folder: Path, name: str, version: str, requires: str = "") -> None:
    """A wheel with one empty module."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += f"Requires-Dist: {requires}\n" if requires else ""
    files = {
        f"{module}.py": "",
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / f"{module}-{version}-py3-none-any.whl", "w") as wheel:
        for file, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(file, text)


class Slicer:
    """A Slicer whose Python has one folder of packages, in which nothing is installed yet."""

    def __init__(self, site: Path, wheels: Path) -> None:
        self.site, self.wheels = site, wheels
        self.asked: list[list[str]] = []

    def pip(self, *words: str) -> None:
        """What Slicer does: run pip, print what it says, raise where it fails."""
        line = [sys.executable, "-m", "pip", *words]
        done = subprocess.run(
            line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=120, check=False
        )
        print(done.stdout, end="")
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, line)

    def pip_install(self, requirements: list[str], **_words: Any) -> None:
        """``slicer.packaging.pip_install`` and ``slicer.util.pip_install``."""
        self.asked.append(list(requirements))
        source = [] if "--no-index" in requirements else ["--no-index", "--find-links", str(self.wheels)]
        self.pip("install", "--target", str(self.site), *requirements, *source)

    def install_torch(self, askConfirmation: bool = True, torchVersionRequirement: str = "") -> Any:
        """``PyTorchUtilsLogic.installTorch``."""
        assert (askConfirmation, torchVersionRequirement) == (False, ">=2.4")
        self.pip_install([TORCH])
        return ModuleType("torch")


@pytest.fixture
def wheels(tmp_path) -> Path:
    folder = tmp_path / "wheels on a stick"
    folder.mkdir()
    for text in (*BASE, *FAST):
        make_wheel(folder, text.partition(">")[0], "1.5")
    make_wheel(folder, "mslesionseg-trial-torch", "2.9.0")
    return folder


@pytest.fixture
def fresh(qt_host, tmp_path, wheels, monkeypatch) -> Slicer:
    """A fresh Slicer 5.12 with the PyTorch extension."""
    import slicer

    from MSLesionSegWidgets import install, install_pytorch, torch_state, worker_settings

    site = tmp_path / "site-packages"
    site.mkdir()
    fresh = Slicer(site, wheels)
    monkeypatch.syspath_prepend(str(site))
    for name, value in (("BASE", BASE), ("FAST", FAST), ("TORCH", TORCH), ("site_packages", lambda: site)):
        monkeypatch.setattr(install, name, value)
    monkeypatch.setattr(install_pytorch, "TORCH", "torch>=2.4")
    monkeypatch.setattr(install.findings, "free_gigabytes", lambda _folder: 100.0)
    packaging = ModuleType("slicer.packaging")
    packaging.pip_install = fresh.pip_install
    monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
    monkeypatch.setattr(slicer.util, "pip_uninstall", lambda _words: fresh.asked.append(["uninstall"]))
    utils = ModuleType("PyTorchUtils")
    utils.PyTorchUtilsLogic = lambda: SimpleNamespace(installTorch=fresh.install_torch)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", utils)
    assert torch_state.torch_state(site).kind == "absent"
    worker_settings.choose_interpreter("")
    # The tests' own torch is in this process; in a fresh Slicer it is not.
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    return fresh


def names_in(site: Path) -> set[str]:
    return {path.stem for path in site.glob("*.py")}


def test_one_step_brings_pytorch_by_its_extension_and_the_rest_by_slicer(fresh):
    from MSLesionSegWidgets.install import install, look, ready

    assert not ready()
    assert [one.level for one in look()] == ["look", "look", "good", "good", "good"]
    lines = []
    outcome = install(on_log=lines.append)
    assert (outcome.kind, outcome.message) == ("installed", "All that is needed is installed.")
    assert names_in(fresh.site) == {f"mslesionseg_trial_{name}" for name in ("base", "fast", "torch")}
    assert [words[0] for words in fresh.asked] == [TORCH, *BASE, *FAST]
    assert any("Successfully installed mslesionseg-trial-base-1.5" in line for line in lines)
    assert ready()


def test_slicer_5_10_has_another_function_for_it(fresh, monkeypatch):
    import slicer

    from MSLesionSegWidgets.install import install

    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    monkeypatch.setattr(slicer.util, "pip_install", lambda requirements: fresh.pip_install(requirements))
    assert install(fast=False).kind == "installed"
    assert names_in(fresh.site) == {"mslesionseg_trial_base", "mslesionseg_trial_torch"}


def test_a_folder_of_wheels_is_enough_and_pytorchs_extension_is_not_asked(fresh, wheels, monkeypatch):
    from MSLesionSegWidgets.install import install

    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    assert install(wheels).kind == "installed"
    assert all("--no-index" in words for words in fresh.asked)


def test_a_wheel_that_the_folder_lacks_is_named(fresh, wheels):
    from MSLesionSegWidgets.install import install

    next(wheels.glob("*base*")).unlink()
    outcome = install(wheels)
    assert outcome.kind == "failed"
    assert outcome.message == f"The folder {wheels} holds no wheel of {BASE[0]} for this Python and this system."
    assert install(wheels / "nowhere").message == f"There is no folder {wheels / 'nowhere'}."


def test_without_openvino_all_works_and_it_is_said(fresh, wheels):
    from MSLesionSegWidgets.install import install

    next(wheels.glob("*fast*")).unlink()
    outcome = install(wheels)
    assert outcome.kind == "installed"
    assert outcome.message == "All is installed but OpenVINO, so the network runs slower on a CPU."


def test_a_package_that_would_change_what_slicer_brings_is_not_installed(fresh, wheels):
    from MSLesionSegWidgets.install import install

    next(wheels.glob("*base*")).unlink()
    make_wheel(wheels, "mslesionseg-trial-base", "1.6", requires="numpy<1")
    outcome = install(wheels)
    assert outcome.kind == "failed"
    assert outcome.message == "The packages do not fit with others that are installed in Slicer."
    assert names_in(fresh.site) == set()


def test_without_pytorchs_extension_it_is_fetched_and_slicer_has_to_start_again(fresh, monkeypatch):
    import slicer

    from MSLesionSegWidgets.install import install

    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    fetched, reachable = [], [False]

    def fetch(name: str, restart: bool) -> bool:
        fetched.append((name, restart))
        return reachable[0]

    manager = SimpleNamespace(
        interactive=True, isExtensionInstalled=lambda name: False, installExtensionFromServer=fetch
    )
    monkeypatch.setattr(type(slicer.app), "extensionsManagerModel", lambda _app: manager, raising=False)
    outcome = install()
    assert (outcome.kind, outcome.message) == ("failed", "Slicer's extension PyTorch could not be installed.")
    reachable[0] = True
    outcome = install()
    assert (outcome.kind, outcome.hint) == ("restart", "Start Slicer again and press Install once more.")
    assert fetched == [("PyTorch", False)] * 2
    assert not manager.interactive
    assert fresh.asked == []


def test_a_pytorch_that_was_declined_is_no_error(fresh, monkeypatch):
    from MSLesionSegWidgets.install import install

    fresh.install_torch = lambda **_words: None
    sys.modules["PyTorchUtils"].PyTorchUtilsLogic = lambda: SimpleNamespace(installTorch=fresh.install_torch)
    outcome = install()
    assert (outcome.kind, outcome.message) == ("refused", "PyTorch was not installed.")


def test_a_network_that_is_not_there_is_one_sentence(fresh):
    from MSLesionSegWidgets.install import install

    def unreachable(**_words: Any) -> None:
        print("WARNING: Retrying after connection broken by 'NewConnectionError(...)': /simple/torch/")
        raise subprocess.CalledProcessError(1, "ltt install torch")

    sys.modules["PyTorchUtils"].PyTorchUtilsLogic = lambda: SimpleNamespace(installTorch=unreachable)
    outcome = install()
    assert (outcome.kind, outcome.message) == ("failed", "The server of the Python packages cannot be reached.")


def test_a_half_installed_pytorch_is_removed_before_a_whole_one_comes(fresh):
    from MSLesionSegWidgets.install import install, look

    (fresh.site / "torch" / "lib").mkdir(parents=True)
    (fresh.site / "~orch-2.9.1.dist-info").mkdir()
    assert look()[0].message == "PyTorch is only half installed (its folder has no record of an installation)."
    assert install().kind == "installed"
    assert not (fresh.site / "torch").exists()
    assert not (fresh.site / "~orch-2.9.1.dist-info").exists()
    assert fresh.asked[0] == ["uninstall"]


def test_a_half_installed_pytorch_that_slicer_uses_asks_for_a_restart(fresh, monkeypatch):
    from MSLesionSegWidgets.install import install

    (fresh.site / "torch").mkdir()
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    outcome = install()
    assert (outcome.kind, outcome.message) == ("restart", "PyTorch is half installed, and Slicer is using it.")
    assert (fresh.site / "torch").is_dir()


def test_too_little_room_stops_it_before_anything_is_fetched(fresh, monkeypatch):
    from MSLesionSegWidgets import install

    monkeypatch.setattr(install.findings, "free_gigabytes", lambda _folder: 0.5)
    outcome = install.install()
    assert outcome.kind == "failed"
    assert outcome.message.startswith("The disk that Slicer lies on has 0.5 GB free")
    assert fresh.asked == []


def test_another_python_is_not_changed_and_its_command_is_given(fresh):
    from MSLesionSegWidgets.install import install, look, ready
    from MSLesionSegWidgets.worker_settings import choose_interpreter

    choose_interpreter(sys.executable)
    try:
        assert ready()
        outcome = install()
        assert outcome.kind == "failed"
        assert outcome.message == f"The settings name another Python, {sys.executable}, which Slicer does not change."
        assert f'"{sys.executable}" -m pip install numpy' in look()[0].hint
        assert fresh.asked == []
    finally:
        choose_interpreter("")


def test_the_window_shows_what_is_missing_installs_on_the_button_and_says_how_it_ended(fresh, qt_host):
    from MSLesionSegWidgets.install_dialog import InstallDialog, ensure_installed

    assert not ensure_installed()  # in testing mode no window waits for anybody
    dialog = InstallDialog()
    dialog.widget.show()
    assert "PyTorch is not installed." in dialog.findings.text
    assert dialog.install_button.enabled
    assert fresh.asked == []
    qt_host.qt.QTest.mouseClick(dialog.install_button, qt_host.qt.Qt.LeftButton)
    assert dialog.message.text == "All that is needed is installed."
    assert "Successfully installed" in dialog.log.plainText
    assert ensure_installed()
    if folder := os.environ.get("MSLESIONSEG_SCREENSHOTS"):
        dialog.widget.grab().save(f"{folder}/install.png")
    dialog.widget.close()


def test_the_window_takes_a_folder_of_wheels(fresh, qt_host, wheels):
    from MSLesionSegWidgets.install_dialog import InstallDialog

    dialog = InstallDialog()
    qt_host.file_answers += ["", str(wheels)]
    dialog.wheels_button.click()
    assert fresh.asked == []
    shutil.rmtree(wheels)
    dialog.wheels_button.click()
    assert dialog.message.text.startswith(f"There is no folder {wheels}.")
    assert not dialog.restart_button.isVisibleTo(dialog.widget)
    dialog.widget.close()
