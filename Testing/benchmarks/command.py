"""The whole command ``segment``, as a user waits for it: a fresh process, by stage, and its peak memory."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import SimpleITK as sitk

from .data import data_folder
from .rows import Row

RAW = "longitudinal/sub-12/ses-1/anat/sub-12_ses-1"
LARGE = (512, 512, 192)


def segment_raw() -> list[Row]:
    """A raw three-series study, by stage."""
    stem = data_folder() / RAW
    words = [f"--{option}={stem}_{name}.nii.gz" for option, name in (("flair", "FLAIR"), ("t1", "T1w"), ("t2", "T2w"))]
    return [_row("segment_raw", words, "patient 12, first date, of the longitudinal set: three series on three grids")]


def segment_phantom() -> list[Row]:
    """The synthetic study, by stage."""
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder, "study")
        subprocess.run([sys.executable, "-m", "MSLesionSegLib", "phantom", str(study)], check=True, capture_output=True)
        names = (("flair", "FLAIR"), ("t1", "T1w"), ("t2", "T2w"))
        words = [f"--{option}={study / name}.nii.gz" for option, name in names]
        return [_row("segment_phantom", words, "the phantom: three series on three grids")]


def segment_large() -> list[Row]:
    """A FLAIR of 512 x 512 x 192 voxels: the phantom's, interpolated."""
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder, "study")
        subprocess.run([sys.executable, "-m", "MSLesionSegLib", "phantom", str(study)], check=True, capture_output=True)
        flair = sitk.ReadImage(str(study / "FLAIR.nii.gz"), sitk.sitkFloat32)
        spacing = [
            n * step / wanted for n, step, wanted in zip(flair.GetSize(), flair.GetSpacing(), LARGE, strict=True)
        ]
        large = sitk.Resample(
            flair, LARGE, sitk.Transform(), sitk.sitkLinear, flair.GetOrigin(), spacing, flair.GetDirection()
        )
        noisy = sitk.AdditiveGaussianNoise(large, 1.0, 0.0, 0)
        sitk.WriteImage(sitk.Cast(noisy, sitk.sitkInt16), str(study / "large.nii.gz"))
        return [_row("segment_large", [f"--flair={study / 'large.nii.gz'}"], "the phantom's FLAIR at 512x512x192")]


def _row(name: str, words: list[str], data: str) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        program = [sys.executable, "-m", "MSLesionSegLib", "segment", *words, f"--out={folder}/result"]
        started = time.perf_counter()
        entered = [("start of the program", started)]
        process = subprocess.Popen(
            [*program, "--progress=json", "--device=cpu"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
        for line in process.stdout:
            stage = json.loads(line).get("stage")
            if stage and stage != entered[-1][0]:
                entered.append((stage, time.perf_counter()))
        _, status, usage = os.wait4(process.pid, 0)
        ended = time.perf_counter()
        if status:
            raise SystemExit(f"{' '.join(program)} left with status {status}.")
    ends = [moment for _, moment in entered[1:]] + [ended]
    stages = {stage: round(end - begin, 2) for (stage, begin), end in zip(entered, ends, strict=True)}
    details = {
        "seconds_of_stage": stages,
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_gb": round(usage.ru_maxrss * 1024 / 1e9, 2),
    }
    return Row(name, "whole command", round(ended - started, 1), "s", data, details=details)
