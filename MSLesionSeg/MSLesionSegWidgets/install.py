"""The one step that makes the engine's Python ready: look, ask, install, say how it ended.

Nothing is installed before the user has asked for it, and nothing that Slicer brings is changed.
"""

import contextlib
import importlib
import io
import platform
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import slicer

from MSLesionSegLib.device import has_nvidia_gpu

from . import install_findings as findings
from .install_outcome import FAILED, INSTALLED, Outcome, pip_failure
from .install_pytorch import install_pytorch, remove_half_installed
from .install_requirements import BASE, FAST, TORCH, missing, write_constraints
from .torch_state import HALF, WHOLE, torch_state
from .worker_settings import interpreter_setting

REQUESTER = "MSLesionSeg"


def site_packages() -> Path:
    """The folder into which pip installs for Slicer's own Python."""
    return Path(sysconfig.get_path("purelib"))


def ready(extra: Sequence[str] = (), *, torch: bool = True) -> bool:
    """Whether a run can be tried; fast enough to be asked at each.

    Another Python than Slicer's own is not looked into: the engine itself says what it lacks.

    Args:
        extra: requirements of the run beside those of ``segment``, such as ``DICOM``.
        torch: whether the run needs PyTorch.
    """
    return bool(interpreter_setting()) or not missing([*BASE, *([TORCH] if torch else []), *extra])


def look(wheels: Path | None = None, extra: Sequence[str] = ()) -> list[findings.Finding]:
    """All that decides whether an installation can go well; nothing is changed.

    Args:
        wheels: folder of wheels to install from without a network.
        extra: requirements beside those of ``segment``.
    """
    if other := interpreter_setting():
        return [_other_python(other)]
    folder = site_packages()
    state = torch_state(folder)
    found = [
        findings.torch(state, sys.platform, platform.machine()),
        findings.packages(missing([*BASE, *extra])),
        findings.writable(folder),
        findings.path_length(str(folder), sys.platform, findings.windows_long_paths()),
    ]
    if state.kind != WHOLE or missing(BASE):
        found.append(findings.disk(findings.free_gigabytes(folder), nvidia=has_nvidia_gpu()))
    if wheels is not None:
        found.append(findings.wheels(wheels))
    return found


def install(
    wheels: Path | None = None,
    *,
    fast: bool = True,
    extra: Sequence[str] = (),
    on_log: Callable[[str], None] = lambda _line: None,
) -> Outcome:
    """Install what is missing; blocks, while Slicer shows its own progress where it has one (5.12).

    Args:
        wheels: folder of wheels to install from without a network; None takes the network.
        fast: also what makes the network fast on a CPU; its failure does not fail the installation.
        extra: requirements beside those of ``segment``.
        on_log: called with each line that pip prints.

    Returns:
        How it ended; never raises for what can go wrong outside the program.
    """
    for finding in look(wheels):
        if finding.level == findings.STOP:
            return Outcome(FAILED, finding.message, finding.hint)
    if interpreter_setting():
        return Outcome(FAILED, *_told(look()[0]))
    log: list[str] = []
    try:
        with _lines_of_stdout(log, on_log):
            stopped = _install_missing(wheels, extra)
            if stopped is not None:
                return stopped
    except (subprocess.CalledProcessError, OSError, RuntimeError, ImportError) as error:
        return pip_failure([*log, str(error)], wheels)
    finally:
        importlib.invalidate_caches()
    still = missing([*BASE, TORCH, *extra])
    if still:
        return Outcome(FAILED, f"Still missing after the installation: {', '.join(still)}.", "Start Slicer again.")
    if fast and missing(FAST) and not _install_fast(wheels, on_log):
        return Outcome(
            INSTALLED,
            "All is installed but OpenVINO, so the network runs slower on a CPU.",
            "Press Install again to try once more.",
        )
    return Outcome(INSTALLED, "All that is needed is installed.")


def _install_missing(wheels: Path | None, extra: Sequence[str]) -> Outcome | None:
    """PyTorch, the base packages and those beside; None where pip had no complaint."""
    folder = site_packages()
    state = torch_state(folder)
    if state.kind == HALF and (stopped := remove_half_installed(folder)):
        return stopped
    lacking = missing([*BASE, *extra])
    if state.kind != WHOLE:
        if wheels is not None:
            lacking = [TORCH, *lacking]
        elif stopped := install_pytorch():
            return stopped
    if lacking:
        _pip(lacking, wheels)
    return None


def _install_fast(wheels: Path | None, on_log: Callable[[str], None]) -> bool:
    try:
        with _lines_of_stdout([], on_log):
            _pip(list(FAST), wheels)
    except (subprocess.CalledProcessError, OSError, RuntimeError):
        return False
    finally:
        importlib.invalidate_caches()
    return not missing(FAST)


def _pip(requirements: list[str], wheels: Path | None) -> None:
    """Install requirements by Slicer's own function, which leaves what Slicer brings as it is.

    Raises:
        subprocess.CalledProcessError: pip failed; what it said went to stdout.
    """
    source = [] if wheels is None else ["--no-index", "--find-links", str(wheels)]
    with tempfile.TemporaryDirectory(prefix="mslesionseg-") as folder:
        constraints = Path(folder) / "constraints.txt"
        write_constraints(constraints)
        words = [*requirements, "--only-binary=:all:", "--constraint", str(constraints), *source]
        try:
            from slicer.packaging import pip_install
        except ImportError:  # Slicer 5.10
            slicer.util.pip_install(words)
            return
        pip_install(words, requester=REQUESTER)


@contextlib.contextmanager
def _lines_of_stdout(log: list[str], on_log: Callable[[str], None]) -> Iterator[None]:
    """Inside, each line printed is kept in ``log`` and handed on; Slicer prints there what pip says."""

    class Tee(io.TextIOBase):
        """Text that goes to the real stdout as well."""

        def __init__(self) -> None:
            self.rest = ""

        def write(self, text: str) -> int:
            before.write(text)
            *lines, self.rest = (self.rest + text).split("\n")
            for line in lines:
                log.append(line)
                on_log(line)
            return len(text)

        def flush(self) -> None:
            before.flush()

    before = sys.stdout
    tee = Tee()
    try:
        with contextlib.redirect_stdout(tee):
            yield
    finally:
        if tee.rest:
            log.append(tee.rest)
            on_log(tee.rest)


def _other_python(path: str) -> findings.Finding:
    words = " ".join(["numpy", "scipy", "SimpleITK", *(text.partition(">")[0] for text in (*BASE, *FAST, TORCH))])
    return findings.Finding(
        findings.LOOK,
        f"The settings name another Python, {path}, which Slicer does not change.",
        f'What it lacks is installed at a shell with: "{path}" -m pip install {words}',
    )


def _told(finding: findings.Finding) -> tuple[str, str]:
    return finding.message, finding.hint
