"""``mslesionseg train`` and ``mslesionseg release``: from annotated studies to a model bundle."""

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.errors import UsageError


def train(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(help="folder that holds cross-sectional/ (see docs/scientist.md)")],
    out: Annotated[Path, typer.Option(help="folder of the run")],
    preset: Annotated[str, typer.Option(help="size of the network: small, b0 to b4")] = "b0",
    steps: Annotated[int, typer.Option(min=1, help="optimiser steps")] = 3000,
    leave_out: Annotated[
        str | None, typer.Option(metavar="PATIENT", help="use nothing of this patient, e.g. sub-07, and score on it")
    ] = None,
    seed: Annotated[int, typer.Option(help="of weights and patches")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="go on from the run's last checkpoint")] = False,
) -> None:
    """Train a lesion network on annotated studies, with lesions of other patients painted in."""
    from MSLesionSegLib.networks.efficientnet3d_unet import preset_architecture, preset_scaling

    from .open_ms_data import labelled_patients, load_canvases
    from .painting import measure_levels
    from .patches import PatchDataset, PatchRecipe
    from .settings import TrainSettings
    from .train import train as run_training

    patients = labelled_patients(data)
    if leave_out is not None and leave_out not in patients:
        raise UsageError(f"There is no patient {leave_out} in {data}.", f"Patients are {', '.join(patients)}.")
    settings = TrainSettings(
        architecture=preset_architecture(preset),
        recipe=PatchRecipe(patch=preset_scaling(preset).patch),
        steps=steps,
        seed=seed,
        leave_out=leave_out,
    )
    progress = context.obj
    progress.plan({"prepare": 1.0, "train": 20.0, "score": 1.0})
    progress.stage("prepare", "preparing the studies")
    canvases, pool = load_canvases(data, leave_out)
    patches = PatchDataset(canvases, pool, measure_levels(canvases), settings.recipe, seed, steps * settings.batch)
    progress.stage("train")
    network = run_training(settings, patches, out, progress, resume=resume)
    progress.stage("score")
    message = f"The run lies in {out}"
    if leave_out is not None:
        from .fold_scores import score_left_out

        best = score_left_out(network, settings, data, out, progress)
        message = f"{leave_out}, left out: Dice {best['dice']:.3f} at threshold {best['threshold']}. {message}"
    progress.result({"folder": str(out), "message": message})


def release(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="folder of a finished run")],
    data: Annotated[Path, typer.Option(help="the data the run was trained on")],
    out: Annotated[Path, typer.Option(help="the bundle's folder")],
    version: Annotated[str, typer.Option(help="version of the model, e.g. 1.0")],
    fold: Annotated[list[Path], typer.Option(help="run that left a patient out; give each once")],
    name: Annotated[str, typer.Option(help="name of the model")] = "ms-lesion",
) -> None:
    """Write a model bundle from a run; the runs that left a patient out choose its threshold and fill its card."""
    from .release import release_bundle

    context.obj.plan({"release": 1.0})
    context.obj.stage("release")
    bundle = release_bundle(run, data, out, name=name, version=version, folds=fold)
    context.obj.result({"folder": str(bundle), "message": f"The bundle lies in {bundle}"})
