"""Runs joined to one: a network that averages their probabilities, or one network with the mean of their weights.

Probabilities of networks that were trained apart, see ``probability_mean.py``. Weights of runs that went on from each
other: between the two lies a network that keeps most of what either does well (Wortsman et al., *Robust fine-tuning of
zero-shot models*, CVPR 2022; of several, *Model soups*, ICML 2022) and takes no longer than one. The mean of the
weights of runs that have no beginning in common is worth nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from MSLesionSegLib.annotated_case import write_json
from MSLesionSegLib.errors import UsageError
from MSLesionSegLib.networks import build_network
from MSLesionSegLib.networks.build import MOST_MEMBERS
from MSLesionSegLib.protocol import Progress

from .calibration_cases import left_out_cases
from .checkpoint import check_run_folder, one_at_a_time, save_checkpoint
from .release import read_run_file, validation_rows
from .run import DATA_FILE
from .run_log import Epoch, read_epochs, write_epochs
from .settings import SETTINGS_FILE, TrainSettings
from .thresholds import best_figures
from .train import load_result
from .validation import final_scores, fullest_rows


def join_runs(runs: Sequence[Path], dataset: Path, out: Path, progress: Progress, *, weights: bool = False) -> str:
    """Join runs to one that can be released, calibrated, or serve as a fold, but not be trained on.

    Args:
        runs: two or more, of one architecture and one recipe of patches, that left out the same patient; their data may
            differ. The averaged weights of the best epoch of each are taken.
        dataset: holds the cases that validated in them, if any did.
        out: folder of the joined run: ``settings.json`` of the first with the number of networks, ``data.json`` of all,
            ``metrics.csv`` with one row (steps of all together), ``scores.json`` and ``checkpoint.pt``.
        progress: enters the stages join and score.
        weights: average the weights instead of the probabilities.

    Returns:
        A sentence for the user, with the figures of the joined run and of each run.

    Raises:
        UsageError: the runs do not belong together, one is not finished, or ``out`` holds a run.
        StudyError, OutputError: see ``left_out_cases``.
    """
    if not 2 <= len(runs) <= MOST_MEMBERS:
        raise UsageError(f"From 2 to {MOST_MEMBERS} runs can be joined, not {len(runs)}.")
    settings = _common_settings(runs, weights=weights)
    data, lasts = _joined_data(runs), _last_epochs(runs)
    check_run_folder(out, resume=False)
    progress.plan({"join": 1.0, "score": 10.0})
    progress.stage("join")
    network = _joined_network(settings, runs)
    with one_at_a_time(out):
        write_json(out / DATA_FILE, data)
        settings.save(out / SETTINGS_FILE)
        progress.stage("score")
        validates = any(case["part"] == "validation" for case in data["cases"])
        canvases = left_out_cases(out, dataset, progress) if validates else []
        rows = final_scores(network, canvases, settings.recipe.patch, out, progress) if canvases else []
        row = _only_row(lasts, fullest_rows(rows))
        write_epochs(out, [row])
        save_checkpoint(out, {"best": {"epoch": row.epoch, "weights": network.state_dict()}})
    scored = [found for run in runs if (found := validation_rows([run], optional=True))]
    told = f"{_told(rows)}; the runs themselves: {', '.join(map(_told, scored)) or 'not scored'}. " if rows else ""
    return f"{told}The joined run lies in {out}"


def _common_settings(runs: Sequence[Path], *, weights: bool) -> TrainSettings:
    every = [TrainSettings.load(run) for run in runs]
    for run, one in zip(runs, every, strict=True):
        if "members" in one.architecture or one.averaged:
            raise UsageError(f"{run} was joined already.", "Give the runs that it was joined from.")
    first, *others = every
    for run, other in zip(runs[1:], others, strict=True):
        for name in ("architecture", "recipe", "leave_out"):
            if getattr(other, name) != getattr(first, name):
                raise UsageError(
                    f"{run} has another {name.replace('_', '-')} than {runs[0]}.",
                    "Join runs of one architecture and one recipe that left out the same patient.",
                )
    if weights:
        return replace(first, averaged=len(runs))
    return replace(first, architecture={**first.architecture, "members": len(runs)})


def _joined_data(runs: Sequence[Path]) -> dict[str, Any]:
    """What the runs were trained on together, as ``data.json`` holds it."""
    cases: dict[str, dict[str, str]] = {}
    sources, licences, hashes = [], [], []
    for run in runs:
        data = read_run_file(run, DATA_FILE, "Give the --out of a `train` that ended.")
        for case in data["cases"]:
            if cases.setdefault(case["case"], case) != case:
                raise UsageError(
                    f"{case['case']} is {case['part']} in {run} and something else in another run.",
                    "Join runs that trained on and left out the same patients.",
                )
        sources += data["sources"]
        licences.append(data["licence"])
        hashes += data["init_case_hashes"]
    return {
        "cases": list(cases.values()),
        "sources": list(dict.fromkeys(sources)),
        "licence": "; ".join(dict.fromkeys(licences)),
        "init_case_hashes": sorted(set(hashes)),
    }


def _joined_network(settings: TrainSettings, runs: Sequence[Path]) -> nn.Module:
    states = [load_result(TrainSettings.load(run), run).state_dict() for run in runs]
    network = build_network(settings.architecture)
    if settings.averaged:
        network.load_state_dict({name: _mean([state[name] for state in states]) for name in states[0]})
        return network.eval()
    for member, state in zip(network.members, states, strict=True):
        member.load_state_dict(state)
    return network.eval()


def _mean(values: Sequence[Tensor]) -> Tensor:
    """The mean of weights or statistics; of counts of batches, which nothing depends on, the first."""
    return torch.stack(tuple(values)).mean(0) if values[0].is_floating_point() else values[0]


def _last_epochs(runs: Sequence[Path]) -> list[Epoch]:
    lasts = []
    for run in runs:
        epochs = read_epochs(run)
        if not epochs:
            raise UsageError(f"{run} did not come to the end of an epoch.", "Go on with `train --resume`.")
        lasts.append(epochs[-1])
    return lasts


def _told(rows: Sequence[dict[str, Any]]) -> str:
    found = best_figures(fullest_rows(rows))
    return f"Dice {found['dice']:.3f}, lesion F1 {found['lesion_f1']:.3f} at threshold {found['threshold']}"


def _only_row(lasts: Sequence[Epoch], rows: Sequence[dict[str, Any]]) -> Epoch:
    """The row of ``metrics.csv``: steps and time of all, mean loss, and how the joined network validates."""
    return Epoch(
        epoch=1,
        step=sum(last.step for last in lasts),
        loss=sum(last.loss for last in lasts) / len(lasts),
        learning_rate=0.0,
        seconds=sum(last.seconds for last in lasts),
        **best_figures(rows),
    )
