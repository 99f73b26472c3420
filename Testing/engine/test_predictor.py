"""The predictor with networks whose right answer is known: "add one", "where am I", "out of memory"."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from MSLesionSegLib.device import choose_device, has_nvidia_gpu
from MSLesionSegLib.errors import Cancelled, ModelError, ResourceError, UsageError
from MSLesionSegLib.networks import build_network
from MSLesionSegLib.predictor import Predictor
from MSLesionSegLib.protocol import Progress
from MSLesionSegLib.windows import Box, importance, plan_windows, window_length, window_starts

LIBRARY = Path(__file__).resolve().parents[2] / "MSLesionSeg"


class AddOne(nn.Module):
    """Logit = first contrast + 1; remembers the shapes that it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []

    def forward(self, x):
        self.seen.append(tuple(x.shape))
        return x[:, :1] + 1


class Position(nn.Module):
    """Logit rises with z, y and x inside the window: all that it says is where in the window a voxel lies."""

    def forward(self, x):
        ramps = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in x.shape[2:]), indexing="ij")
        return sum(ramps).expand(x.shape[0], 1, *x.shape[2:])


class RightHalf(nn.Module):
    """Logit from a convolution that looks one voxel to the side, so that a mirrored window gives something else."""

    def forward(self, x):
        return x[:, :1] - 2 * torch.roll(x[:, :1], 1, -1)


class FailsAbove(nn.Module):
    """Out of memory for more than so many windows at once."""

    def __init__(self, windows: int) -> None:
        super().__init__()
        self.windows = windows
        self.asked: list[int] = []

    def forward(self, x):
        self.asked.append(x.shape[0])
        if x.shape[0] > self.windows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return x[:, :1] + 1


class Recorder(Progress):
    """Keeps what it hears; asks for a cancel after so many updates."""

    def __init__(self, cancel_after: int = 10**9) -> None:
        super().__init__({"network": 1})
        self.fractions: list[float] = []
        self.warnings: list[str] = []
        self.cancel_after = cancel_after

    def update(self, fraction_of_stage, message=""):
        super().update(fraction_of_stage, message)
        self.fractions.append(fraction_of_stage)
        self.cancelled = len(self.fractions) >= self.cancel_after

    def warn(self, message):
        self.warnings.append(message)


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def study(shape, seed=0, contrasts=3):
    """Random channels, 0 outside a random, ragged brain."""
    random = np.random.default_rng(seed)
    brain = random.random(shape) < 0.7
    return (random.normal(size=(contrasts, *shape)) * brain).astype(np.float32), brain


@pytest.mark.parametrize(
    "shape", [(5, 7, 3), (16, 16, 16), (33, 47, 61), (90, 20, 41), (1, 70, 1)], ids=lambda s: "x".join(map(str, s))
)
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.6])
@pytest.mark.parametrize("flip", [False, True])
def test_add_one_is_exact_on_any_size(shape, overlap, flip):
    channels, brain = study(shape)
    before = channels.copy()
    predictor = Predictor(AddOne(), patch=(32, 16, 32), overlap=overlap, device="cpu", batch=2, flip=flip)
    probability = predictor.predict(channels, brain, Progress())
    assert probability.dtype == np.float32 and probability.shape == shape
    expected = np.where(brain, sigmoid(channels[0] + 1), 0)
    assert np.abs(probability - expected).max() < 5e-7
    assert not probability[~brain].any()
    assert np.array_equal(channels, before)


def test_brain_at_the_border_and_far_from_it():
    channels = np.random.default_rng(1).normal(size=(3, 70, 80, 60)).astype(np.float32)
    for part in (np.s_[:9, 70:, 50:], np.s_[30:33, 40:77, 20:59]):
        brain = np.zeros((70, 80, 60), bool)
        brain[part] = True
        probability = Predictor(AddOne(), patch=(32, 32, 32), device="cpu").predict(channels, brain, Progress())
        assert np.abs(probability - np.where(brain, sigmoid(channels[0] + 1), 0)).max() < 5e-7


