"""``mslesionseg models promote``: a run becomes a model that can be chosen by its name."""

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib import model_store
from MSLesionSegLib.cli import ProgressKind
from MSLesionSegLib.errors import ModelError

from .release_command import check_name


def promote(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="folder of a run")],
    name: Annotated[str, typer.Option(help="name of the model")],
    version: Annotated[str, typer.Option(help="version of the model")],
    threshold: Annotated[
        float | None,
        typer.Option(min=0.01, max=0.99, help="probability from which a voxel is lesion [default: chosen]"),
    ] = None,
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """Release a run under a name and a version, and add it to your own models. Earlier models stay as they are.

    Of a run that was stopped the best epoch is taken, with the threshold that suited it.
    """
    from .release import release_bundle

    check_name(name, version)
    full_name = f"{name}-{version}"
    if any(entry.full_name == full_name for entry in model_store.list_models()):
        raise ModelError(f"There is a model {full_name} already.", "Choose another version.")
    context.obj.plan({"release": 5.0, "add": 1.0})
    context.obj.stage("release", "writing the bundle")
    threshold = threshold or _threshold(run)
    bundle = release_bundle(run, run / "bundle", name=name, version=version, folds=[], threshold=threshold)
    context.obj.stage("add", "adding it to the models")
    entry = model_store.add_model(bundle)
    context.obj.result(
        {
            "model": entry.full_name,
            "folder": str(entry.path),
            "message": f"{entry.name} {entry.version} can be chosen now; earlier models are still there.",
        }
    )


def _threshold(run: Path) -> float | None:
    """None where the scores of a finished run choose it; else that of the best epoch, or of the model before."""
    from .before_after_models import bundle_model, threshold_so_far
    from .settings import TrainSettings
    from .validation import SCORES_FILE

    if (run / SCORES_FILE).exists():
        return None
    start = TrainSettings.load(run).init
    otherwise = bundle_model(f"{start['name']}-{start['version']}").threshold if start else 0.5
    return threshold_so_far(run, otherwise)
