"""The whole command line: the engine's commands and those of the training package."""

import typer

from MSLesionSegLib.cli import build_app as build_engine_app

from .brain_command import brain_train
from .cases_command import cases
from .train_command import release, train


def build_app() -> typer.Typer:
    """The engine's application with the training package's commands added to it."""
    app = build_engine_app()
    app.command()(cases)
    app.command()(train)
    app.command()(release)
    app.command()(brain_train)
    return app
