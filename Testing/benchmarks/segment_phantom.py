"""The whole command ``segment`` on the phantom (three contrasts, CPU), by stage."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def segment_phantom() -> list[tuple[str, float]]:
    """Seconds of each stage as a user waits for it, in a fresh process, and of the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder, "study")
        program = [sys.executable, "-m", "MSLesionSegTrainingLib"]
        subprocess.run([*program, "phantom", str(study)], check=True, capture_output=True)
        words = ["--progress", "json", "--device", "cpu", "--out", str(Path(folder, "result"))]
        for option, name in (("--flair", "FLAIR"), ("--t1", "T1w"), ("--t2", "T2w")):
            words += [option, str(study / f"{name}.nii.gz")]
        return _timed([*program, "segment", *words])


def _timed(words: list[str]) -> list[tuple[str, float]]:
    started = time.perf_counter()
    entered: list[tuple[str, float]] = [("start of the program", started)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8") as process:
        for line in process.stdout:
            stage = json.loads(line).get("stage")
            if stage and stage != entered[-1][0]:
                entered.append((stage, time.perf_counter()))
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} left with {process.returncode}")
    ended = time.perf_counter()
    ends = [moment for _, moment in entered[1:]] + [ended]
    rows = [(name, end - begin) for (name, begin), end in zip(entered, ends, strict=True)]
    return [*rows, ("whole command", ended - started)]
