"""``mslesionseg compare``: whether a new model is better than the one before, and where it is worse."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from MSLesionSegLib.cli import Device, ProgressKind
from MSLesionSegLib.errors import Cancelled, MSLesionSegError
from MSLesionSegLib.protocol import Progress

if TYPE_CHECKING:
    from .before_after import Comparison


class Part(StrEnum):
    """Part of the split."""

    train = "train"
    validation = "validation"
    test = "test"


def compare(
    context: typer.Context,
    dataset: Annotated[Path, typer.Argument(help="folder of annotated cases (docs/formats.md)")],
    before: Annotated[str, typer.Option(help="model before: a name, a bundle, or shipped")],
    after: Annotated[str, typer.Option(help="model after: a name, a bundle, or the folder of a run")],
    out: Annotated[Path, typer.Option(help="folder for the report")],
    part: Annotated[
        list[Part] | None, typer.Option(help="cases of this part; give each once [default: validation]")
    ] = None,
    painted: Annotated[int, typer.Option(min=0, help="painted patients, who show what is forgotten")] = 6,
    device: Annotated[Device, typer.Option(help="where the networks run")] = Device.auto,
    cache: Annotated[
        Path | None, typer.Option(help="folder of prepared cases [default: DATASET/derivatives/prepared]")
    ] = None,
    progress: Annotated[ProgressKind, typer.Option(help="how progress is told")] = ProgressKind.bar,
) -> None:
    """Compare two models on annotated cases, lesion by lesion, and on painted patients.

    A case that one of the models was trained on is shown and does not count.
    """
    from .before_after import compare as run
    from .before_after_models import bundle_model, model_or_run

    voice = context.obj
    voice.plan({"compare": 1.0})
    voice.stage("compare", "reading the models")
    first = bundle_model(before)
    models = first, model_or_run(after, first.threshold)
    parts = [one.value for one in part or [Part.validation]]
    done = run(*models, dataset, out, voice, parts=parts, painted=painted, cache=cache, device=device.value)
    voice.result({"folder": str(out), **told(done, out)})


def told(done: "Comparison", out: Path) -> dict[str, object]:
    """What a program hears of a comparison."""
    from .before_after import REPORT_FILE

    verdict = done.verdict
    return {
        "verdict": verdict.word,
        "forgets": verdict.forgets,
        "worse_in": list(verdict.worse_in),
        "message": f"{verdict.sentence} See {out / REPORT_FILE}",
    }


def compare_run(run: Path, init: str | None, dataset: Path, cache: Path | None, progress: Progress) -> str:
    """The report at the end of a run that started from a model, in ``before_after`` of its folder.

    Args:
        run: folder of the finished run.
        init: the model as it was named; None (a resumed run) looks for it among the known models.
        dataset, cache: of the run.
        progress: in its last stage.

    Returns:
        A sentence: the verdict, or why there is none.
    """
    from .before_after import compare as make
    from .before_after_models import bundle_model, run_model
    from .settings import TrainSettings

    identity = TrainSettings.load(run).init
    name = init or f"{identity['name']}-{identity['version']}"
    try:
        before = bundle_model(name)
        done = make(before, run_model(run, before.threshold), dataset, run / "before_after", progress, cache=cache)
    except Cancelled:
        raise Cancelled(
            "Cancelled after the last step; the run is whole, and `mslesionseg compare` compares."
        ) from None
    except MSLesionSegError as error:
        return f"Not compared with {name}: {error.message}"
    return str(told(done, run / "before_after")["message"])
