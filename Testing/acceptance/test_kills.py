"""Thirty runs ended at random moments: no child is left, nothing is half-written, and the next run works."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it"),
]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
RUNS = 30


def start(study: Path, out: Path) -> subprocess.Popen:
    words = [
        *("--flair", study / "FLAIR.nii.gz", "--t1", study / "T1w.nii.gz", "--t2", study / "T2w.nii.gz"),
        *("--out", out, "--progress", "json", "--device", "cpu"),
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "MSLesionSegLib", "segment", *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def group_is_empty(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return True
    return False


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_thirty_kills_break_nothing(phantom_study, tmp_path):
    out = tmp_path / "result"
    began = time.monotonic()
    assert start(phantom_study, out).wait() == 0
    whole = time.monotonic() - began
    finished = contents(out)
    chance = random.Random(0)
    for number in range(RUNS):
        run = start(phantom_study, out)
        time.sleep(chance.uniform(0.02, 1.0) * whole)
        how = SIGNALS[number % 3]
        run.send_signal(how)
        code = run.wait(timeout=60)
        assert code in (0, 130, -how), (number, how, code)
        assert group_is_empty(run.pid)
        left = contents(out)
        assert left.keys() == finished.keys()
        assert {name for name in left if left[name] != finished[name]} <= {"provenance.json"}
        if how != signal.SIGKILL:
            assert [path.name for path in tmp_path.iterdir()] == ["result"]
    assert start(phantom_study, out).wait() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["result"]
