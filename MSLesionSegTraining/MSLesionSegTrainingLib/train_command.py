"""``mslesionseg train``: from annotated cases to a trained network."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from MSLesionSegLib.cli import Device, ProgressKind
from MSLesionSegLib.errors import UsageError
from MSLesionSegLib.protocol import SilentProgress

if TYPE_CHECKING:
    from .settings import TrainSettings

DEFAULT_EPOCHS = 12
#: Peak learning rate of a network that starts from a model; small, so that it does not forget.
GENTLE_RATE = 5e-4
#: Option -> field of the settings, for those that a resumed run takes from its own settings when they are not given.
FIELDS = {
    "sampler": "sampler",
    "loss": "loss",
    "epochs": "epochs",
    "hours": "hours",
    "epoch_steps": "epoch_steps",
    "batch": "batch",
    "learning_rate": "learning_rate",
    "deep_supervision": "deep_supervision",
    "patience": "patience",
    "seed": "seed",
    "leave_out": "leave_out",
    "rehearse": "rehearsal",
    "precision": "bf16",
    "preset": "architecture",
}


class SamplerName(StrEnum):
    """Where patches lie."""

    lesion = "lesion"
    uniform = "uniform"
    posneg = "posneg"


class LossName(StrEnum):
    """What is minimised."""

    dice_ce = "dice-ce"
    focal_tversky = "focal-tversky"


class Precision(StrEnum):
    """Of the arithmetic in training."""

    bf16 = "bf16"
    float32 = "32"


def train(
    context: typer.Context,
    dataset: Annotated[Path, typer.Argument(help="folder of annotated cases (docs/formats.md)")],
    out: Annotated[Path, typer.Option(help="folder of the run")],
    preset: Annotated[str, typer.Option(help="size of the network: small, b0 to b4")] = "b0",
    sampler: Annotated[SamplerName, typer.Option(help="where patches are cut")] = SamplerName.lesion,
    init: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="start from the weights of a model: a name, a bundle, or shipped"),
    ] = None,
    rehearse: Annotated[
        bool | None,
        typer.Option("--rehearse/--no-rehearse", help="add synthetic images and lesions [default: with --init]"),
    ] = None,
    force_overlap: Annotated[
        bool, typer.Option("--force-overlap", help="start from a model that knows cases of validation or test")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="go on from the run's last checkpoint")] = False,
    epochs: Annotated[int | None, typer.Option(min=1, help=f"length of the run [default: {DEFAULT_EPOCHS}]")] = None,
    hours: Annotated[float | None, typer.Option(min=0.001, help="time for the run, instead of --epochs")] = None,
    epoch_steps: Annotated[int, typer.Option(min=1, help="optimiser steps an epoch")] = 250,
    batch: Annotated[int, typer.Option(min=1, help="patches a step, over all processes")] = 2,
    learning_rate: Annotated[
        float | None, typer.Option(min=1e-7, max=1.0, help=f"peak [default: 0.002; {GENTLE_RATE:g} with --init]")
    ] = None,
    loss: Annotated[LossName, typer.Option(help="what is minimised")] = LossName.dice_ce,
    deep_supervision: Annotated[
        bool, typer.Option("--deep-supervision", help="coarser resolutions count in the loss as well")
    ] = False,
    patience: Annotated[
        int, typer.Option(min=0, help="end after so many epochs without a better validation; 0 never does")
    ] = 0,
    leave_out: Annotated[
        str | None, typer.Option(metavar="PATIENT", help="train on nothing of this patient, validate on it")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="of weights and patches")] = 0,
    precision: Annotated[Precision, typer.Option(help="of the arithmetic")] = Precision.bf16,
    device: Annotated[Device, typer.Option(help="where the network is trained")] = Device.auto,
    cache: Annotated[
        Path | None, typer.Option(help="folder of prepared cases [default: DATASET/derivatives/prepared]")
    ] = None,
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """Train a lesion network on annotated cases, with lesions of other cases painted in."""
    from MSLesionSegLib.networks.efficientnet3d_unet import preset_architecture, preset_scaling

    from .before_after_command import compare_run
    from .checkpoint import check_run_folder, one_at_a_time
    from .fabric_setup import make_fabric
    from .followed import followed
    from .patches import PatchRecipe
    from .run import run_training
    from .settings import TrainSettings
    from .start_weights import load_start

    if epochs is not None and hours is not None:
        raise UsageError("Both --epochs and --hours were given.", "Give one of them.")
    given = {name for name in FIELDS if context.get_parameter_source(name).name == "COMMANDLINE"}
    start = load_start(init) if init is not None else None
    if start is not None and "preset" in given:
        raise UsageError("Both --preset and --init were given.", "The model of --init has a size of its own.")
    patch = start.patch if start else preset_scaling(preset).patch
    settings = TrainSettings(
        architecture=start.architecture if start else preset_architecture(preset),
        recipe=PatchRecipe(patch=patch),
        sampler=sampler.value,
        epochs=None if hours is not None else epochs or DEFAULT_EPOCHS,
        hours=hours,
        epoch_steps=epoch_steps,
        batch=batch,
        loss=loss.value,
        deep_supervision=deep_supervision,
        learning_rate=learning_rate or (GENTLE_RATE if start else TrainSettings.learning_rate),
        patience=patience,
        seed=seed,
        bf16=precision is Precision.bf16,
        init=start.identity if start else {},
        leave_out=leave_out,
        rehearsal=start is not None if rehearse is None else rehearse,
    )
    check_run_folder(out, resume=resume)
    if resume:
        settings = _resumed(settings, TrainSettings.load(out), given, out)
        if settings.rehearsal and settings.init and start is None:
            start = load_start(f"{settings.init['name']}-{settings.init['version']}")
    fabric = make_fabric(device.value, settings.precision)
    if not fabric.is_global_zero:
        run_training(settings, dataset, out, SilentProgress(), fabric, start, resume, cache, force_overlap)
        return
    with one_at_a_time(out), followed(context.obj, out) as told:
        told.outlive_reader()
        message = run_training(settings, dataset, out, told, fabric, start, resume, cache, force_overlap)
        if settings.init:
            message = f"{message}. {compare_run(out, init, dataset, cache, told)}"
        told.result({"folder": str(out), "message": message})


def _resumed(asked: "TrainSettings", recorded: "TrainSettings", given: set[str], run: Path) -> "TrainSettings":
    """The settings of the run; what was given on the command line must agree with them."""
    for option in sorted(given):
        field = FIELDS[option]
        wanted, kept = getattr(asked, field), getattr(recorded, field)
        if wanted != kept:
            shown = option.replace("_", "-")
            what = f"{kept}" if option != "preset" else "another preset"
            raise UsageError(
                f"{run} was started with other settings than --{shown} says ({what}).",
                f"Leave --{shown} away to go on, or start another run with --out.",
            )
    return recorded
