"""The two models of a comparison: a bundle, or a finished run that is not released yet."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from MSLesionSegLib.errors import UsageError
from MSLesionSegLib.lesion_model import load_lesion_model
from MSLesionSegLib.lesions import DEFAULT_MIN_MM3
from MSLesionSegLib.study import CONTRASTS

from .run import DATA_FILE
from .run_log import read_epochs
from .settings import SETTINGS_FILE, TrainSettings
from .start_weights import SHIPPED
from .thresholds import best_threshold
from .train import load_result
from .validation import FLIP, SCORES_FILE, fullest_rows


@dataclass(frozen=True)
class ComparedModel:
    """A network as it segments by default.

    Attributes:
        name: and version, for a reader.
        network: in evaluation mode, on the CPU.
        patch: edge of its windows, voxels.
        flip: whether the mirrored window is averaged in.
        threshold: probability from which a voxel is lesion.
        min_lesion_mm3: smallest lesion.
        case_hashes: of the cases it was trained on, see ``voxel_sha256``.
    """

    name: str
    network: nn.Module
    patch: tuple[int, int, int]
    flip: bool
    threshold: float
    min_lesion_mm3: float
    case_hashes: frozenset[str]


def bundle_model(name_or_path: str) -> ComparedModel:
    """A model by name or path; ``shipped`` is the one that ships with the program.

    Raises:
        ModelError: see ``load_lesion_model``.
        UsageError: it takes other contrasts, so that it cannot see the same images.
    """
    _, bundle = load_lesion_model(None if name_or_path == SHIPPED else name_or_path)
    model = bundle.model
    if tuple(model.contrasts) != CONTRASTS or model.spacing_mm != 1.0:
        raise UsageError(
            f"{model.name} {model.version} takes other images than the models of this version.",
            "Compare models of FLAIR, T1w and T2w at 1 mm.",
        )
    return ComparedModel(
        name=f"{model.name} {model.version}",
        network=bundle.load_network(),
        patch=tuple(model.patch),
        flip=model.flip,
        threshold=model.threshold,
        min_lesion_mm3=model.min_lesion_mm3,
        case_hashes=frozenset(model.training.case_hashes),
    )


def model_or_run(name_or_path: str, otherwise: float) -> ComparedModel:
    """A model as ``bundle_model`` finds it, or a run that is not released, finished or not; see ``run_model``."""
    run = Path(name_or_path)
    if (run / SETTINGS_FILE).is_file():
        return run_model(run, threshold_so_far(run, otherwise))
    return bundle_model(name_or_path)


def threshold_so_far(run: Path, otherwise: float) -> float:
    """The threshold that suited the validation cases in a run's best epoch; ``otherwise`` where nobody validated."""
    epochs = [epoch for epoch in read_epochs(run) if epoch.score is not None]
    return max(epochs, key=lambda epoch: epoch.score).threshold if epochs else otherwise


def run_model(run: Path, otherwise: float) -> ComparedModel:
    """The network of a run, with the threshold that ``models release`` would choose where it is finished.

    Args:
        run: folder of the run.
        otherwise: threshold where no case of the run validated, or it is not finished.

    Raises:
        UsageError: the folder is no run.
    """
    settings = TrainSettings.load(run)
    try:
        data = json.loads((run / DATA_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{run} holds no {DATA_FILE} that can be read.", "Give the --out of `train`.") from error
    threshold, scores = otherwise, run / SCORES_FILE
    if scores.exists():
        threshold, _ = best_threshold(fullest_rows(json.loads(scores.read_text(encoding="utf-8"))))
    trained = {case["flair_sha256"] for case in data["cases"] if case["part"] == "train"}
    return ComparedModel(
        name=f"the run {run.resolve().name}",
        network=load_result(settings, run),
        patch=(settings.recipe.patch,) * 3,
        flip=FLIP,
        threshold=threshold,
        min_lesion_mm3=DEFAULT_MIN_MM3,
        case_hashes=frozenset({*trained, *data["init_case_hashes"]}),
    )
