"""``models list|info|verify|add|remove``: what can be given to ``segment --model``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from . import model_store
from .errors import ModelError

NameOrPath = Annotated[
    str, typer.Argument(metavar="MODEL", help="name of a model, or path of a bundle (folder or zip)")
]


def build_app() -> typer.Typer:
    """The ``models`` group of commands."""
    app = typer.Typer(help="List, look at, check, add and remove models.", rich_markup_mode=None)
    app.callback(invoke_without_command=True)(_group)
    app.command("list")(list_models)
    app.command()(info)
    app.command()(verify)
    app.command()(add)
    app.command()(remove)
    return app


def _group(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def list_models() -> None:
    """List the shipped models and the added ones."""
    rows = [("NAME", "VERSION", "KIND", "ORIGIN", "FOLDER")]
    for entry in model_store.list_models():
        origin = "shipped" if entry.shipped else "added"
        place = f"{entry.path} ({entry.problem})" if entry.problem else str(entry.path)
        rows.append((entry.name, entry.version or "?", entry.kind or "?", origin, place))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for *cells, last in rows:
        typer.echo("  ".join([*(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)), last]))


def info(model: NameOrPath) -> None:
    """Tell what a model is and what it was trained on."""
    from .bundle import load_bundle

    bundle = load_bundle(_find(model))
    description = bundle.model.model_dump(mode="json")
    training, scores, calibration = (description.pop(name) for name in ("training", "scores", "calibration"))
    training["case_hashes"] = f"{len(training['case_hashes'])} cases"
    lines = {"folder": bundle.path, "sha256": bundle.sha256, **description}
    lines |= {f"training {key}": value for key, value in training.items()}
    if calibration is not None:
        lines["confidence fitted on"] = calibration["fitted_on"]
        lines |= {f"confidence on {' + '.join(rule.pop('contrasts'))}": rule for rule in calibration["lesions"]}
    lines |= {f"score {number}": score for number, score in enumerate(scores, start=1)}
    lines["model card"] = bundle.path / "MODEL_CARD.md"
    for key, value in lines.items():
        typer.echo(f"{key}: {_plain(value)}")


def verify(model: NameOrPath) -> None:
    """Check that a model is whole and undamaged.

    The sums catch damage, not malice.
    """
    from .bundle import verify_bundle

    path = _find(model)
    problems = verify_bundle(path)
    if problems:
        for problem in problems[1:]:
            typer.echo(problem, err=True)
        raise ModelError(problems[0], "Fetch the model again; a damaged model is not used.")
    typer.echo(f"{path} is whole and undamaged.")


def add(bundle: Annotated[Path, typer.Argument(help="a bundle: folder or zip")]) -> None:
    """Copy a model into your own folder.

    Then `segment --model NAME` finds it.
    """
    entry = model_store.add_model(bundle)
    typer.echo(f"Added the {entry.kind} model {entry.full_name} in {entry.path}")


def remove(name: Annotated[str, typer.Argument(help="name of an added model")]) -> None:
    """Remove a model that was added. The shipped ones stay."""
    entry = model_store.remove_model(name)
    typer.echo(f"Removed the {entry.kind} model {entry.full_name} from {entry.path.parent}")


def _find(name_or_path: str) -> Path:
    """The bundle of that name, of whatever kind."""
    kinds = {entry.kind for entry in model_store.list_models() if name_or_path in (entry.name, entry.full_name)}
    return model_store.find_model(name_or_path, "brain" if kinds == {"brain"} else "lesion")


def _plain(value: Any) -> str:
    """Lists and mappings as words, without the brackets of Python."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    return str(value)
