"""Prepared cases are made once, whole or not at all, also by two processes at once and after a kill."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from MSLesionSegLib.errors import OutputError
from MSLesionSegTrainingLib.prepared_cache import PreparedCache

MODULES = os.pathsep.join(
    str(Path(__file__).resolve().parents[2] / module) for module in ("MSLesionSeg", "MSLesionSegTraining")
)
SLOW = """
import sys, time
from pathlib import Path
from MSLesionSegTrainingLib.prepared_cache import PreparedCache

def build(place):
    (place / "first").write_text("half")
    print("begun", flush=True)
    time.sleep(float(sys.argv[2]))
    (place / "second").write_text("whole")

print(PreparedCache(Path(sys.argv[1])).entry({"kind": "trial"}, build))
"""


def slow(folder: Path, seconds: float) -> subprocess.Popen:
    """A process that takes so long to build one entry; it has begun when this returns."""
    words = [sys.executable, "-c", SLOW, str(folder), str(seconds)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": MODULES})
    assert process.stdout.readline() == "begun\n"
    return process


def test_an_entry_is_built_once_and_another_fact_gives_another_entry(tmp_path):
    built = []

    def build(place: Path) -> None:
        built.append(place)
        (place / "data").write_text("1")

    cache = PreparedCache(tmp_path / "cache")
    first = cache.entry({"spacing": 1.0}, build)
    assert cache.entry({"spacing": 1.0}, build) == first and cache.holds({"spacing": 1.0})
    assert (first / "data").read_text() == "1"
    assert cache.entry({"spacing": 2.0}, build) != first
    assert len(built) == 2


def test_a_build_that_fails_leaves_nothing(tmp_path):
    def build(place: Path) -> None:
        (place / "data").write_text("1")
        raise ValueError("broken")

    cache = PreparedCache(tmp_path)
    with pytest.raises(ValueError, match="broken"):
        cache.entry({"a": 1}, build)
    assert not cache.holds({"a": 1})
    assert list(tmp_path.iterdir()) == []


def test_two_processes_build_the_same_entry_at_once(tmp_path):
    processes = [slow(tmp_path, 0.5) for _ in range(2)]
    places = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert len(places) == 1
    assert (Path(places.pop()) / "second").read_text() == "whole"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_killed_build_leaves_no_entry_and_is_swept_up_a_day_later(tmp_path):
    process = slow(tmp_path, 60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (left,) = tmp_path.iterdir()
    assert not PreparedCache(tmp_path).holds({"kind": "trial"}) and left.exists()
    yesterday = time.time() - 25 * 3600
    os.utime(left, (yesterday, yesterday))
    PreparedCache(tmp_path)
    assert not left.exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written into") as caught:
        PreparedCache(tmp_path / "file" / "cache")
    assert caught.value.hint == "Name another folder with --cache."
