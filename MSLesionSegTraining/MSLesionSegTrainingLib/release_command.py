"""``mslesionseg models release``: from a finished run to a model bundle."""

import re
from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.cli import ProgressKind
from MSLesionSegLib.errors import UsageError


def release(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="folder of a finished run")],
    out: Annotated[Path | None, typer.Option(help="folder of the bundle [default: RUN/bundle]")] = None,
    name: Annotated[str | None, typer.Option(help="name of the model [default: that of the run's folder]")] = None,
    version: Annotated[str, typer.Option(help="version of the model")] = "1.0",
    fold: Annotated[
        list[Path] | None,
        typer.Option(help="run of the same recipe that left a patient out; give each once"),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0.01, max=0.99, help="probability from which a voxel is lesion [default: chosen]"),
    ] = None,
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """Write a model bundle from a run.

    Its threshold is chosen, and its card filled, by the validation cases of the run or of the folds.
    """
    from .release import release_bundle

    name = name or run.resolve().name
    check_name(name, version)
    context.obj.plan({"release": 1.0})
    context.obj.stage("release")
    bundle = release_bundle(
        run, out or run / "bundle", name=name, version=version, folds=fold or [], threshold=threshold
    )
    context.obj.result({"folder": str(bundle), "message": f"The bundle lies in {bundle}"})


def check_name(name: str, version: str) -> None:
    """Refuse a name and a version that no model can have.

    Raises:
        UsageError: one of them holds other characters than the bundle's schema allows.
    """
    from MSLesionSegLib.bundle_schema import NAME_PATTERN, VERSION_PATTERN

    for what, text, pattern in (("name", name, NAME_PATTERN), ("version", version, VERSION_PATTERN)):
        if not re.fullmatch(pattern, text):
            raise UsageError(f"A model cannot have the {what} {text!r}.", f"Give --{what} letters, digits, . _ and -.")