def test_no_seams_between_windows():
    """Across a window the answer goes from 0.27 to 0.73, so joining without blending would jump by 0.46.

    The ramp itself changes by 0.011 a voxel; evenly weighted windows jump by 0.14, Gaussian ones by 0.05.
    """
    shape = (40, 150, 40)
    brain = np.ones(shape, bool)
    plan = plan_windows(Box((-8, -8, -8), (56, 166, 56)), (48, 48, 48), 0.25)
    assert len(plan.starts[1]) == 5
    predictor = Predictor(Position(), patch=(48, 48, 48), overlap=0.25, device="cpu")
    probability = predictor.predict(np.zeros((3, *shape), np.float32), brain, Progress())
    assert np.abs(np.diff(probability, axis=1)).max() < 0.07
    assert np.abs(np.diff(probability, axis=2)).max() < 0.011


def test_windows_without_brain_are_skipped():
    brain = np.zeros((32, 32, 300), bool)
    brain[10:20, 10:20, 5:15] = True
    brain[10:20, 10:20, 285:295] = True
    network, progress = AddOne(), Recorder()
    Predictor(network, patch=(48, 48, 48), overlap=0.25, device="cpu").predict(
        np.zeros((3, 32, 32, 300), np.float32), brain, progress
    )
    along_x = len(plan_windows(Box((2, 2, -3), (26, 26, 306)), (48, 48, 48), 0.25).starts[2])
    assert along_x == 9
    assert len(network.seen) == 2
    assert progress.fractions == [0.5, 1.0]


def test_empty_brain_runs_nothing():
    network = AddOne()
    probability = Predictor(network, patch=(16, 16, 16), device="cpu").predict(
        np.ones((3, 20, 20, 20), np.float32), np.zeros((20, 20, 20), bool), Progress()
    )
    assert not network.seen and not probability.any()


def test_cancel_in_the_middle():
    channels, brain = study((40, 40, 90))
    network = AddOne()
    with pytest.raises(Cancelled):
        Predictor(network, patch=(16, 16, 16), device="cpu").predict(channels, brain, Recorder(cancel_after=3))
    assert len(network.seen) == 3


def test_flip_is_the_mean_of_probabilities_along_x():
    channels, brain = study((16, 16, 16))
    brain[:] = True
    patch = (32, 32, 32)
    got = Predictor(RightHalf(), patch=patch, device="cpu", flip=True).predict(channels, brain, Progress())
    padded = np.zeros((32, 32, 32), np.float32)
    padded[8:24, 8:24, 8:24] = channels[0]
    plain = sigmoid(padded - 2 * np.roll(padded, 1, 2))
    mirrored = padded[:, :, ::-1]
    other = sigmoid(mirrored - 2 * np.roll(mirrored, 1, 2))[:, :, ::-1]
    expected = ((plain + other) / 2)[8:24, 8:24, 8:24]
    assert np.abs(got - expected).max() < 5e-7
    assert np.abs(got - plain[8:24, 8:24, 8:24]).max() > 0.1


def test_batches_cover_all_windows_once():
    channels, brain = study((40, 40, 40))
    network, progress = AddOne(), Recorder()
    Predictor(network, patch=(32, 32, 32), device="cpu", batch=3).predict(channels, brain, progress)
    assert [shape[0] for shape in network.seen] == [3, 3, 2]
    assert progress.fractions == [3 / 8, 6 / 8, 1.0]


def test_certain_is_one_and_no_more():
    channels = np.full((3, 60, 60, 60), 80, np.float32)
    probability = Predictor(AddOne(), patch=(32, 32, 32), overlap=0.6, device="cpu").predict(
        channels, np.ones((60, 60, 60), bool), Progress()
    )
    assert probability.max() == 1.0 and probability.min() > 0.999999


