"""``brain-train``: train the network that finds the brain in whole heads, and write its bundle."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer


def brain_train(
    data: Annotated[Path, typer.Option(help="folder with longitudinal and cross-sectional")],
    out: Annotated[Path, typer.Option(help="folder of the bundle to write; an earlier bundle in it is replaced")],
    minutes: Annotated[float, typer.Option(help="train for this long; not repeatable to the bit")] = 0.0,
    steps: Annotated[int, typer.Option(help="train for this many steps; repeatable")] = 0,
    leave_out: Annotated[str, typer.Option(help="patient of longitudinal to leave out, e.g. sub-12")] = "",
    seed: Annotated[int, typer.Option(help="seed of all randomness")] = 0,
) -> None:
    """Train the brain network and measure it on the raw FLAIRs (on the left-out patient, where one is named)."""
    import SimpleITK as sitk
    import torch

    from MSLesionSegLib.errors import UsageError

    from .brain_card import save_brain_bundle
    from .brain_heads import flair_hashes
    from .brain_training import BrainRecipe, head_scores, prepare_heads, train_brain

    if (minutes > 0) == (steps > 0):
        raise UsageError("brain-train needs either --minutes or --steps.", "Give one of them, above zero.")
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    recipe = BrainRecipe(steps=steps, minutes=minutes, seed=seed)
    left_out = leave_out or None
    raw, made = prepare_heads(data, recipe, left_out)

    def report(done: float, step: int, loss: float) -> None:
        typer.echo(f"step {step}, {100 * done:.0f} %, loss {loss:.4f}", err=True)

    network, summary = train_brain(raw, made, recipe, report)
    scores = head_scores(data, network, recipe, left_out)
    save_brain_bundle(
        out,
        network,
        recipe=asdict(recipe) | summary | {"left_out": leave_out},
        case_hashes=flair_hashes(data, left_out),
        scores=[score | {"trained_on": left_out is None} for score in scores],
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    for score in scores:
        typer.echo(f"{score['image']}: Dice {score['dice']:.3f}, {score['volume_ml']} mL")
    typer.echo(f"The bundle lies in {out}.")
