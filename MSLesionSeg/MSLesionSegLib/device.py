"""Where the network runs: the NVIDIA GPU or the CPU, and one sentence where that is not what one would expect."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import DependencyError, ResourceError, UsageError

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda")


def choose_device(name: str = "auto") -> tuple[torch.device, str]:
    """Choose the device.

    Args:
        name: "auto" takes a usable NVIDIA GPU, else the CPU; "cpu" and "cuda" take no other.

    Returns:
        The device and a note for the user, empty where there is nothing to say. A note comes with "auto" where the
        machine has an NVIDIA GPU that the installed PyTorch cannot use.

    Raises:
        UsageError: another name.
        ResourceError: "cuda" where no GPU can be used.
        DependencyError: PyTorch is not installed.
    """
    if name not in DEVICES:
        raise UsageError(f"There is no device {name!r}.", f"Choose one of {', '.join(DEVICES)}.")
    try:
        import torch
    except ImportError as error:
        raise DependencyError("PyTorch is not installed.", "Install PyTorch, then try again.") from error
    if name == "cpu":
        return torch.device("cpu"), ""
    reason = _why_no_cuda()
    if not reason:
        return torch.device("cuda"), ""
    if name == "cuda":
        raise ResourceError(
            f"The GPU cannot be used: {reason}.", "Choose the device cpu, or install PyTorch with CUDA."
        )
    return torch.device(
        "cpu"
    ), f"The CPU is used although there is an NVIDIA GPU: {reason}." if has_nvidia_gpu() else ""


def has_nvidia_gpu() -> bool:
    """Whether the machine has an NVIDIA GPU and its driver, asked without PyTorch."""
    gpus = Path("/proc/driver/nvidia/gpus")
    if gpus.is_dir() and any(gpus.iterdir()):
        return True
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    no_window = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    try:
        listing = subprocess.run(
            [program, "-L"], capture_output=True, text=True, timeout=10, creationflags=no_window, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listing.returncode == 0 and "GPU" in listing.stdout


def _why_no_cuda() -> str:
    """Why PyTorch cannot use a GPU; empty where it can, tried with one addition on it."""
    import torch

    if not torch.backends.cuda.is_built():
        return f"the installed PyTorch ({torch.__version__}) was built without CUDA"
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "CUDA_VISIBLE_DEVICES hides it"
    if not torch.cuda.is_available():
        return f"PyTorch {torch.__version__} finds no GPU that it can use; the driver may be too old"
    try:
        (torch.ones(1, device="cuda") + 1).item()
    except RuntimeError as error:
        return str(error).splitlines()[0].rstrip(".")
    return ""
