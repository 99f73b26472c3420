"""OpenVINO is taken where it can be, gives what PyTorch gives, and its absence is a sentence."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from MSLesionSegLib import runtime
from MSLesionSegLib.bundle import load_bundle
from MSLesionSegLib.bundle_files import ONNX, SUMS, sums_text
from MSLesionSegLib.errors import DependencyError, ModelError, UsageError
from MSLesionSegLib.model_store import default_model
from MSLesionSegLib.predictor import Predictor
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegLib.runtime import choose_runtime, load_network


@pytest.fixture(scope="module")
def bundle():
    return load_bundle(default_model("lesion"))


@pytest.fixture
def without_onnx(tmp_path):
    folder = tmp_path / "plain"
    shutil.copytree(default_model("lesion"), folder)
    (folder / ONNX).unlink()
    (folder / SUMS).write_text(sums_text(folder), newline="\n")
    return load_bundle(folder)


def brain_with_spots() -> tuple[np.ndarray, np.ndarray]:
    """Channels (3, 80, 80, 80) of a noisy ball with bright spots, and the ball."""
    rng = np.random.default_rng(0)
    z, y, x = np.indices((80, 80, 80)) - 40
    brain = z**2 + y**2 + x**2 < 36**2
    spots = ndimage.gaussian_filter((rng.random(brain.shape) > 0.9996).astype(np.float32), 2.0)
    rise = np.array([3.0, -1.5, 3.0], np.float32)[:, None, None, None]
    texture = ndimage.gaussian_filter(rng.standard_normal((3, 80, 80, 80)), (0, 2, 2, 2)) * 4
    noise = rng.standard_normal((3, 80, 80, 80)) * 0.2
    channels = (texture * 0.3 + noise + rise * np.clip(spots / spots.max() * 3, 0, 1)) * brain
    return channels.astype(np.float32), brain


def masks_agree(one: np.ndarray, other: np.ndarray) -> bool:
    """Dice of at least 0.999, and a volume within 0.5 %."""
    assert one.sum() > 500
    dice = 2 * (one & other).sum() / (one.sum() + other.sum())
    return dice >= 0.999 and abs(int(one.sum()) - int(other.sum())) <= 0.005 * one.sum()


def predicted(bundle, runtime: str, device: str) -> np.ndarray:
    predictor = Predictor(load_network(bundle, runtime), patch=bundle.model.patch, device=device)
    return predictor.predict(*brain_with_spots(), SilentProgress())


def test_the_shipped_model_gives_the_same_through_both_runtimes(bundle):
    both = [predicted(bundle, name, "cpu") for name in ("torch", "openvino")]
    assert np.abs(both[0] - both[1]).max() < 1e-3
    assert masks_agree(*(probability >= bundle.model.threshold for probability in both))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")
def test_the_shipped_model_gives_the_same_mask_on_the_gpu(bundle):
    both = [predicted(bundle, "torch", device) for device in ("cpu", "cuda")]
    assert masks_agree(*(probability >= bundle.model.threshold for probability in both))


def test_auto_takes_openvino_on_a_cpu_and_pytorch_elsewhere(bundle, without_onnx, monkeypatch):
    assert choose_runtime("auto", bundle, "cpu") == "openvino"
    assert choose_runtime("auto", bundle, "cuda") == "torch"
    assert choose_runtime("auto", without_onnx, "cpu") == "torch"
    assert choose_runtime("torch", bundle, "cpu") == "torch"
    monkeypatch.setattr(runtime, "find_spec", lambda name: None)
    assert choose_runtime("auto", bundle, "cpu") == "torch"


def test_what_cannot_be_is_said(bundle, without_onnx, monkeypatch):
    with pytest.raises(UsageError, match="There is no runtime 'magic'"):
        choose_runtime("magic", bundle, "cpu")
    with pytest.raises(UsageError, match="on the CPU only"):
        choose_runtime("openvino", bundle, "cuda")
    with pytest.raises(ModelError, match="has no network.onnx"):
        choose_runtime("openvino", without_onnx, "cpu")
    monkeypatch.setattr(runtime, "find_spec", lambda name: None)
    with pytest.raises(DependencyError, match="OpenVINO is not installed"):
        choose_runtime("openvino", bundle, "cpu")


def test_a_file_that_is_no_network_is_named(tmp_path):
    assert importlib.util.find_spec("openvino") is not None
    from MSLesionSegLib.networks.openvino_network import OpenVinoNetwork

    path = Path(tmp_path / ONNX)
    path.write_bytes(b"not a network")
    with pytest.raises(ModelError, match="OpenVINO cannot read") as caught:
        OpenVinoNetwork(path)
    assert str(path) in caught.value.message


def test_a_window_of_another_shape_is_compiled_anew(bundle):
    network = load_network(bundle, "openvino")
    reference = load_network(bundle, "torch")
    for shape in ((1, 3, 32, 32, 32), (2, 3, 32, 48, 32), (1, 3, 32, 32, 32)):
        window = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            assert torch.allclose(network(window), reference(window), atol=5e-3)
