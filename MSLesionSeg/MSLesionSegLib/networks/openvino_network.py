"""A bundle's network through OpenVINO: the logits of PyTorch on a CPU, in a fraction of its time."""

from pathlib import Path

import openvino
import torch
from torch import Tensor, nn

from ..errors import ModelError

#: float32 by name, since OpenVINO takes bfloat16 by itself where the CPU has it; one stream with all the threads.
SETTINGS = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1"}


class OpenVinoNetwork(nn.Module):
    """``network.onnx`` of a bundle, called like the network that it was exported from.

    Compiled (half a second) for the shape of the first window, and again only where the shape changes. It uses as many
    threads as PyTorch would.

    Args:
        onnx: path of the file.

    Raises:
        ModelError: OpenVINO cannot read it.
    """

    def __init__(self, onnx: Path) -> None:
        super().__init__()
        self._core = openvino.Core()
        try:
            # From memory, where an ONNX file cannot name other files of the machine as its weights.
            self._model = self._core.read_model(onnx.read_bytes())
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ModelError(f"OpenVINO cannot read {onnx}: {reason}", "Use --runtime torch.") from error
        self._shape: tuple[int, ...] = ()
        self._compiled: openvino.CompiledModel | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, 1, z, y, x) from (B, contrasts, z, y, x) float32 on the CPU, edges multiples of the stride."""
        shape = tuple(x.shape)
        if shape != self._shape:
            self._compiled = None
            self._model.reshape(list(shape))
            settings = {**SETTINGS, "INFERENCE_NUM_THREADS": str(torch.get_num_threads())}
            self._compiled = self._core.compile_model(self._model, "CPU", settings)
            self._shape = shape
        return torch.from_numpy(self._compiled(x.contiguous().numpy())[0])
