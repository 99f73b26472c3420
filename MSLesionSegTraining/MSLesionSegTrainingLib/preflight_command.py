"""``mslesionseg preflight``: what a training would take on this machine, before it begins."""

import os
from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.cli import Device, ProgressKind
from MSLesionSegLib.errors import UsageError


def preflight(
    context: typer.Context,
    dataset: Annotated[Path, typer.Argument(help="folder of annotated cases (docs/formats.md)")],
    out: Annotated[Path, typer.Option(help="folder of the run, as for `train`")],
    preset: Annotated[str, typer.Option(help="size of the network: small, b0 to b4")] = "b0",
    init: Annotated[
        str | None, typer.Option(metavar="MODEL", help="model to start from: a name, a bundle, or shipped")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="length of the run")] = 12,
    hours: Annotated[float | None, typer.Option(min=0.001, help="time for the run, instead of --epochs")] = None,
    epoch_steps: Annotated[int, typer.Option(min=1, help="optimiser steps an epoch")] = 250,
    batch: Annotated[int, typer.Option(min=1, help="patches a step")] = 2,
    leave_out: Annotated[str | None, typer.Option(metavar="PATIENT", help="validates in this run")] = None,
    device: Annotated[Device, typer.Option(help="where the network is trained")] = Device.auto,
    cache: Annotated[
        Path | None, typer.Option(help="folder of prepared cases [default: DATASET/derivatives/prepared]")
    ] = None,
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """Tell what `train` with the same options would take: cases, time, disk and memory. Nothing is written.

    Some steps are timed on this machine, for which it takes half a minute.
    """
    from MSLesionSegLib.networks.efficientnet3d_unet import preset_architecture, preset_scaling

    from .preflight import as_sentence, concerns, estimate, plan_cases
    from .preflight_measure import measure_pace
    from .settings import TrainSettings
    from .start_weights import load_start
    from .training_set import PREPARED

    voice = context.obj
    voice.plan({"cases": 1.0, "measure": 1.0})
    voice.stage("cases", "looking at the cases")
    start = load_start(init) if init is not None else None
    if start is not None and context.get_parameter_source("preset").name == "COMMANDLINE":
        raise UsageError("Both --preset and --init were given.", "The model of --init has a size of its own.")
    cache = cache or dataset / PREPARED
    cases = plan_cases(dataset, cache, leave_out, start.case_hashes if start else None, voice)
    voice.stage("measure", "timing this machine")
    pace = measure_pace(
        start.architecture if start else preset_architecture(preset),
        start.patch if start else preset_scaling(preset).patch,
        batch,
        TrainSettings().precision,
        device.value,
        voice,
    )
    need = estimate(
        cases,
        pace,
        run=out,
        cache=cache,
        batch=batch,
        steps=None if hours is not None else epochs * epoch_steps,
        hours=hours,
        epoch_steps=epoch_steps,
        rehearses=start is not None,
        cores=os.cpu_count() or 1,
    )
    told = concerns(cases, need)
    for sentence in told:
        voice.warn(sentence)
    voice.result(
        {
            "train": list(cases.train),
            "validation": list(cases.validation),
            "test": list(cases.test),
            "known": list(cases.known),
            "device": pace.device,
            "seconds": round(need.seconds),
            "disk_bytes": need.disk,
            "memory_bytes": need.memory,
            "concerns": told,
            "message": as_sentence(cases, pace, need),
        }
    )
