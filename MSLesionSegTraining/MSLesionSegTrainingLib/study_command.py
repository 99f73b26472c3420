"""``mslesionseg study``: what the network and what the sampler contribute, two by two."""

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.cli import Device, ProgressKind

from .train_command import Precision


def study(
    context: typer.Context,
    dataset: Annotated[Path, typer.Argument(help="folder of annotated cases (docs/formats.md)")],
    out: Annotated[Path, typer.Option(help="folder of the study; one that was stopped goes on")],
    seeds: Annotated[int, typer.Option(min=1, help="runs of each of the four arms")] = 1,
    test: Annotated[
        list[str] | None, typer.Option(metavar="PATIENT", help="patient who tests here; give each once")
    ] = None,
    painted: Annotated[
        int, typer.Option(min=0, help="patients whose lesion shapes are kept for painted test patients, at most")
    ] = 12,
    preset: Annotated[str, typer.Option(help="size of EfficientNet3D-UNet: small, b0 to b4")] = "small",
    unet_width: Annotated[int, typer.Option(min=4, help="channels of the 3D U-Net at full resolution")] = 16,
    epochs: Annotated[int, typer.Option(min=1, help="length of each run")] = 6,
    epoch_steps: Annotated[int, typer.Option(min=1, help="optimiser steps an epoch")] = 60,
    batch: Annotated[int, typer.Option(min=1, help="patches a step")] = 2,
    learning_rate: Annotated[float, typer.Option(min=1e-7, max=1.0, help="peak, of both networks")] = 2e-3,
    precision: Annotated[Precision, typer.Option(help="of the arithmetic")] = Precision.bf16,
    device: Annotated[Device, typer.Option(help="where the networks are trained")] = Device.auto,
    cache: Annotated[
        Path | None, typer.Option(help="folder of prepared cases [default: DATASET/derivatives/prepared]")
    ] = None,
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """Train EfficientNet3D-UNet and 3D U-Net with the lesion-aware and the uniform sampler, and compare them.

    All four see the same number of patches of the same patients. The same command goes on where it was stopped.
    """
    from .checkpoint import one_at_a_time
    from .fabric_setup import make_fabric
    from .followed import followed
    from .study import REPORT_FILE, run_study
    from .study_settings import ARMS, StudySettings
    from .study_summary import arm_name

    settings = StudySettings(
        preset=preset,
        unet_width=unet_width,
        epochs=epochs,
        epoch_steps=epoch_steps,
        batch=batch,
        learning_rate=learning_rate,
        seeds=seeds,
        test=tuple(sorted(test or ())),
        painted=painted,
        bf16=precision is Precision.bf16,
    )
    settings.training(settings.runs[0])
    fabric = make_fabric(device.value, "bf16-mixed" if settings.bf16 else "32-true")
    with one_at_a_time(out), followed(context.obj, out) as told:
        told.outlive_reader()
        told.plan({"prepare": 1.0, "runs": 30.0, "report": 1.0})
        summary = run_study(settings, dataset, out, told, fabric, cache)
        group = next(iter(summary["groups"]))
        dice = {arm.title: summary["groups"][group]["arms"][arm_name(arm)]["dice"]["mean"] for arm in ARMS}
        best = max(dice, key=dice.get)
        told.result(
            {
                "folder": str(out),
                "dice": dice,
                "message": f"Mean Dice on {group} test patients is highest for {best} ({dice[best]:.3f}); "
                f"see {out / REPORT_FILE}",
            }
        )
