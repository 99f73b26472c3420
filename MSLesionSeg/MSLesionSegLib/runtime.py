"""What runs the network: PyTorch, which is the reference and runs everywhere, or OpenVINO, which is faster on a CPU."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from .bundle_files import ONNX
from .errors import DependencyError, ModelError, UsageError

if TYPE_CHECKING:
    from torch import nn

    from .bundle import Bundle

RUNTIMES = ("auto", "torch", "openvino")


def choose_runtime(name: str, bundle: Bundle, device: str) -> str:
    """Choose what runs a bundle's network.

    Args:
        name: "auto" takes OpenVINO on a CPU where it is installed and the bundle has ``network.onnx``, else PyTorch;
            "torch" and "openvino" take no other.
        bundle: the model.
        device: "cpu" or "cuda", as chosen.

    Returns:
        "torch" or "openvino".

    Raises:
        UsageError: another name, or OpenVINO on a GPU.
        DependencyError: OpenVINO is asked for and not installed.
        ModelError: OpenVINO is asked for and the bundle has no ``network.onnx``.
    """
    if name not in RUNTIMES:
        raise UsageError(f"There is no runtime {name!r}.", f"Choose one of {', '.join(RUNTIMES)}.")
    installed, exported = find_spec("openvino") is not None, (bundle.folder / ONNX).is_file()
    if name != "openvino":
        return "openvino" if name == "auto" and device == "cpu" and installed and exported else "torch"
    if device != "cpu":
        raise UsageError("OpenVINO runs the network on the CPU only.", "Add --device cpu, or leave --runtime away.")
    if not installed:
        raise DependencyError("OpenVINO is not installed.", 'Install it with: pip install "mslesionseg[fast]"')
    if not exported:
        raise ModelError(f"The model {bundle.path} has no {ONNX} for OpenVINO.", "Leave --runtime away.")
    return "openvino"


def load_network(bundle: Bundle, runtime: str) -> nn.Module:
    """The network of a bundle, run by ``runtime`` ("torch" or "openvino").

    Raises:
        ModelError, DependencyError: see :meth:`~.bundle.Bundle.load_network`.
    """
    if runtime == "torch":
        return bundle.load_network()
    from .networks.openvino_network import OpenVinoNetwork

    return OpenVinoNetwork(bundle.folder / ONNX)
