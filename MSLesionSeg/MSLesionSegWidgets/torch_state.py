"""Whether PyTorch is there, whole, half or too old, from its files alone. Plain Python, no Qt.

It is not imported for that: an imported library cannot be removed on Windows, and a damaged one may end the process.
"""

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from .install_requirements import TORCH, missing

ABSENT, WHOLE, HALF, OLD = "absent", "whole", "half", "old"


@dataclass(frozen=True)
class TorchState:
    """State of PyTorch in one folder of packages.

    Attributes:
        kind: "absent", "whole", "half" (files missing, or left over from an installation that broke off) or "old".
        version: as its record says; empty where there is none.
        reason: why it is half, for the sentence; empty otherwise.
    """

    kind: str
    version: str = ""
    reason: str = ""


def torch_state(site_packages: Path) -> TorchState:
    """State of PyTorch in the folder into which pip installs."""
    folder = site_packages / "torch"
    found = list(metadata.distributions(name="torch", path=[str(site_packages)]))
    if not found:
        if folder.exists():
            return TorchState(HALF, reason="its folder has no record of an installation")
        leftovers = sorted(site_packages.glob("~orch*"))
        return TorchState(HALF, reason=f"{leftovers[0].name} is left over") if leftovers else TorchState(ABSENT)
    if len(found) > 1:
        return TorchState(HALF, reason="there are two records of it")
    version = found[0].metadata["Version"] or ""
    files = found[0].files
    if not version or files is None:
        return TorchState(HALF, version, "its record is damaged")
    lacking = [file for file in files if file.suffix != ".pyc" and not Path(found[0].locate_file(file)).exists()]
    if lacking:
        return TorchState(HALF, version, f"{len(lacking)} of its files are not there, such as {lacking[0]}")
    if missing([TORCH], lambda _name: version):
        return TorchState(OLD, version)
    return TorchState(WHOLE, version)


def torch_leftovers(site_packages: Path) -> list[Path]:
    """Folders of a half-installed PyTorch that pip may not know of; removing them makes room for a whole one."""
    names = ("torch", "torchgen", "functorch", "torch-*.dist-info", "~orch*")
    return sorted(path for name in names for path in site_packages.glob(name) if path.is_dir())
