"""The whole command line: the engine's commands and those of the training package."""

import typer

from MSLesionSegLib.cli import build_app as build_engine_app

from .background_command import background
from .batch_command import batch
from .before_after_command import compare
from .brain_command import brain_train
from .calibrate_command import calibrate
from .cases_command import cases
from .collect_command import collect
from .evaluate_command import evaluate
from .example_command import example
from .import_command import import_cases
from .join_command import join
from .preflight_command import preflight
from .promote_command import promote
from .release_command import release
from .study_command import study
from .train_command import train
from .validation_masks_command import validation_masks
from .worklist_command import worklist


def build_app() -> typer.Typer:
    """The engine's application with the training package's commands added to it."""
    app = build_engine_app()
    app.command()(cases)
    app.command(name="import")(import_cases)
    app.command()(collect)
    app.command()(preflight)
    app.command()(train)
    app.command()(study)
    app.command()(evaluate)
    app.command()(batch)
    app.command()(worklist)
    app.command()(background)
    app.command()(compare)
    app.command()(validation_masks)
    app.command()(example)
    _models(app).command()(release)
    _models(app).command()(join)
    _models(app).command()(calibrate)
    _models(app).command()(promote)
    app.command()(brain_train)
    return app


def _models(app: typer.Typer) -> typer.Typer:
    """The group ``models`` of the engine's application."""
    return next(group.typer_instance for group in app.registered_groups if group.name == "models")
