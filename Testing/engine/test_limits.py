"""The whole command where the machine sets limits: disk, memory, permissions, no home, no network, odd names."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.model_store import default_model

resource = pytest.importorskip("resource", reason="limits are set as POSIX systems set them")

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHONPATH = os.pathsep.join(str(REPOSITORY / module) for module in ("MSLesionSeg", "MSLesionSegTraining"))
RUN = "from MSLesionSegLib.cli import build_app\nfrom MSLesionSegLib.cli_runner import leave, run\n"
MEGABYTE = 1 << 20


def head(path: Path) -> Path:
    """A stripped ball of a brain, 1 litre: small enough to be segmented in seconds."""
    x, y, z = np.indices((40, 48, 40))
    inside = ((x - 20) / 14) ** 2 + ((y - 24) / 18) ** 2 + ((z - 20) / 14) ** 2 < 1
    values = inside * (400 + np.random.default_rng(0).normal(0, 20, inside.shape))
    nib.save(nib.Nifti1Image(np.clip(values, 0, None).astype(np.int16), np.diag([4.0, 4.0, 4.0, 1.0])), path)
    return path


def command(*words: object, before: str = "", limit: Callable[[], None] | None = None, **changes: str | None):
    """Run ``segment`` in a process of its own, after a line of Python in it, under a limit."""
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH, "CUDA_VISIBLE_DEVICES": "", **changes}
    words = ["segment", *map(str, words), "--progress", "none"]
    text = f"{RUN}{before}\nleave(run(build_app(), {words!r}))"
    return subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        encoding="utf-8",
        env={name: value for name, value in environment.items() if value is not None},
        preexec_fn=limit,
        timeout=300,
    )


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="mslesionseg-test-"))
    folder.chmod(0o777)
    yield folder
    for path in folder.rglob("*"):
        path.chmod(0o700)
    shutil.rmtree(folder)


def said(done: subprocess.CompletedProcess) -> str:
    assert done.stdout == "" and "Traceback" not in done.stderr, done.stderr
    return done.stderr[done.stderr.index("Error") :]


def test_a_full_disk_is_named_and_leaves_nothing(place):
    flair = head(place / "f.nii.gz")
    done = command(
        *("--flair", flair, "--out", place / "result"),
        limit=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000)),
    )
    assert said(done).startswith(f"Error: The result cannot be written to {place / 'result'}: the disk is full.\n")
    assert done.returncode == 5
    assert [path.name for path in place.iterdir()] == ["f.nii.gz"]


def test_too_little_memory_is_one_sentence(place):
    flair = head(place / "f.nii.gz")
    before = "import resource, torch, SimpleITK, matplotlib.pyplot, MSLesionSegLib.segment, MSLesionSegLib.predictor\n"
    before += "MSLesionSegLib.segment.reserve_blas()\n"
    before += "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
    before += f"resource.setrlimit(resource.RLIMIT_AS, (used + {40 * MEGABYTE}, -1))"
    done = command("--flair", flair, "--out", place / "result", "--runtime", "torch", before=before)
    assert done.returncode == 6, done.stderr
    assert "memory" in said(done).splitlines()[0]
    assert [path.name for path in place.iterdir()] == ["f.nii.gz"]


@pytest.mark.parametrize("forbidden", ["file", "folder", "result"])
def test_what_another_user_may_not_read_or_write_is_named(place, forbidden):
    (place / "study").mkdir()
    flair = head(place / "study" / "f.nii.gz")
    shutil.copytree(default_model("lesion"), place / "model")
    (place / "results").mkdir()
    (place / "results").chmod(0o777)
    locked = {"file": flair, "folder": flair.parent, "result": place / "results"}[forbidden]
    locked.chmod(0o500 if forbidden == "result" else 0)
    # Root may read anything, so the command runs as nobody, who may not enter every virtual environment: import first.
    before = "import os, torch, SimpleITK, matplotlib.pyplot, MSLesionSegLib.segment, MSLesionSegLib.predictor\n"
    before += "import safetensors.torch, pydantic, scipy.ndimage, MSLesionSegLib.overview, rich.progress, openvino\n"
    before += "os.getuid() or os.seteuid(65534)"
    out = place / "results" / "one"
    done = command("--flair", flair, "--out", out, "--model", place / "model", before=before)
    first = said(done).splitlines()[0]
    cannot = f"The result cannot be written to {out}: permission denied."
    assert first == f"Error: {cannot if forbidden == 'result' else f'{flair} may not be read.'}"
    assert done.returncode == (5 if forbidden == "result" else 3)
    locked.chmod(0o700)
    assert list((place / "results").iterdir()) == []


@pytest.mark.parametrize("home", [None, "/nowhere", "/proc"])
def test_no_home_or_one_that_cannot_be_written_is_no_hindrance(place, home):
    flair = head(place / "f.nii.gz")
    changes = {name: None for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "MPLCONFIGDIR")}
    done = command("--flair", flair, "--out", place / "result", HOME=home, **changes)
    assert done.returncode == 0, done.stderr
    assert (place / "result" / "lesion_mask.nii.gz").exists()


@pytest.mark.parametrize("name", ["two words", 'it\'s "quoted" & $HOME;', "Schädel Köpfe 頭", "-o"])
def test_odd_names_of_files_and_folders_work(place, name):
    (place / name).mkdir()
    flair = head(place / name / f"{name}.nii.gz")
    done = command("--flair", flair, "--out", place / name / f"result {name}", LC_ALL="C")
    assert done.returncode == 0, done.stderr
    assert (place / name / f"result {name}" / "provenance.json").exists()


def test_no_socket_is_ever_opened(place):
    flair = head(place / "f.nii.gz")
    before = "import socket\ndef refuse(*_, **__): raise AssertionError('a socket was opened')\n"
    before += "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse"
    done = command("--flair", flair, "--out", place / "result", before=before)
    assert done.returncode == 0, done.stderr


def test_an_interrupt_from_the_keyboard_ends_it_with_one_sentence(place):
    flair = head(place / "f.nii.gz")
    before = "import os, signal, threading\n"
    before += f"threading.Timer(0.6, os.kill, (os.getpid(), {int(signal.SIGINT)})).start()"
    done = command("--flair", flair, "--out", place / "result", before=before)
    assert said(done) == "Error: Cancelled; nothing was written.\n"
    assert done.returncode == 130
    assert [path.name for path in place.iterdir()] == ["f.nii.gz"]
