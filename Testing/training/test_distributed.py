"""Two processes that share a batch come to the weights of one; a killed run goes on as if nothing had been."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

TESTS = Path(__file__).resolve().parent
MODULES = os.pathsep.join(str(TESTS.parents[1] / module) for module in ("MSLesionSeg", "MSLesionSegTraining"))
RUN = TESTS / "small_run.py"


def words(folder: Path, epochs: int, *options: str) -> list[str]:
    return [str(RUN), str(folder), str(epochs), *options]


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    return {**kept, "PYTHONPATH": MODULES, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoint.pt", weights_only=True)["average"]


def test_two_processes_train_as_one_with_the_same_batch(tmp_path):
    one = [sys.executable, *words(tmp_path / "one", 2)]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    two = [sys.executable, *torchrun, *words(tmp_path / "two", 2)]
    for command in (one, two):
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stderr[-3000:]
    alone, shared = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert set(alone) == set(shared)
    for name, value in alone.items():
        assert torch.allclose(value.float(), shared[name].float(), atol=1e-5), name


@pytest.mark.acceptance
def test_three_kills_at_any_moment_one_of_them_in_a_checkpoint_change_nothing(tmp_path):
    subprocess.run([sys.executable, *words(tmp_path / "whole", 4)], env=environment(), check=True, timeout=500)
    run, options = tmp_path / "killed", []
    for seconds, moment in ((None, "checkpoint"), (9.0, "any"), (14.0, "any")):
        extra = ["--die-in-checkpoint"] if moment == "checkpoint" else []
        process = subprocess.Popen([sys.executable, *words(run, 4, *options, *extra)], env=environment())
        if seconds is not None:
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=300) in (-signal.SIGKILL, 0)
        assert (run / "checkpoint.pt").exists() or not options
        options = ["--resume"] if (run / "checkpoint.pt").exists() else []
    subprocess.run([sys.executable, *words(run, 4, *options)], env=environment(), check=True, timeout=500)
    whole, killed = weights(tmp_path / "whole"), weights(run)
    assert all(torch.equal(value, killed[name]) for name, value in whole.items())