def test_out_of_memory_halves_the_batch():
    channels, brain = study((40, 40, 40))
    network = FailsAbove(2)
    probability = Predictor(network, patch=(32, 32, 32), device="cpu", batch=8).predict(channels, brain, Progress())
    assert network.asked == [8, 4, 2, 2, 2, 2]
    assert np.abs(probability - np.where(brain, sigmoid(channels[0] + 1), 0)).max() < 5e-7


def test_out_of_memory_for_one_window_is_a_sentence():
    channels, brain = study((20, 20, 20))
    with pytest.raises(ResourceError, match=r"memory does not suffice for a window of 48 x 48 x 48 voxels") as caught:
        Predictor(FailsAbove(0), patch=(48, 48, 48), device="cpu").predict(channels, brain, Progress())
    assert caught.value.hint


def test_real_out_of_memory_of_torch_on_the_cpu():
    class Greedy(nn.Module):
        def forward(self, x):
            return torch.empty(1 << 50)

    channels, brain = study((8, 8, 8))
    with pytest.raises(ResourceError, match="memory"):
        Predictor(Greedy(), patch=(16, 16, 16), device="cpu").predict(channels, brain, Progress())


def test_other_errors_of_the_network_are_not_hidden():
    class Broken(nn.Module):
        def forward(self, x):
            raise RuntimeError("size mismatch")

    channels, brain = study((8, 8, 8))
    with pytest.raises(RuntimeError, match="size mismatch"):
        Predictor(Broken(), patch=(16, 16, 16), device="cpu").predict(channels, brain, Progress())


def test_not_a_number_is_refused():
    channels, brain = study((8, 8, 8))
    channels[0, 3, 3, 3] = np.nan
    with pytest.raises(ModelError, match="not numbers"):
        Predictor(AddOne(), patch=(16, 16, 16), device="cpu").predict(channels, brain, Progress())


def test_same_bytes_on_every_run():
    torch.manual_seed(3)
    network = build_network({"type": "efficientnet3d_unet", "widths": [8, 8, 8, 16, 16], "depths": [1, 1, 1, 1]})
    channels, brain = study((20, 44, 20))
    first, second = (
        Predictor(network, patch=(32, 32, 32), device="cpu").predict(channels, brain, Progress()).tobytes()
        for _ in range(2)
    )
    assert first == second


