"""From a study as the scanner gave it to what the network sees: the one path for training and for inference."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import SimpleITK as sitk

from .bias import correct_bias
from .errors import StudyError
from .grid import Grid, model_grid, resample
from .normalise import normalise
from .protocol import Progress, SilentProgress
from .registration import Registration, register_rigid
from .study import CONTRASTS, Study, check_brain_volume

#: A series that shows less than this share of the brain is refused; less than `NOTED_COVERAGE` is noted.
LEAST_COVERAGE = 0.5
NOTED_COVERAGE = 0.98
#: Below this mutual information with the FLAIR (nats) a series may be of another patient. Measured on raw and stripped
#: heads: 0.35 to 0.56 in 12 series of one examination, 0.27 to 0.45 in 7 of another date, 0.06 to 0.28 in 22 of another
#: patient.
DOUBTFUL_FIT = 0.3
#: Series whose bias is corrected at the same time; each holds a few copies of itself meanwhile.
BIAS_WORKERS = 2
#: A given brain mask may lose this share of its volume outside the FLAIR.
MASK_OUTSIDE = 0.1


@dataclass(frozen=True)
class PreparedStudy:
    """A study on the model's grid.

    Attributes:
        grid: where the arrays lie; x from right to left, y from front to back, z from foot to head.
        channels: float32, shape (3, z, y, x), in the order FLAIR, T1w, T2w; normalised, 0 outside the brain, all 0
            for a contrast that is missing.
        present: names of the contrasts there are.
        brain: bool, shape (z, y, x).
        brain_on_flair: uint8 on the FLAIR's own grid.
        transforms: contrast -> maps points (LPS mm) of the FLAIR to that series; identity for the FLAIR.
        notes: sentences for the report.
    """

    grid: Grid
    channels: np.ndarray
    present: tuple[str, ...]
    brain: np.ndarray
    brain_on_flair: sitk.Image
    transforms: dict[str, sitk.Transform]
    notes: list[str]


def prepare(
    study: Study,
    *,
    brain_mask: sitk.Image | None = None,
    registered: bool = False,
    spacing_mm: float = 1.0,
    progress: Progress | None = None,
    find_brain: Callable[[sitk.Image], sitk.Image] | None = None,
) -> PreparedStudy:
    """Register, find the brain, correct bias, resample, normalise.

    Args:
        study: whole head or stripped, each series on a grid of its own.
        brain_mask: the user's own, brain where not 0, in the FLAIR's space on any grid; None looks for the brain.
        registered: T1w and T2w already lie on the FLAIR and are taken as they are.
        spacing_mm: edge of the model's voxels.
        progress: enters the stages register, brain, bias and resample.
        find_brain: gives the brain mask (uint8, on the FLAIR's grid) of a FLAIR; None takes the engine's own, which
            needs a brain model only for whole heads.

    Returns:
        The study on the model's grid.

    Raises:
        StudyError: a series does not show the brain, or the brain mask does not belong to the FLAIR.
        Cancelled: a cancel was asked for.
    """
    progress = progress or SilentProgress()
    progress.stage("register")
    transforms, notes = _register(study, registered, progress)

    progress.stage("brain")
    if brain_mask is not None:
        brain_on_flair = _given_brain(brain_mask, study.flair)
        notes.append("Brain: the given mask.")
    else:
        brain_on_flair = _found_brain(study.flair, progress, find_brain)
    soft_brain = sitk.Cast(brain_on_flair, sitk.sitkFloat32)

    progress.stage("bias")
    corrected, bias_notes = _correct_bias(study, soft_brain, transforms, progress)
    notes.extend(bias_notes)

    progress.stage("resample")
    grid = model_grid(study.flair, spacing_mm)
    brain = sitk.GetArrayFromImage(resample(soft_brain, grid)) >= 0.5
    channels = np.zeros((len(CONTRASTS), *grid.shape), dtype=np.float32)
    for name in study.contrasts:
        progress.check()
        seen = brain & _field_of_view(study.image(name), grid, transforms[name])
        notes.extend(_check_coverage(study, name, float(seen.sum()) / float(brain.sum())))
        values = sitk.GetArrayFromImage(resample(corrected[name], grid, transforms[name]))
        channels[CONTRASTS.index(name)] = _named(study, name, normalise, values, seen)
    return PreparedStudy(grid, channels, study.contrasts, brain, brain_on_flair, transforms, notes)


def _register(study: Study, registered: bool, progress: Progress) -> tuple[dict[str, sitk.Transform], list[str]]:
    identity = sitk.Euler3DTransform()
    identity.SetCenter(Grid.of(study.flair).centre.tolist())
    transforms: dict[str, sitk.Transform] = {name: sitk.Euler3DTransform(identity) for name in study.contrasts}
    others = study.contrasts[1:]
    if registered:
        return transforms, [f"{name}: taken as registered to the FLAIR." for name in others]
    if not others:
        return transforms, []
    tasks = {name: partial(register_rigid, study.flair, study.image(name)) for name in others}
    running = _side_by_side(tasks, len(others), progress)
    found: dict[str, Registration] = {name: _named(study, name, future.result) for name, future in running.items()}
    transforms |= {name: registration.transform for name, registration in found.items()}
    doubts = [doubt for name, registration in found.items() if (doubt := _doubt(name, registration))]
    for doubt in doubts:
        progress.warn(doubt)
    return transforms, [*(f"{name}: {registration.note}." for name, registration in found.items()), *doubts]


def _doubt(name: str, registration: Registration) -> str:
    """A sentence where a series fits the FLAIR as poorly as one of another patient does; else empty."""
    if registration.metric >= DOUBTFUL_FIT:
        return ""
    return (
        f"The {name} fits the FLAIR poorly even after registration "
        f"(mutual information {registration.metric:.2f} nats); check that both are of one patient and one examination."
    )


def _correct_bias(
    study: Study, soft_brain: sitk.Image, transforms: dict[str, sitk.Transform], progress: Progress
) -> tuple[dict[str, sitk.Image], list[str]]:
    """The series without their bias, side by side: each takes one thread, so the order changes no byte."""

    def correct(name: str) -> sitk.Image:
        series = study.image(name)
        return correct_bias(series, resample(soft_brain, series, transforms[name].GetInverse()) >= 0.5)

    running = _side_by_side({name: partial(correct, name) for name in study.contrasts}, BIAS_WORKERS, progress)
    corrected = {name: _named(study, name, future.result) for name, future in running.items()}
    changed = [name for name in study.contrasts if corrected[name] is not study.image(name)]
    return corrected, [f"{name}: intensity bias corrected." for name in changed]


def _side_by_side(tasks: dict[str, Callable[[], Any]], workers: int, progress: Progress) -> dict[str, Future[Any]]:
    """Run tasks on threads until all are done, or a cancel is asked for."""
    pool = ThreadPoolExecutor(workers)
    try:
        running = {name: pool.submit(task) for name, task in tasks.items()}
        pending = set(running.values())
        while pending:
            done, pending = wait(pending, timeout=0.2)
            progress.update(1.0 - len(pending) / len(tasks))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return running


def _given_brain(mask: sitk.Image, flair: sitk.Image) -> sitk.Image:
    check_brain_volume(mask, "for the FLAIR")
    on_flair = resample(sitk.Cast(mask != 0, sitk.sitkUInt8), flair, interpolator="nearest")
    volume = [np.count_nonzero(sitk.GetArrayViewFromImage(i)) * np.prod(i.GetSpacing()) for i in (mask, on_flair)]
    values, inside = sitk.GetArrayViewFromImage(flair), sitk.GetArrayViewFromImage(on_flair) > 0
    if volume[1] < (1.0 - MASK_OUTSIDE) * volume[0] or np.median(values[inside]) <= np.median(values[~inside]):
        raise StudyError(
            "The given brain mask does not lie on the brain of the FLAIR.",
            "Give a mask that was made in the space of this FLAIR, or leave --brain-mask out.",
        )
    return on_flair


def _found_brain(
    flair: sitk.Image, progress: Progress, find_brain: Callable[[sitk.Image], sitk.Image] | None
) -> sitk.Image:
    if find_brain is not None:
        return find_brain(flair)
    from .brain_mask import find_brain as engines_own

    return engines_own(flair, progress=progress)


def _field_of_view(series: sitk.Image, grid: Grid, transform: sitk.Transform) -> np.ndarray:
    """Where on the grid the series was measured, bool, shape (z, y, x)."""
    everywhere = Grid.of(series).image(np.ones(Grid.of(series).shape, dtype=np.uint8))
    return sitk.GetArrayFromImage(resample(everywhere, grid, transform, "nearest")) > 0


def _check_coverage(study: Study, name: str, share: float) -> list[str]:
    if share < LEAST_COVERAGE:
        raise StudyError(
            f"The {name}{_where(study, name)} shows only {100 * share:.0f} % of the brain on the FLAIR.",
            "Check that it belongs to the same examination, or leave it out.",
        )
    return [] if share >= NOTED_COVERAGE else [f"{name}: shows {100 * share:.0f} % of the brain."]


def _named(study: Study, name: str, step: Callable, *arguments: object):
    """The result of a step; an error of it says which series is meant."""
    try:
        return step(*arguments)
    except StudyError as error:
        raise StudyError(f"{name}{_where(study, name)}: {error.message}", error.hint) from error


def _where(study: Study, name: str) -> str:
    return f" ({study.sources[name].path})" if name in study.sources else ""