# VmHWM starts anew in a new program; ru_maxrss would start at what the test process itself has used.
MEMORY_SCRIPT = """
from pathlib import Path
import numpy as np, torch
from torch import nn
from MSLesionSegLib.predictor import Predictor
from MSLesionSegLib.protocol import Progress

class First(nn.Module):
    def forward(self, x):
        return x[:, :1]

def peak_kib():
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1])

shape = (192, 512, 512)
channels = np.ones((3, *shape), np.float32)
brain = np.ones(shape, bool)
small = np.s_[:40, :40, :40]
Predictor(First(), patch=(64, 64, 64), device="cpu").predict(channels[(slice(None), *small)], brain[small], Progress())
before = peak_kib()
probability = Predictor(First(), patch=(96, 96, 96), overlap=0.0, device="cpu").predict(channels, brain, Progress())
assert abs(float(probability.min()) - 0.7310586) < 1e-6 and abs(float(probability.max()) - 0.7310586) < 1e-6
print((peak_kib() - before) // 1024)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_of_a_large_image_is_one_volume():
    """512 x 512 x 192, brain everywhere: the result takes 192 MiB; a second volume of that size would be too much."""
    run = subprocess.run(
        [sys.executable, "-c", MEMORY_SCRIPT],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(LIBRARY)},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert 192 <= int(run.stdout) < 2 * 192


@pytest.mark.parametrize(
    ("length", "window", "overlap", "starts"),
    [
        (10, 16, 0.25, [-3]),
        (16, 16, 0.25, [0]),
        (17, 16, 0.25, [0, 1]),
        (28, 16, 0.25, [0, 12]),
        (29, 16, 0.25, [0, 6, 13]),
        (40, 16, 0.5, [0, 8, 16, 24]),
    ],
)
def test_window_starts(length, window, overlap, starts):
    assert window_starts(length, window, overlap) == starts


@pytest.mark.parametrize(
    ("length", "chosen"), [(60, 96), (96, 96), (150, 96), (168, 96), (169, 112), (196, 112), (300, 96)]
)
def test_windows_grow_where_that_saves_work_and_never_far(length, chosen):
    """169 voxels: three windows of 96 or two of 112."""
    assert window_length(length, 96, 0.25) == chosen


def test_importance_is_a_gaussian_of_an_eighth():
    weight = importance(65)
    assert weight[32] == 1.0
    assert weight[32 + 8] == pytest.approx(np.exp(-0.5 * (8 / 8.125) ** 2), rel=1e-6)
    assert np.array_equal(weight, weight[::-1]) and weight.min() > 3e-4


def test_unknown_device_is_a_sentence():
    with pytest.raises(UsageError, match="no device 'tpu'"):
        choose_device("tpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a usable GPU")
def test_cuda_without_a_gpu_is_a_sentence():
    with pytest.raises(ResourceError, match="GPU cannot be used") as caught:
        choose_device("cuda")
    assert "cpu" in caught.value.hint


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a usable GPU")
def test_an_unused_gpu_is_said(tmp_path, monkeypatch):
    """A real program named nvidia-smi that lists one GPU stands for the driver."""
    if not has_nvidia_gpu():
        assert choose_device("auto") == (torch.device("cpu"), "")
    program = tmp_path / ("nvidia-smi.bat" if sys.platform == "win32" else "nvidia-smi")
    lines = ["@echo GPU 0: Some NVIDIA card"] if sys.platform == "win32" else ["#!/bin/sh", "echo 'GPU 0: Some card'"]
    program.write_text("\n".join(lines) + "\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    device, note = choose_device("auto")
    assert device == torch.device("cpu")
    assert "NVIDIA GPU" in note and torch.__version__ in note
    progress = Recorder()
    channels, brain = study((8, 8, 8))
    Predictor(AddOne(), patch=(16, 16, 16)).predict(channels, brain, progress)
    assert progress.warnings == [note]
    program.write_text("#!/bin/sh\nexit 9\n")
    if sys.platform != "win32":
        assert choose_device("auto")[1] == ""


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")


@pytest.mark.cuda
@needs_cuda
def test_gpu_and_cpu_agree():
    torch.manual_seed(5)
    network = build_network({"type": "efficientnet3d_unet"})
    channels, brain = study((60, 70, 60))
    on_cpu, on_gpu, again = (
        Predictor(network, patch=(48, 48, 48), device=device, flip=True).predict(channels, brain, Progress())
        for device in ("cpu", "cuda", "cuda")
    )
    assert np.abs(on_cpu - on_gpu).max() < 0.02
    assert on_gpu.tobytes() == again.tobytes()


@pytest.mark.cuda
@needs_cuda
def test_gpu_out_of_memory_goes_on_with_the_cpu():
    class TooLargeForTheGpu(nn.Module):
        def forward(self, x):
            if x.is_cuda:
                torch.empty(1 << 45, device="cuda")
            return x[:, :1] + 1

    channels, brain = study((40, 40, 40))
    progress = Recorder()
    predictor = Predictor(TooLargeForTheGpu(), patch=(32, 32, 32), device="cuda", batch=4)
    probability = predictor.predict(channels, brain, progress)
    assert predictor.device.type == "cpu"
    assert progress.warnings == ["The GPU's memory does not suffice for a single window; the CPU is used instead."]
    assert np.abs(probability - np.where(brain, sigmoid(channels[0] + 1), 0)).max() < 5e-7
